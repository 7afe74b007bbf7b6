// The frozen prefix: what the blocks below the first adapted one make of an image is always the same, so it
// is kept, and later steps read it instead of computing it. Two copies between the rows of a micro-batch,
// [images * tokens, dim], and the kept rows, [images of the data set, tokens, dim]:
//
//   keep  kept[place of image] = x of image           take  x of image = kept[place of image], 0 beyond the batch
//
// `places` are the batch's. Cost: one load and one store for four values.
import { kernel, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { partStruct, stepStruct } from './structs.ts';

export interface CachedRows {
  readonly images: number;
  /** vec4s of one image: tokens dim / 4. */
  readonly size: number;
}

const threads = 64;

export function prefixCacheKernel({ images, size }: CachedRows, direction: 'keep' | 'take'): Kernel {
  const keep = direction === 'keep';
  return kernel(
    `${direction}-rows ${images}x${size}`,
    [
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      read('places', 'array<u32>'),
      ...(keep ? [read('x'), write('kept')] : [read('kept'), write('x')]),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${partStruct.wgsl}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${size}u) { return; }
  let image = part.first + id.y;
  let at = id.y * ${size}u + id.x;
  ${
    keep
      ? `if (image < step.images) { kept[places[image] * ${size}u + id.x] = x[at]; }`
      : `var value = vec4f();
  if (image < step.images) { value = kept[places[image] * ${size}u + id.x]; }
  x[at] = value;`
  }
}`,
  );
}

export function prefixCacheGrid({ images, size }: CachedRows): Grid {
  return [Math.ceil(size / threads), images, 1];
}
