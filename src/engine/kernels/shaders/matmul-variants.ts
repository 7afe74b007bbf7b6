// The matrix product in the shape that a tile asks for: kernel and grid together.
import { memoize, type Grid, type Kernel } from './kernel.ts';
import { matmulGrid, matmulKernel, type MatmulFusion, type MatmulShape, type MatmulTile } from './matmul.ts';
import { matmulQuadsKernel } from './matmul-quads.ts';
import { matmulSplitKernel } from './matmul-split.ts';
import { matmulWorkgroupKernel } from './matmul-workgroup.ts';

const registers = memoize(matmulKernel);
const workgroup = memoize(matmulWorkgroupKernel);
const quads = memoize(matmulQuadsKernel);
const split = memoize(matmulSplitKernel);

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
      return registers(shape, fusion, tile);
    case 'workgroup':
      return workgroup(shape, fusion, tile);
    case 'quads':
      return quads(shape, fusion, tile);
    case 'split':
      return split(shape, fusion, tile);
  }
}
