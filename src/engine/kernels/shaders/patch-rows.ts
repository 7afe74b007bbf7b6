// Pixels to the rows of the patch embedding, [images * tokens, 3 patch^2], flattened as (channel, row,
// column). The rows of tokens before the patches are 0: their values come from the table of positions that
// the product adds. Images from `step.images` on (a batch that is not full) are 0. Pixels are the batch's,
// rows those of one micro-batch.
//
//   bytes       [n, side, side, 3], four to a word:
//               byte * scale[channel] + shift[channel] = (value rescale - mean) / std
//   cropped     the same, sampled where the image's crop says (engine/crop.ts): bilinear, clamped, the places
//               as integers in 1/65536 of a pixel, so that every device samples the same ones; a flip is a
//               negative step
//   rotated     beside either: rows step across and columns step down too, by the image's two integers
//   coloured    beside either: an affine function of the pixel that was sampled, clamped to a byte's values,
//               by the image's two vec4s: gain and what of each channel is added; then the shift
//               (engine/augmentation.ts)
//   erased      beside either: 0 in a rectangle of the image
//   mixed       share times that and the rest of what the image's partner in the batch has there, sampled by
//               the partner's own crop (Zhang et al., "mixup", 2018)
//   cut         beside mixed: in steps that have a rectangle, the partner's within it and the image's own
//               elsewhere (Yun et al., "CutMix", 2019)
//   normalised  [n, 3, side, side] float32, copied
//
// Cost: one load and one store a value (cropped: four loads, mixed: eight, coloured: three times as many); one
// thread makes four values.
import { cropUnit } from '../../crop.ts';
import type { Normalisation } from '../../engine.ts';
import { float, kernel, list, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { partStruct, stepStruct } from './structs.ts';

export type PixelForm = Normalisation | AugmentedForm | 'normalised';

interface AugmentedForm {
  readonly cropped: Normalisation;
  readonly rotated?: boolean;
  readonly coloured?: boolean;
  readonly erased?: boolean;
  readonly mixed?: boolean;
  readonly cut?: boolean;
}

export interface PatchRows {
  readonly images: number;
  readonly side: number;
  readonly patch: number;
  /** Tokens before the patches. */
  readonly prefix: number;
  /** 3 patch^2 rounded up to a multiple of 4. */
  readonly padded: number;
}

const threads = 64;
/** Work is spread over two dimensions: one alone holds 65,535 workgroups. */
const line = 1024;

export function patchRowsKernel(rows: PatchRows, form: PixelForm): Kernel {
  const { images, side, patch, prefix, padded } = rows;
  const grid = side / patch;
  const tokens = grid * grid + prefix;
  const area = side * side;
  const isCropped = typeof form === 'object' && 'cropped' in form;
  const isMixed = isCropped && form.mixed === true;
  const isRotated = isCropped && form.rotated === true;
  const isErased = isCropped && form.erased === true;
  const isCut = isMixed && form.cut === true;
  const isColoured = isCropped && form.coloured === true;
  const normalisation = form === 'normalised' ? null : isCropped ? form.cropped : form;
  const byteFunctions = (n: Normalisation): string => /* wgsl */ `
const scale = vec3f(${list(3, (c) => float(n.rescale / (n.std[c] ?? 1)))});
const shift = vec3f(${list(3, (c) => float(-(n.mean[c] ?? 0) / (n.std[c] ?? 1)))});
fn byte(image: u32, y: u32, x: u32, channel: u32) -> f32 {
  let at = (image * ${area}u + y * ${side}u + x) * 3u + channel;
  return f32((pixels[at / 4u] >> (8u * (at % 4u))) & 255u);
}`;
  const between = /* wgsl */ `
fn between(image: u32, corners: vec4u, fy: f32, fx: f32, channel: u32) -> f32 {
  let a = byte(image, corners.x, corners.y, channel);
  let b = byte(image, corners.z, corners.y, channel);
  let top = a + (byte(image, corners.x, corners.w, channel) - a) * fx;
  let bottom = b + (byte(image, corners.z, corners.w, channel) - b) * fx;
  return top + (bottom - top) * fy;
}`;
  const isIn = /* wgsl */ `
fn isIn(box: vec4u, y: u32, x: u32) -> bool {
  return x >= box.x && y >= box.y && x < box.z && y < box.w;
}`;
  const recoloured = /* wgsl */ `
  let pixel = vec3f(${list(3, (c) => `between(image, corners, fy, fx, ${c}u)`)});
  let colour = colours[2u * image];
  let added = dot(colour.yzw, pixel) + colours[2u * image + 1u].x;
  let value = clamp(colour.x * pixel[channel] + added, 0.0, 255.0);`;
  const sampled = /* wgsl */ `${isErased ? '\n  if (isIn(erased[image], y, x)) { return 0.0; }' : ''}
  let crop = crops[image];
  let px = clamp(crop.x + i32(x) * crop.z${isRotated ? ' + i32(y) * turns[image].x' : ''}, 0, ${(side - 1) * cropUnit});
  let py = clamp(crop.y + i32(y) * crop.w${isRotated ? ' + i32(x) * turns[image].y' : ''}, 0, ${(side - 1) * cropUnit});
  let x0 = u32(px) / ${cropUnit}u;
  let y0 = u32(py) / ${cropUnit}u;
  let x1 = min(x0 + 1u, ${side - 1}u);
  let y1 = min(y0 + 1u, ${side - 1}u);
  let fx = f32(u32(px) % ${cropUnit}u) / ${cropUnit}.0;
  let fy = f32(u32(py) % ${cropUnit}u) / ${cropUnit}.0;
  let corners = vec4u(y0, x0, y1, x1);
  ${isColoured ? recoloured : 'let value = between(image, corners, fy, fx, channel);'}
  return value * scale[channel] + shift[channel];`;
  const pixel =
    normalisation === null
      ? `return pixels[(image * 3u + channel) * ${area}u + y * ${side}u + x];`
      : isCropped
        ? isMixed
          ? `${isCut ? 'if (cut.z > 0u) { return sampled(select(image, pairs[image].x, isIn(cut, y, x)), y, x, channel); }\n  ' : ''}let other = sampled(pairs[image].x, y, x, channel);
  return other + (sampled(image, y, x, channel) - other) * bitcast<f32>(pairs[image].y);`
          : sampled
        : 'return byte(image, y, x, channel) * scale[channel] + shift[channel];';
  const way = normalisation === null ? 'normalised' : isMixed ? 'mixed' : isCropped ? 'cropped' : 'bytes';
  const more = [
    isRotated && ' rotated',
    isColoured && ' coloured',
    isErased && ' erased',
    isCut && ' cut',
  ].filter((word) => word !== false);
  return kernel(
    `patch-rows ${way}${more.join('')}`,
    [
      read('pixels', normalisation === null ? 'array<f32>' : 'array<u32>'),
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      ...(isCropped ? [read('crops', 'array<vec4i>')] : []),
      ...(isRotated ? [read('turns', 'array<vec2i>')] : []),
      ...(isColoured ? [read('colours')] : []),
      ...(isErased ? [read('erased', 'array<vec4u>')] : []),
      // Partner and share, in the long spelling: `array<vec2u>` is the type of float16 tensors (storage.ts).
      ...(isMixed ? [read('pairs', 'array<vec2<u32>>')] : []),
      ...(isCut ? [uniform('cut', 'vec4u')] : []),
      write('y'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${partStruct.wgsl}
${normalisation === null ? '' : byteFunctions(normalisation)}
${isCropped ? between : ''}
${isErased || isCut ? isIn : ''}
${isMixed ? `fn sampled(image: u32, y: u32, x: u32, channel: u32) -> f32 {${sampled}\n}` : ''}
fn value(image: u32, token: u32, i: u32) -> f32 {
  if (token < ${prefix}u || i >= ${3 * patch * patch}u || image >= step.images) { return 0.0; }
  let channel = i / ${patch * patch}u;
  let y = ((token - ${prefix}u) / ${grid}u) * ${patch}u + (i % ${patch * patch}u) / ${patch}u;
  let x = ((token - ${prefix}u) % ${grid}u) * ${patch}u + i % ${patch}u;
  ${pixel}
}
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.y * ${line * threads}u + id.x;
  if (at >= ${(images * tokens * padded) / 4}u) { return; }
  let row = at / ${padded / 4}u;
  let i = 4u * (at % ${padded / 4}u);
  let image = part.first + row / ${tokens}u;
  let token = row % ${tokens}u;
  y[at] = vec4f(${list(4, (j) => `value(image, token, i + ${j}u)`)});
}`,
  );
}

export function patchRowsGrid({ images, side, patch, prefix, padded }: PatchRows): Grid {
  const groups = Math.ceil((images * ((side / patch) ** 2 + prefix) * padded) / 4 / threads);
  return [Math.min(groups, line), Math.ceil(groups / line), 1];
}
