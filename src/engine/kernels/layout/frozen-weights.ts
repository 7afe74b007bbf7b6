// The frozen backbone on the device, uploaded once: each linear in both layouts, [in, out] for the forward product and
// [out, in] for its gradient, so that both read vec4s along a row and nothing is transposed in a step. Costs the weights
// twice. One buffer a block; every tensor at a multiple of 256 bytes.
import { linearName, weightOf, type Linear, type VitModel } from '../../../vit/parameters.ts';
import { patchInputs, tokenCount, type VitConfig } from '../../../vit/vit-config.ts';
import type { DeviceMemory, Region } from '../device-memory.ts';
import { stored, type Storage } from '../storage.ts';
import { aligned, siteKinds, siteLinears, type SiteKind } from './sites.ts';
import { headPlaces, plainPlaces, type Places, type Widths } from './widths.ts';

export interface FrozenLinear {
  /** [parts, in, out]. */
  readonly forward: Region;
  /** [parts * out, in]. */
  readonly backward: Region;
  /** [parts * out]. */
  readonly bias: Region;
}

export interface FrozenBlock {
  /** Weight, then bias. */
  readonly norm1: Region;
  readonly norm2: Region;
  readonly linears: Readonly<Record<SiteKind, FrozenLinear>>;
}

export interface FrozenWeights {
  readonly patch: Region; // [3 patch^2, dim]
  /** Positions with the class token in row 0 and the patch bias in the others, [tokens, dim]. */
  readonly positions: Region;
  readonly blocks: readonly FrozenBlock[];
  readonly norm: Region;
}

/** A matrix [rows, columns] with its elements moved to their places, transposed if asked. */
function placed(
  source: Float32Array,
  [rowPlaces, rows]: readonly [Places, number],
  [columnPlaces, columns]: readonly [Places, number],
  transpose: boolean,
): Float32Array {
  const result = new Float32Array(rows * columns);
  const width = columnPlaces.length;
  for (let r = 0; r < rowPlaces.length; r++) {
    const row = rowPlaces[r] ?? 0;
    for (let c = 0; c < width; c++) {
      const column = columnPlaces[c] ?? 0;
      result[transpose ? column * rows + row : row * columns + column] = source[r * width + c] ?? 0;
    }
  }
  return result;
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

/** Puts arrays into one new buffer and gives the region of each. */
function upload<Name extends string>(
  memory: DeviceMemory,
  label: string,
  arrays: Readonly<Record<Name, Uint8Array<ArrayBuffer>>>,
): Record<Name, Region> {
  const names = Object.keys(arrays) as Name[];
  const bytes = names.reduce((sum, name) => sum + aligned(arrays[name].byteLength, 256), 0);
  const buffer = memory.create(label, bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  let offset = 0;
  const regions: Partial<Record<Name, Region>> = {};
  for (const name of names) {
    const array = arrays[name];
    memory.device.queue.writeBuffer(buffer, offset, array.buffer, array.byteOffset, array.byteLength);
    regions[name] = { buffer, offset, bytes: array.byteLength };
    offset += aligned(array.byteLength, 256);
  }
  return regions as Record<Name, Region>;
}

export function uploadFrozen(
  memory: DeviceMemory,
  { config, weights }: VitModel,
  widths: Widths,
  storage: Storage,
): FrozenWeights {
  const data = (name: string): Float32Array => weightOf(weights, name).data;
  const dim = plainPlaces(config.dim);
  const vector = (name: string, places: Places, width: number): Float32Array =>
    placed(data(name), [Uint32Array.of(0), 1], [places, width], false);
  const norm = (name: string): Uint8Array<ArrayBuffer> =>
    stored(
      joined([vector(`${name}.weight`, dim, widths.dim), vector(`${name}.bias`, dim, widths.dim)]),
      'f32',
    );
  const patch = placed(
    data('patch_embed.weight'),
    [dim, widths.dim],
    [plainPlaces(patchInputs(config)), widths.patch],
    true,
  );
  const outer = upload(memory, 'embedding', {
    patch: stored(patch, storage),
    positions: stored(positionTable(config, widths, data), 'f32'),
    norm: norm('norm'),
  });
  return {
    patch: outer.patch,
    positions: outer.positions,
    norm: outer.norm,
    blocks: Array.from({ length: config.depth }, (_, block) => {
      const arrays: Record<string, Uint8Array<ArrayBuffer>> = {
        norm1: norm(`blocks.${block}.norm1`),
        norm2: norm(`blocks.${block}.norm2`),
      };
      for (const kind of siteKinds) {
        const parts = siteLinears[kind].map((linear) => linearName(block, linear));
        const [outside, inside] = linearPlaces(config, widths, siteLinears[kind][0]);
        const matrix = (transpose: boolean): Uint8Array<ArrayBuffer> =>
          stored(
            joined(parts.map((name) => placed(data(`${name}.weight`), outside, inside, transpose))),
            storage,
          );
        arrays[`${kind}.forward`] = matrix(true);
        arrays[`${kind}.backward`] = matrix(false);
        arrays[`${kind}.bias`] = stored(
          joined(parts.map((name) => vector(`${name}.bias`, ...outside))),
          'f32',
        );
      }
      const regions = upload(memory, `block ${block}`, arrays);
      const region = (name: string): Region => regions[name] as Region;
      const linear = (kind: SiteKind): FrozenLinear => ({
        forward: region(`${kind}.forward`),
        backward: region(`${kind}.backward`),
        bias: region(`${kind}.bias`),
      });
      return {
        norm1: region('norm1'),
        norm2: region('norm2'),
        linears: { qkv: linear('qkv'), proj: linear('proj'), fc1: linear('fc1'), fc2: linear('fc2') },
      };
    }),
  };
}

/** Places and padded width of a linear's output and input. */
function linearPlaces(
  config: VitConfig,
  widths: Widths,
  linear: Linear,
): readonly [readonly [Places, number], readonly [Places, number]] {
  const dim = [plainPlaces(config.dim), widths.dim] as const;
  const mlp = [plainPlaces(config.mlpDim), widths.mlp] as const;
  const heads = [headPlaces(config), widths.context] as const;
  switch (linear) {
    case 'q':
    case 'k':
    case 'v':
      return [heads, dim];
    case 'proj':
      return [dim, heads];
    case 'fc1':
      return [mlp, dim];
    case 'fc2':
      return [dim, mlp];
  }
}

function positionTable(
  config: VitConfig,
  widths: Widths,
  data: (name: string) => Float32Array,
): Float32Array {
  const [prefix, positions, bias] = [data('prefix_tokens'), data('pos_embed'), data('patch_embed.bias')];
  const table = new Float32Array(tokenCount(config) * widths.dim);
  for (let token = 0; token < tokenCount(config); token++)
    for (let c = 0; c < config.dim; c++)
      table[token * widths.dim + c] =
        (positions[token * config.dim + c] ?? 0) + ((token === 0 ? prefix : bias)[c] ?? 0);
  return table;
}
