// A residual branch on its way into the residual stream, or its gradient on the way back:
//
//   y[r, c] = x[r, c] scale[c] factor[image of r] + residual[stride r, c]
//
// with the layer scale (Touvron et al., 2021), the factor by which a step leaves the branch out of single images
// (../../noise.ts) and the residual where there are such. One load and one store a value; one thread makes one vec4.
import { kernel, memoize, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { partStruct } from './structs.ts';

export interface ScaledRows {
  readonly rows: number;
  readonly padded: number;
  /** Row of the residual that belongs to row 1; null for none. */
  readonly residual: number | null;
  readonly scale: boolean;
  /** Rows of an image, where each has a factor; null where none has. */
  readonly rowsOfImage: number | null;
}

const threads = 64;

export const scaledRowsKernel = memoize(
  ({ rows, padded, residual, scale, rowsOfImage }: ScaledRows): Kernel => {
    const width = padded / 4;
    const factor = rowsOfImage === null ? '' : ` * factors[batchPart.first + row / ${rowsOfImage}u]`;
    return kernel(
      `scaled-rows ${rows}x${padded}`,
      [
        read('x'),
        ...(scale ? [read('scale')] : []),
        ...(rowsOfImage === null ? [] : [read('factors', 'array<f32>'), uniform('batchPart', 'Part')]),
        ...(residual === null ? [] : [read('residual')]),
        write('y'),
      ],
      /* wgsl */ `
${rowsOfImage === null ? '' : partStruct.wgsl}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let row = id.y;
  if (c >= ${width}u || row >= ${rows}u) { return; }
  let at = row * ${width}u + c;
  y[at] = x[at]${scale ? ' * scale[c]' : ''}${factor}${residual === null ? '' : ` + residual[row * ${residual * width}u + c]`};
}`,
    );
  },
);

export function scaledRowsGrid({ rows, padded }: ScaledRows): Grid {
  return [Math.ceil(padded / 4 / threads), rows, 1];
}
