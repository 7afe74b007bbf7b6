// The matrices of the backbone that learn, in buffers of their own: float32 parameters in the layout of the
// forward product, [parts, in, out], gradients and both moments alike, and the layout of the backward
// product, which a step writes from the parameters before it begins. A matrix takes five times its size so;
// frozen it takes two.
//
// As few buffers as may be bound on every device, since each takes a dispatch before a step and two after it:
// matrices follow one another in the order of the forward pass, each at a multiple of 256 bytes.
import type { Adapter } from '../../../dmlora/adapter.ts';
import { isMatrix } from '../../../dmlora/tuned.ts';
import { ndArray, type NdArray } from '../../../shared/array.ts';
import { assert, present } from '../../../shared/assert.ts';
import { backboneShapes, linearName, type ParamName } from '../../../vit/parameters.ts';
import { patchInputs, type VitConfig } from '../../../vit/vit-config.ts';
import { wholeOf, type PlannedBuffer, type Region, type Use } from '../device/device-memory.ts';
import { transposeTiles, type Transposed } from '../shaders/transposed.ts';
import { aligned, siteKinds, siteLinears, type SiteKind } from './sites.ts';
import { linearPlaces, placed, plainPlaces, taken, type Placed, type Widths } from './widths.ts';

/** What WebGPU promises of a binding, in bytes. */
const shelfBytes = 2 ** 27;

/** Matrices of linears that read the same, or that of the patch embedding. */
interface Matrix {
  /** See matrixKeys. */
  readonly key: string;
  readonly parts: readonly ParamName[];
  readonly shape: readonly number[];
  readonly output: Placed;
  readonly input: Placed;
  /** Values of a part. */
  readonly size: number;
  /** Whether the backward product reads it too: not at the patch embedding. */
  readonly backward: boolean;
}

export const matrixKeys = {
  patch: 'patch_embed.weight',
  site: (block: number, kind: SiteKind): string => `blocks.${block}.${kind}.weight`,
} as const;

/** What each buffer of matrices has of one. */
export interface MatrixShelf {
  readonly parameters: PlannedBuffer;
  readonly gradient: PlannedBuffer;
  readonly first: PlannedBuffer;
  readonly second: PlannedBuffer;
  /** The second layout, and the tiles that write it; null where no backward product reads any of them. */
  readonly transposed: {
    readonly buffer: PlannedBuffer;
    readonly tiles: Region;
    readonly count: number;
  } | null;
  /** In the order in which they lie. */
  readonly matrices: readonly { readonly matrix: Matrix; readonly offset: number }[];
}

export type MatrixValues = 'parameters' | 'gradient' | 'first' | 'second';

export interface MatrixRegions {
  readonly forward: Region;
  /** Null where the backward product does not read it. */
  readonly backward: Region | null;
  readonly gradient: Region;
}

export interface MatrixState {
  readonly shelves: readonly MatrixShelf[];
  /** By their keys. */
  readonly regions: ReadonlyMap<string, MatrixRegions>;
}

function matricesOf(config: VitConfig, widths: Widths): Matrix[] {
  const shapes = backboneShapes(config);
  const make = (
    key: string,
    parts: readonly ParamName[],
    [output, input]: readonly [Placed, Placed],
  ): Matrix => ({
    ...{ key, parts, output, input },
    shape: present(shapes.get(parts[0] ?? ''), key),
    size: output[1] * input[1],
    backward: key !== matrixKeys.patch,
  });
  const patches = [plainPlaces(patchInputs(config)), widths.patch] as const;
  const dim = [plainPlaces(config.dim), widths.dim] as const;
  const sites = Array.from({ length: config.depth }, (_, block) =>
    siteKinds.map((kind) => {
      const names = siteLinears[kind].map((linear) => `${linearName(block, linear)}.weight`);
      return make(matrixKeys.site(block, kind), names, linearPlaces(config, widths, siteLinears[kind][0]));
    }),
  ).flat();
  return [make(matrixKeys.patch, [matrixKeys.patch], [dim, patches]), ...sites];
}

/** How a state makes its buffers, and its tables. */
interface Makers {
  readonly make: (label: string, bytes: number, use?: Use) => PlannedBuffer;
  readonly table: (label: string, data: Uint32Array<ArrayBuffer>) => PlannedBuffer;
}

