// The tiles of tests that look at numbers, not at speed: what compiles soonest.
import type { Tuning } from '../tuning.ts';

/**
 * The smallest tiles. Mesa's lavapipe takes minutes to compile the large unrolled ones that win on SwiftShader; those
 * are tested in the browser.
 */
export const smallTuning: Tuning = {
  matmulTile: () => ({ memory: 'registers', rowTile: 4, columnTile: 1, threads: [4, 2] }),
  attentionRows: [1, 1],
  gradientTile: 1,
  normThreads: 1,
};
