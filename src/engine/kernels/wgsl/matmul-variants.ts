// The matrix product in the shape that a tile asks for: kernel and grid together.
import type { Grid, Kernel } from '../kernel.ts';
import { matmulGrid, matmulKernel, type MatmulFusion, type MatmulShape, type MatmulTile } from './matmul.ts';

export function matmul(
  shape: MatmulShape,
  fusion: MatmulFusion,
  tile: MatmulTile,
): { readonly kernel: Kernel; readonly grid: Grid } {
  return { kernel: matmulKernel(shape, fusion, tile), grid: matmulGrid(shape, tile) };
}
