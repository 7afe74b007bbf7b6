// The tiles that may be tried for the matrix products, by name. Register tiles win where barriers and
// workgroup memory cost (emulated and some mobile GPUs), workgroup tiles where loads do, split ones where there
// are few rows: all kinds are here, a handful of sizes each.
import type { GpuFacts } from '../../engine.ts';
import type { MatmulTile, SplitTile, WorkgroupTile } from '../shaders/matmul.ts';
import { workgroupBytes } from '../shaders/matmul-workgroup.ts';

/** Raised when a kernel or the set changes: what was remembered for another version is measured again. */
export const tileSetVersion = 2;

const registers = (rowTile: number, columnTile: number, x: number, y: number): MatmulTile => ({
  memory: 'registers',
  rowTile,
  columnTile,
  threads: [x, y],
});

const workgroup = (
  rowTile: WorkgroupTile['rowTile'],
  columnTile: number,
  x: number,
  y: number,
): WorkgroupTile => ({ memory: 'workgroup', rowTile, columnTile, threads: [x, y], slice: 16 });

const split = (x: number, y: number, shares: SplitTile['shares']): SplitTile => ({
  memory: 'split',
  rowTile: 4,
  columnTile: 1,
  threads: [x, y],
  shares,
});

/** What the preset of a GPU takes, from the largest products to the smallest. */
export const gpuTiles = {
  large: workgroup(8, 2, 8, 8), // 64 x 64, 8 x 8 a thread
  middle: workgroup(8, 1, 16, 8), // 64 x 64, 8 x 4 a thread
  small: workgroup(4, 1, 8, 8), // 32 x 32
  few: split(4, 4, 16), // 16 x 16
  long: split(4, 2, 32), // 8 x 16
} as const;

/**
 * In the order in which they are tried: what won elsewhere comes first, in case the time runs out.
 */
export const tileSet: readonly MatmulTile[] = [
  gpuTiles.large,
  gpuTiles.middle,
  gpuTiles.small,
  workgroup(8, 2, 8, 16), // 128 x 64
  workgroup(4, 1, 16, 8), // 32 x 64
  workgroup(8, 2, 16, 8), // 64 x 128
  registers(8, 2, 8, 8),
  workgroup(4, 1, 16, 16), // 64 x 64, 4 x 4 a thread
  registers(4, 1, 16, 4),
  workgroup(8, 1, 16, 16), // 128 x 64, 8 x 4 a thread
  gpuTiles.few,
  registers(4, 2, 8, 8),
  registers(8, 4, 4, 8),
  registers(16, 4, 4, 4),
];

/** "workgroup 64x128, 8x8 each, slices of 16"; unique in the set. */
export function tileName({ memory, rowTile, columnTile, threads, ...rest }: MatmulTile): string {
  const [across, down] = threads;
  const size = `${rowTile * down}x${4 * columnTile * across}`;
  const each = `${rowTile}x${4 * columnTile} each`;
  const slices = 'slice' in rest ? `, slices of ${rest.slice}` : '';
  return `${memory} ${size}, ${each}${slices}${'shares' in rest ? `, ${rest.shares} shares` : ''}`;
}

/** Threads of a workgroup, and bytes of its memory, that a tile takes. */
function needsOf(tile: MatmulTile): { readonly threads: number; readonly bytes: number } {
  const threads = tile.threads[0] * tile.threads[1];
  switch (tile.memory) {
    case 'registers':
    case 'quads':
      return { threads, bytes: 0 };
    case 'workgroup':
      return { threads, bytes: workgroupBytes(tile) };
    case 'split':
      return { threads: threads * tile.shares, bytes: 16 * tile.rowTile * threads * tile.shares };
  }
}

/** Whether a device with these limits can run a tile. */
export function fits(tile: MatmulTile, { workgroupMemoryBytes, workgroupThreads }: GpuFacts): boolean {
  const { threads, bytes } = needsOf(tile);
  return threads <= workgroupThreads && bytes <= workgroupMemoryBytes;
}
