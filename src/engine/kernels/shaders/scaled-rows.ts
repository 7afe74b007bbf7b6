// Layer scale (Touvron et al., 2021): y[r, c] = x[r, c] scale[c], plus a residual where there is one (its
// rows 0, N, 2N.. for a stride N). One load and one store a value; one thread makes one vec4.
import { kernel, read, write, type Grid, type Kernel } from './kernel.ts';

export interface ScaledRows {
  readonly rows: number;
  readonly padded: number;
  /** Row of the residual that belongs to row 1; null for none. */
  readonly residual: number | null;
}

const threads = 64;

export function scaledRowsKernel({ rows, padded, residual }: ScaledRows): Kernel {
  const width = padded / 4;
  return kernel(
    `scaled-rows ${rows}x${padded}`,
    [read('x'), read('scale'), ...(residual === null ? [] : [read('residual')]), write('y')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let row = id.y;
  if (c >= ${width}u || row >= ${rows}u) { return; }
  let at = row * ${width}u + c;
  y[at] = x[at] * scale[c]${residual === null ? '' : ` + residual[row * ${residual * width}u + c]`};
}`,
  );
}

export function scaledRowsGrid({ rows, padded }: ScaledRows): Grid {
  return [Math.ceil(padded / 4 / threads), rows, 1];
}
