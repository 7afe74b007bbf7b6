// Which shape of each kernel a device runs: tiles of the matrix products, query rows of an attention thread, threads of
// a LayerNorm row. Emulations on the processor want few, large register tiles and no barriers; GPUs want many threads.
import type { MatmulShape, MatmulTile } from './wgsl/matmul.ts';

export interface Tuning {
  matmulTile(shape: MatmulShape): MatmulTile;
  /** Query or key rows of one attention thread: forward, and backward. */
  readonly attentionRows: readonly [forward: number, backward: number];
  /** Threads of one LayerNorm row. */
  readonly normThreads: number;
}

/** Register tiles only, one thread a row: for SwiftShader and lavapipe. */
export const processorTuning: Tuning = {
  matmulTile: ({ rows, columns }) => ({
    memory: 'registers',
    rowTile: Math.min(16, 2 ** Math.ceil(Math.log2(rows))),
    columnTile: columns >= 64 ? 4 : 1,
    threads: [4, 1],
  }),
  attentionRows: [4, 2],
  normThreads: 1,
};

/** Smaller tiles and more threads. Chosen by reasoning about occupancy; not measured on a GPU. */
export const gpuTuning: Tuning = {
  matmulTile: ({ rows }) => ({
    memory: 'registers',
    rowTile: rows >= 64 ? 8 : 4,
    columnTile: 1,
    threads: [16, 4],
  }),
  attentionRows: [1, 1],
  normThreads: 64,
};
