// The frozen backbone on the device, uploaded once: each linear in both layouts, [in, out] for the forward
// product and, where its input needs a gradient, [out, in] for that, so that both read vec4s along a row and
// a step transposes nothing that is frozen. Costs the weights twice. One buffer a block; every tensor at a
// multiple of 256 bytes. Matrices that learn are not here, and are transposed in a step: see
// backbone-matrices.ts.
import type { ModuleName } from '../../../dmlora/adapter.ts';
import type { NdArray } from '../../../shared/array.ts';
import { linearName, type ParamName } from '../../../vit/parameters.ts';
import { patchInputs, tokenCount, type VitConfig } from '../../../vit/vit-config.ts';
import { present } from '../../../shared/assert.ts';
import {
  plannedBuffer,
  type DeviceMemory,
  type PlannedBuffer,
  type Region,
} from '../device/device-memory.ts';
import { stored, valueBytes, type Storage } from '../shaders/storage.ts';
import { matrixKeys } from './backbone-matrices.ts';
import { vectorKeys } from './backbone-vectors.ts';
import { aligned, siteKinds, siteLinears, type SiteKind } from './sites.ts';
import type { TrainingState } from './training-state.ts';
import { linearPlaces, placed, plainPlaces, type Places, type Widths } from './widths.ts';

/** What of a backbone learns, and where. */
type Learning = Pick<TrainingState, 'vectors' | 'matrices' | 'table'>;

interface FrozenLinear {
  /** [parts, in, out]. */
  readonly forward: Region;
  /** [parts * out, in]; null where nothing below learns. */
  readonly backward: Region | null;
  /** [parts * out]. */
  readonly bias: Region;
}

interface FrozenBlock {
  /** Weight, then bias. */
  readonly norm1: Region;
  readonly norm2: Region;
  /** Layer scale of the two branches, [dim]. */
  readonly scales: { readonly ls1: Region; readonly ls2: Region } | null;
  readonly linears: Readonly<Record<SiteKind, FrozenLinear>>;
}

export interface FrozenWeights {
  readonly patch: Region; // [3 patch^2, dim]
  /**
   * Positions with the tokens before the patches in their rows and the patch bias in the others, [tokens,
   * dim].
   */
  readonly positions: Region;
  readonly blocks: readonly FrozenBlock[];
  readonly preNorm: Region | null;
  readonly norm: Region | null;
  readonly buffers: readonly PlannedBuffer[];
  /** Every tensor with its place. */
  readonly tensors: readonly FrozenTensor[];
}

/** A tensor of the backbone as it will lie on the device, made of the checkpoint's arrays. */
interface Content {
  readonly count: number;
  readonly storage: Storage;
  readonly values: (data: (name: string) => Float32Array) => Float32Array;
  /** The linears whose weights it is of, where it is of some. */
  readonly linears?: readonly ModuleName[];
}

interface FrozenTensor extends Content {
  readonly region: Region;
}

