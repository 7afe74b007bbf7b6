// Which shape of each kernel a device runs: tiles of the matrix products, threads of a workgroup, rows of a
// thread. Emulations on the processor want few, large register tiles and no barriers; GPUs want many threads.
import type { TuningRecord } from '../../engine.ts';
import { unnamedAdapter, type Gpu } from '../../gpu.ts';
import type { Attention } from '../shaders/attention.ts';
import type { MatmulShape, MatmulTile } from '../shaders/matmul.ts';
import { gpuTiles } from './tile-set.ts';

export interface Tuning {
  matmulTile(shape: MatmulShape): MatmulTile;
  /** Query or key rows of one attention thread: forward, and backward. */
  readonly attentionRows: readonly [forward: number, backward: number];
  /** Threads of a workgroup in attention, where each has rows of its own and where they share rows. */
  readonly attentionThreads: readonly [alone: number, shared: number];
  /** Threads of a workgroup in the skinny products of rows, and in the gradients of A and B. */
  readonly rowThreads: number;
  readonly columnThreads: number;
  /** Threads that share a sum of the skinny products, and the rows of the gradients of A and B. */
  readonly rowSplit: number;
  readonly columnShares: number;
  /** Whether four threads of an attention kernel share their loads by quad swaps (needs subgroups). */
  readonly attentionQuads: boolean;
  /** Threads that share a row of attention at most, forward and backward (above 1 needs subgroups). */
  readonly attentionSplit: readonly [forward: Attention['split'], backward: Attention['split']];
  /** Columns of a thread in the gradients of A and B, in vec4s. */
  readonly gradientTile: number;
  /** Buffers that carry pixels to the device, one for each step that may be in flight; 0: none is needed. */
  readonly uploads: number;
  /** Threads of one LayerNorm row. */
  readonly normThreads: number;
}

/**
 * Register tiles only, one thread a row: for SwiftShader. Tiles of 16 x 16 are 4 % faster in a step
 * (measured, depth 4 at 37 tokens, batch 8) and take nearly twice as long to compile, 33 instead of 19
 * CPU-seconds.
 */
export const processorTuning: Tuning = {
  matmulTile: ({ rows, columns }) => ({
    memory: 'registers',
    rowTile: Math.min(8, 2 ** Math.ceil(Math.log2(rows))),
    columnTile: columns >= 64 ? 4 : 1,
    threads: [4, 1],
  }),
  attentionRows: [2, 1],
  attentionThreads: [8, 8],
  rowThreads: 8,
  columnThreads: 4,
  rowSplit: 1,
  columnShares: 1,
  attentionQuads: false,
  attentionSplit: [1, 1],
  gradientTile: 4,
  uploads: 0,
  normThreads: 1,
};

/**
 * The same with quads, for an emulation that has subgroups. The rows of a workgroup (four threads) are chosen
 * so that few are idle: 40 for 37 tokens, 200 for 197.
 */
export const quadTuning: Tuning = {
  ...processorTuning,
  attentionQuads: true,
  matmulTile: (shape) =>
    shape.columns >= 64 && shape.rows >= 16
      ? { memory: 'quads', rowTile: quadRows(shape.rows), columnTile: 4, threads: [1, 4] }
      : processorTuning.matmulTile(shape),
};

/** Rows of one thread, of 6 to 10, that leave the fewest idle; of equals the most. */
function quadRows(rows: number): number {
  const idle = (tile: number): number => Math.ceil(rows / (4 * tile)) * 4 * tile - rows;
  return [10, 9, 8, 7, 6].reduce((best, tile) => (idle(tile) < idle(best) ? tile : best));
}

/**
 * Workgroups of 64 x 64 sums from which larger tiles pay, of 64 x 64 at all, and of 32 x 32 sums below which a
 * device idles unless threads share the inner sum. Measured on one GPU of 132 processors
 * (docs/decisions/kernel-engine.md); where it matters the tuner measures.
 */
const fills = { large: 800, middle: 200, small: 100 };

/** By how many workgroups a product has: the largest tile that leaves no part of a large GPU idle. */
function gpuTile({ rows, inner, columns, parts }: MatmulShape): MatmulTile {
  const groups = (size: number): number => Math.ceil(rows / size) * Math.ceil(columns / size) * parts;
  if (groups(64) >= fills.large) return gpuTiles.large;
  if (groups(64) >= fills.middle) return gpuTiles.middle;
  if (groups(32) >= fills.small) return gpuTiles.small;
  return inner >= 512 ? gpuTiles.long : gpuTiles.few;
}

/** For GPUs: tiles through workgroup memory, sums that threads share, rows of attention that they share. */
export const gpuTuning: Tuning = {
  matmulTile: gpuTile,
  attentionRows: [1, 1],
  attentionThreads: [32, 128],
  rowThreads: 256,
  columnThreads: 16,
  rowSplit: 8,
  columnShares: 16,
  attentionQuads: false,
  attentionSplit: [1, 1],
  gradientTile: 1,
  uploads: 8,
  normThreads: 64,
};

/** The same where lanes of a subgroup can exchange values. */
export const subgroupTuning: Tuning = { ...gpuTuning, attentionSplit: [4, 4] };

/**
 * The smallest tiles: for checks that must compile at once. Mesa's lavapipe takes minutes for the large
 * unrolled ones that win on SwiftShader.
 */
export const smallestTuning: Tuning = {
  matmulTile: () => ({ memory: 'registers', rowTile: 4, columnTile: 1, threads: [4, 2] }),
  attentionRows: [1, 1],
  attentionThreads: [8, 8],
  rowThreads: 8,
  columnThreads: 4,
  rowSplit: 1,
  columnShares: 1,
  attentionQuads: false,
  attentionSplit: [1, 1],
  gradientTile: 1,
  uploads: 0,
  normThreads: 1,
};

/**
 * A tuning whose products take turns at the tiles of a GPU, whatever their size: a small net then runs all
 * that a large one may.
 */
export function everyTile(tuning: Tuning): Tuning {
  const tiles = Object.values(gpuTiles);
  const dealt = new Map<string, MatmulTile>();
  return {
    ...tuning,
    matmulTile(shape) {
      const key = JSON.stringify(shape);
      const tile = dealt.get(key) ?? tiles[dealt.size % tiles.length] ?? gpuTiles.small;
      dealt.set(key, tile);
      return tile;
    },
  };
}

/** A tuning and how it came about. */
export interface Tuned {
  readonly tuning: Tuning;
  readonly record: TuningRecord;
}

/** Chosen by the kind of device alone. */
export function presetTuning(gpu: Pick<Gpu, 'software' | 'facts' | 'info' | 'name'>): Tuned {
  const { facts, info } = gpu;
  const canShare = facts.features.includes('subgroups') && info.subgroupMinSize >= 4;
  const tuning = gpu.software ? emulatedTuning(gpu) : canShare ? subgroupTuning : gpuTuning;
  return { tuning, record: { source: 'preset', tiles: {}, ms: 0 } };
}

function emulatedTuning({ facts, info, name }: Pick<Gpu, 'facts' | 'info' | 'name'>): Tuning {
  // Who emulates is not told by Firefox; on Linux it is lavapipe.
  if (name === unnamedAdapter || /llvmpipe|lavapipe/i.test(name)) return smallestTuning;
  return facts.features.includes('subgroups') && info.subgroupMinSize >= 4 ? quadTuning : processorTuning;
}
