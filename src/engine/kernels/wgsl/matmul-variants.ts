// The matrix product in the shape that a tile asks for: kernel and grid together.
import { remembered, type Grid, type Kernel } from '../kernel.ts';
import { matmulGrid, matmulKernel, type MatmulFusion, type MatmulShape, type MatmulTile } from './matmul.ts';
import { matmulWorkgroupKernel } from './matmul-workgroup.ts';

const registers = remembered(matmulKernel);
const workgroup = remembered(matmulWorkgroupKernel);

export function matmul(
  shape: MatmulShape,
  fusion: MatmulFusion,
  tile: MatmulTile,
): { readonly kernel: Kernel; readonly grid: Grid } {
  const kernel =
    tile.memory === 'registers' ? registers(shape, fusion, tile) : workgroup(shape, fusion, tile);
  return { kernel, grid: matmulGrid(shape, tile) };
}