interface Shelf<Name> {
  readonly buffer: PlannedBuffer;
  readonly tensors: readonly FrozenTensor[];
  region(name: Name): Region;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** Lays tensors one after another into one buffer. */
function shelve<Name extends string>(label: string, tensors: Readonly<Record<Name, Content>>): Shelf<Name> {
  const names = Object.keys(tensors) as Name[];
  const bytesOf = ({ count, storage }: Content): number => count * valueBytes[storage];
  const total = names.reduce((sum, name) => sum + aligned(bytesOf(tensors[name]), 256), 0);
  const buffer = plannedBuffer(label, total);
  let offset = 0;
  const placed: FrozenTensor[] = [];
  const regions = new Map<Name, Region>();
  for (const name of names) {
    const region = { buffer, offset, bytes: bytesOf(tensors[name]) };
    regions.set(name, region);
    placed.push({ ...tensors[name], region });
    offset += aligned(region.bytes, 256);
  }
  return { buffer, tensors: placed, region: (name) => present(regions.get(name), name) };
}

/**
 * Where everything of a frozen backbone will lie.
 *
 * @param gradients of which linears' inputs the backward pass needs the gradient: only those have the second layout.
 * @param state what of it learns, and lies there.
 */
export function planFrozen(
  config: VitConfig,
  widths: Widths,
  storage: Storage,
  gradients: (block: number, kind: SiteKind) => boolean,
  state: Learning,
): FrozenWeights {
  const learnt = state.matrices !== null;
  const dim = plainPlaces(config.dim);
  const vector =
    (name: string, places: Places, width: number): Content['values'] =>
    (data) =>
      placed(data(name), [Uint32Array.of(0), 1], [places, width], false);
  const norm = (name: string): Content => ({
    count: 2 * widths.dim,
    storage: 'f32',
    values: (data) =>
      joined(['weight', 'bias'].map((half) => vector(`${name}.${half}`, dim, widths.dim)(data))),
  });
  const patch: Content = {
    count: widths.patch * widths.dim,
    storage,
    values: (data) =>
      placed(
        data('patch_embed.weight'),
        [dim, widths.dim],
        [plainPlaces(patchInputs(config)), widths.patch],
        true,
      ),
  };
  const outer = shelve<string>('embedding', {
    ...(learnt ? {} : { patch }),
    positions: {
      count: widths.tokens * widths.dim,
      storage: 'f32',
      values: (data) => positionTable(config, widths, data, state.table === null),
    },
    ...(config.preNorm ? { pre_norm: norm('pre_norm') } : {}),
    ...(config.finalNorm === 'none' ? {} : { norm: norm('norm') }),
  });
  const shelves: Pick<Shelf<string>, 'buffer' | 'tensors'>[] = [outer];
  const blocks = Array.from({ length: config.depth }, (_, block): FrozenBlock => {
    const contents: Record<string, Content> = {
      norm1: norm(`blocks.${block}.norm1`),
      norm2: norm(`blocks.${block}.norm2`),
    };
    for (const name of config.layerScale ? (['ls1', 'ls2'] as const) : [])
      contents[name] = {
        count: widths.dim,
        storage: 'f32',
        values: vector(`blocks.${block}.${name}`, dim, widths.dim),
      };
    for (const kind of siteKinds) {
      const parts = siteLinears[kind].map((linear) => linearName(block, linear));
      const [outside] = linearPlaces(config, widths, siteLinears[kind][0]);
      if (!learnt) contents[`${kind}.forward`] = matrix(config, widths, storage, block, kind, true);
      if (!learnt && gradients(block, kind))
        contents[`${kind}.backward`] = matrix(config, widths, storage, block, kind, false);
      contents[`${kind}.bias`] = {
        count: parts.length * outside[1],
        storage: 'f32',
        values: (data) => joined(parts.map((name) => vector(`${name}.bias`, ...outside)(data))),
      };
    }
    const shelf = shelve(`block ${block}`, contents);
    shelves.push(shelf);
    const linear = (kind: SiteKind): FrozenLinear => ({
      ...(placesOf(state, matrixKeys.site(block, kind)) ?? {
        forward: shelf.region(`${kind}.forward`),
        backward: gradients(block, kind) ? shelf.region(`${kind}.backward`) : null,
      }),
      bias: shelf.region(`${kind}.bias`),
    });
    return {
      norm1: shelf.region('norm1'),
      norm2: shelf.region('norm2'),
      scales: config.layerScale ? { ls1: shelf.region('ls1'), ls2: shelf.region('ls2') } : null,
      linears: { qkv: linear('qkv'), proj: linear('proj'), fc1: linear('fc1'), fc2: linear('fc2') },
    };
  });
  const frozen = {
    patch: placesOf(state, matrixKeys.patch)?.forward ?? outer.region('patch'),
    positions: outer.region('positions'),
    preNorm: config.preNorm ? outer.region('pre_norm') : null,
    norm: config.finalNorm === 'none' ? null : outer.region('norm'),
    blocks,
    buffers: shelves.map(({ buffer }) => buffer),
    tensors: shelves.flatMap(({ tensors }) => tensors),
  };
  return withLearning(frozen, state);
}

/** Where both layouts of a matrix lie that learns; null where it does not. */
function placesOf(
  { matrices }: Learning,
  key: string,
): { readonly forward: Region; readonly backward: Region | null } | null {
  if (matrices === null) return null;
  const { forward, backward } = present(matrices.regions.get(key), key);
  return { forward, backward };
}

/** The matrices of linears that read the same, one below the other. */
function matrix(
  config: VitConfig,
  widths: Widths,
  storage: Storage,
  block: number,
  kind: SiteKind,
  transpose: boolean,
): Content {
  const parts = siteLinears[kind].map((linear) => linearName(block, linear));
  const [outside, inside] = linearPlaces(config, widths, siteLinears[kind][0]);
  return {
    count: parts.length * outside[1] * inside[1],
    storage,
    linears: parts,
    values: (data) => joined(parts.map((name) => placed(data(`${name}.weight`), outside, inside, transpose))),
  };
}

/**
 * The same backbone with what learns where it does so. What was planned for vectors keeps its place, which nothing
 * reads: a thousandth of the matrices.
 */
export function withLearning(frozen: FrozenWeights, state: Learning): FrozenWeights {
  const { vectors, matrices } = state;
  if (vectors.size === 0 && matrices === null) return frozen;
  const at = (key: string, otherwise: Region): Region => vectors.get(key)?.parameters ?? otherwise;
  const blocks = frozen.blocks.map(({ norm1, norm2, linears, scales }, block): FrozenBlock => {
    const linear = (kind: SiteKind): FrozenLinear => ({
      ...linears[kind],
      ...placesOf(state, matrixKeys.site(block, kind)),
      bias: at(vectorKeys.bias(block, kind), linears[kind].bias),
    });
    return {
      norm1: at(vectorKeys.blockNorm(block, 1), norm1),
      norm2: at(vectorKeys.blockNorm(block, 2), norm2),
      scales: scales && {
        ls1: at(vectorKeys.scale(block, 'ls1'), scales.ls1),
        ls2: at(vectorKeys.scale(block, 'ls2'), scales.ls2),
      },
      linears: { qkv: linear('qkv'), proj: linear('proj'), fc1: linear('fc1'), fc2: linear('fc2') },
    };
  });
  return {
    ...frozen,
    blocks,
    patch: placesOf(state, matrixKeys.patch)?.forward ?? frozen.patch,
    preNorm: frozen.preNorm && at(vectorKeys.preNorm, frozen.preNorm),
    norm: frozen.norm && at(vectorKeys.norm, frozen.norm),
  };
}

/**
 * The same backbone for a backward pass through every block down to the attention of the first: with the second
 * layout of the linears that lack it, in buffers of their own, which are those that are listed.
 */
export function planGradientsEverywhere(
  config: VitConfig,
  widths: Widths,
  storage: Storage,
  frozen: FrozenWeights,
): FrozenWeights {
  const shelves: Pick<Shelf<string>, 'buffer' | 'tensors'>[] = [];
  const blocks = frozen.blocks.map((of, block): FrozenBlock => {
    const missing = siteKinds.filter(
      (kind) => of.linears[kind].backward === null && (block > 0 || kind !== 'qkv'),
    );
    if (missing.length === 0) return of;
    const contents: Record<string, Content> = {};
    for (const kind of missing) contents[kind] = matrix(config, widths, storage, block, kind, false);
    const shelf = shelve(`block ${block} transposed`, contents);
    shelves.push(shelf);
    const linears = { ...of.linears };
    for (const kind of missing) linears[kind] = { ...linears[kind], backward: shelf.region(kind) };
    return { ...of, linears };
  });
  return {
    ...frozen,
    blocks,
    buffers: shelves.map(({ buffer }) => buffer),
    tensors: shelves.flatMap(({ tensors }) => tensors),
  };
}

/**
 * Fills the planned buffers, which must exist, with a model's weights.
 *
 * @param changed where only some of the linears have another weight than lies there.
 */
export function uploadFrozen(
  memory: DeviceMemory,
  weightOf: (name: ParamName) => NdArray,
  { tensors }: FrozenWeights,
  changed?: ReadonlySet<ModuleName>,
): void {
  const data = (name: string): Float32Array => weightOf(name).data;
  for (const { region, storage, values, linears = [] } of tensors)
    if (changed === undefined || linears.some((linear) => changed.has(linear)))
      memory.write(region, stored(values(data), storage));
}

function positionTable(
  config: VitConfig,
  widths: Widths,
  data: (name: string) => Float32Array,
  biased: boolean,
): Float32Array {
  const prefix = config.prefixTokens === 0 ? new Float32Array() : data('prefix_tokens');
  const [positions, bias] = [data('pos_embed'), biased ? data('patch_embed.bias') : []];
  const table = new Float32Array(tokenCount(config) * widths.dim);
  for (let token = 0; token < tokenCount(config); token++)
    for (let c = 0; c < config.dim; c++)
      table[token * widths.dim + c] =
        (positions[token * config.dim + c] ?? 0) +
        (token < config.prefixTokens ? (prefix[token * config.dim + c] ?? 0) : (bias[c] ?? 0));
  return table;
}