/** Where they lie; null where none learns. They learn together or not at all. */
export function planMatrices(
  config: VitConfig,
  widths: Widths,
  { backbone }: Pick<Adapter, 'backbone'>,
  { make, table }: Makers,
): MatrixState | null {
  if (backbone === undefined || ![...backbone.keys()].some(isMatrix)) return null;
  const shelves: MatrixShelf[] = [];
  const regions = new Map<string, MatrixRegions>();
  for (const [at, matrices] of shelved(matricesOf(config, widths)).entries()) {
    for (const name of matrices.flatMap(({ parts }) => parts))
      assert(backbone.has(name), () => `${name} learns with the other matrices`);
    let bytes = 0;
    const begins = matrices.map((matrix) => {
      const offset = bytes;
      bytes += bytesOf(matrix);
      return { matrix, offset };
    });
    const buffer = (label: string): PlannedBuffer => make(`${label} of matrices ${at}`, bytes);
    const values = {
      parameters: buffer('parameters'),
      gradient: buffer('gradient'),
      first: buffer('first moments'),
      second: buffer('second moments'),
    };
    let behind = 0;
    const turned = new Map<string, number>();
    const tiles: Transposed[] = [];
    for (const { matrix, offset } of begins.filter(({ matrix }) => matrix.backward)) {
      const [inner, columns] = [matrix.input[1] / 4, matrix.output[1] / 4];
      turned.set(matrix.key, behind);
      matrix.parts.forEach((_, part) => {
        const begin = (part * matrix.size) / 4;
        tiles.push({ from: offset / 16 + begin, to: behind / 16 + begin, inner, columns });
      });
      behind += bytesOf(matrix);
    }
    const words = transposeTiles(tiles);
    const transposed =
      behind === 0
        ? null
        : {
            buffer: make(`transposed matrices ${at}`, behind),
            tiles: wholeOf(table(`tiles of matrices ${at}`, words)),
            count: words.length / 8,
          };
    for (const { matrix, offset } of begins) {
      const own = 4 * matrix.parts.length * matrix.size;
      const back = turned.get(matrix.key);
      regions.set(matrix.key, {
        forward: { buffer: values.parameters, offset, bytes: own },
        gradient: { buffer: values.gradient, offset, bytes: own },
        backward:
          transposed && back !== undefined ? { buffer: transposed.buffer, offset: back, bytes: own } : null,
      });
    }
    shelves.push({ ...values, transposed, matrices: begins });
  }
  return { shelves, regions };
}

const bytesOf = ({ parts, size }: Matrix): number => aligned(4 * parts.length * size, 256);

/** Matrices in turn, as many a buffer as it may hold. */
function shelved(matrices: readonly Matrix[]): Matrix[][] {
  const shelves: Matrix[][] = [];
  let room = 0;
  for (const matrix of matrices) {
    room -= bytesOf(matrix);
    if (room < 0 || shelves.length === 0) {
      shelves.push([]);
      room = shelfBytes - bytesOf(matrix);
    }
    shelves.at(-1)?.push(matrix);
  }
  return shelves;
}

/** Named arrays as a matrix lies; what has no values is 0. */
export function packMatrix(
  { parts, size, output, input }: Matrix,
  valuesOf: (name: ParamName) => Float32Array | undefined,
): Float32Array<ArrayBuffer> {
  const flat = new Float32Array(parts.length * size);
  parts.forEach((name, part) => {
    const values = valuesOf(name);
    if (values !== undefined) flat.set(placed(values, output, input, true), part * size);
  });
  return flat;
}

/** The way back: every matrix of a buffer. */
export function* unpackMatrices(
  { matrices }: MatrixShelf,
  flat: Float32Array,
): Iterable<readonly [ParamName, NdArray]> {
  for (const { matrix, offset } of matrices)
    for (const [part, name] of matrix.parts.entries()) {
      const begin = offset / 4 + part * matrix.size;
      const own = flat.subarray(begin, begin + matrix.size);
      yield [name, ndArray(matrix.shape, taken(own, matrix.output, matrix.input, true))];
    }
}

/** What the buffers of one kind take on the way to the host, one at a time. */
export function widestShelf(state: MatrixState | null): number {
  return Math.max(0, ...(state?.shelves ?? []).map(({ parameters }) => parameters.bytes));
}
