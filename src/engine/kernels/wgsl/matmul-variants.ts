// The matrix product in the shape that a tile asks for: kernel and grid together.
import type { Grid, Kernel } from '../kernel.ts';
import { matmulGrid, matmulKernel, type MatmulFusion, type MatmulShape, type MatmulTile } from './matmul.ts';
import { matmulQuadsKernel } from './matmul-quads.ts';
import { matmulWorkgroupKernel } from './matmul-workgroup.ts';

export function matmul(
  shape: MatmulShape,
  fusion: MatmulFusion,
  tile: MatmulTile,
): { readonly kernel: Kernel; readonly grid: Grid } {
  const kernel = kernelOf(shape, fusion, tile);
  return { kernel, grid: matmulGrid(shape, tile) };
}

function kernelOf(shape: MatmulShape, fusion: MatmulFusion, tile: MatmulTile): Kernel {
  switch (tile.memory) {
    case 'registers':
      return matmulKernel(shape, fusion, tile);
    case 'workgroup':
      return matmulWorkgroupKernel(shape, fusion, tile);
    case 'quads':
      return matmulQuadsKernel(shape, fusion, tile);
  }
}
