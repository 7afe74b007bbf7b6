// The tiles that may be tried for the matrix products, by name. Register tiles win where barriers and
// workgroup memory cost (emulated and some mobile GPUs), workgroup tiles where loads do: both kinds are here,
// a handful of sizes each.
import type { GpuFacts } from '../../engine.ts';
import type { MatmulTile } from '../shaders/matmul.ts';
import { workgroupBytes } from '../shaders/matmul-workgroup.ts';

/** Raised when a kernel or the set changes: what was remembered for another version is measured again. */
export const tileSetVersion = 1;

const registers = (rowTile: number, columnTile: number, x: number, y: number): MatmulTile => ({
  memory: 'registers',
  rowTile,
  columnTile,
  threads: [x, y],
});

const workgroup = (
  rowTile: number,
  columnTile: number,
  x: number,
  y: number,
  slice: 8 | 16 | 32,
): MatmulTile => ({ memory: 'workgroup', rowTile, columnTile, threads: [x, y], slice });

/**
 * In the order in which they are tried: what is most likely to win comes first, in case the time runs out.
 */
export const tileSet: readonly MatmulTile[] = [
  workgroup(8, 2, 8, 8, 16), // 64 x 64, 8 x 8 a thread
  workgroup(8, 2, 16, 8, 16), // 64 x 128
  workgroup(4, 1, 16, 16, 16), // 64 x 64, 4 x 4 a thread
  registers(8, 2, 8, 8),
  workgroup(8, 2, 16, 16, 8), // 128 x 128
  workgroup(8, 1, 16, 8, 32), // 64 x 64, 8 x 4 a thread
  registers(4, 1, 16, 4),
  workgroup(8, 2, 8, 8, 32),
  workgroup(8, 2, 8, 16, 16), // 128 x 64
  workgroup(4, 1, 8, 8, 32), // 32 x 32
  registers(4, 2, 8, 8),
  registers(8, 4, 4, 8),
  registers(16, 4, 4, 4),
];

/** "workgroup 64x128, 8x8 each, slices of 16"; unique in the set. */
export function tileName({ memory, rowTile, columnTile, threads, ...rest }: MatmulTile): string {
  const [across, down] = threads;
  const size = `${rowTile * down}x${4 * columnTile * across}`;
  const each = `${rowTile}x${4 * columnTile} each`;
  return `${memory} ${size}, ${each}${'slice' in rest ? `, slices of ${rest.slice}` : ''}`;
}

/** Whether a device with these limits can run a tile. */
export function fits(tile: MatmulTile, { workgroupMemoryBytes, workgroupThreads }: GpuFacts): boolean {
  const [across, down] = tile.threads;
  return (
    across * down <= workgroupThreads &&
    (tile.memory !== 'workgroup' || workgroupBytes(tile) <= workgroupMemoryBytes)
  );
}
