// The matrix product in the shape that a tile asks for: kernel and grid together.
import type { Grid, Kernel } from '../kernel.ts';
import { matmulGrid, matmulKernel, type MatmulFusion, type MatmulShape, type MatmulTile } from './matmul.ts';
import { matmulWorkgroupKernel } from './matmul-workgroup.ts';

export function matmul(
  shape: MatmulShape,
  fusion: MatmulFusion,
  tile: MatmulTile,
): { readonly kernel: Kernel; readonly grid: Grid } {
  const kernel =
    tile.memory === 'registers'
      ? matmulKernel(shape, fusion, tile)
      : matmulWorkgroupKernel(shape, fusion, tile);
  return { kernel, grid: matmulGrid(shape, tile) };
}
