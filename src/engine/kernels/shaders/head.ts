// Cross entropy of the logits [images, classes] and its gradient, one thread an image:
//
//   loss_i = log sum_c exp(z_ic) - z_i,label        dlogits_ic = (softmax(z_i)_c - [c = label]) / n
//
// outcome[i] = (loss_i, 1 if the first largest logit is the label's). n = step.images, those of the whole
// batch: images beyond it have loss and gradient 0. Labels and outcome are the batch's, logits those of one
// micro-batch. The columns that pad the classes to a multiple of 4 get gradient 0. Cost: 3 passes over the
// logits.
//
// By targets t [images of the batch, classes], which need not add up to 1, with 2 passes more:
//
//   loss_i = sum_c t_ic (log sum_d exp(z_id) - z_ic)      dlogits_ic = (softmax(z_i)_c sum_d t_id - t_ic) / n
import { kernel, read, type Grid, type Kernel, uniform, write } from './kernel.ts';
import { partStruct, stepStruct } from './structs.ts';

export function crossEntropyKernel(
  images: number,
  classes: number,
  padded: number,
  to: 'labels' | 'targets' = 'labels',
): Kernel {
  const byTargets = to === 'targets';
  return kernel(
    `cross-entropy${byTargets ? '-to-targets' : ''} ${images}x${classes}`,
    [
      read('logits', 'array<f32>'),
      read('labels', 'array<u32>'),
      ...(byTargets ? [read('targets', 'array<f32>')] : []),
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      write('dlogits', 'array<f32>'),
      write('outcome', 'array<vec2f>'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${partStruct.wgsl}
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= ${images}u) { return; }
  let from_ = i * ${padded}u;
  let image = part.first + i;
  if (image >= step.images) {
    for (var c = 0u; c < ${padded}u; c++) { dlogits[from_ + c] = 0.0; }
    outcome[image] = vec2f();
    return;
  }
  let label = labels[image];
  var best = 0u;
  var top = logits[from_];
  for (var c = 1u; c < ${classes}u; c++) {
    let z = logits[from_ + c];
    if (z > top) { top = z; best = c; }
  }
  var sum = 0.0;
  for (var c = 0u; c < ${classes}u; c++) { sum += exp(logits[from_ + c] - top); }
  let share = 1.0 / f32(step.images);${
    byTargets
      ? /* wgsl */ `
  let wanted = image * ${classes}u;
  let whole = top + log(sum);
  var weight = 0.0;
  var loss = 0.0;
  for (var c = 0u; c < ${classes}u; c++) {
    weight += targets[wanted + c];
    loss += targets[wanted + c] * (whole - logits[from_ + c]);
  }`
      : ''
  }
  for (var c = 0u; c < ${padded}u; c++) {
    var d = 0.0;
    if (c < ${classes}u) {
      d = (exp(logits[from_ + c] - top) / sum ${byTargets ? '* weight - targets[wanted + c]' : '- select(0.0, 1.0, c == label)'}) * share;
    }
    dlogits[from_ + c] = d;
  }
  outcome[image] = vec2f(${byTargets ? 'loss' : 'top + log(sum) - logits[from_ + label]'}, select(0.0, 1.0, best == label));
}`,
  );
}

// Gradients around the head, logits = feature W' + bias, from dlogits [images, classes]:
//
//   d W[c, d] = sum_i dlogits[i, c] feature[i, d]        d feature[i, d] = sum_c dlogits[i, c] W[c, d]
//   d bias[c] = sum_i dlogits[i, c]
//
// Cost: 2 images classes dim flops each, a few thousandths of a block: one thread makes one vec4.

export interface HeadGradient {
  readonly images: number;
  /** Padded widths. */
  readonly width: number;
  readonly classes: number;
}

/** Where the gradients of weight and bias are made from and go to. */
export interface HeadParameterGradient extends HeadGradient {
  /** First of dlogits and, in vec4s, of the features within what is bound. */
  readonly dlogitsAt: number;
  readonly featureAt: number;
  /** Where the bias begins behind the weight, in vec4s. */
  readonly biasAt: number;
}

const threads = 8;

/** The gradients of weight and bias: one more column of workgroups than the weight has makes the bias's. */
export function headGradientKernel(head: HeadParameterGradient): Kernel {
  const { images, width, classes, dlogitsAt, featureAt, biasAt } = head;
  return kernel(
    `head-gradient ${classes}x${width}`,
    [read('dlogits', 'array<f32>'), read('feature'), write('gradient')],
    /* wgsl */ `
@compute @workgroup_size(${threads}, ${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x > ${width / 4}u || id.y >= ${classes}u) { return; }
  var sum = vec4f();
  if (id.x == ${width / 4}u) {
    if (id.y >= ${classes / 4}u) { return; }
    for (var i = 0u; i < ${images}u; i++) {
      let at = ${dlogitsAt}u + i * ${classes}u + 4u * id.y;
      sum += vec4f(dlogits[at], dlogits[at + 1u], dlogits[at + 2u], dlogits[at + 3u]);
    }
    gradient[${biasAt}u + id.y] = sum;
    return;
  }
  for (var i = 0u; i < ${images}u; i++) {
    sum += dlogits[${dlogitsAt}u + i * ${classes}u + id.y] * feature[${featureAt}u + i * ${width / 4}u + id.x];
  }
  gradient[id.y * ${width / 4}u + id.x] = sum;
}`,
  );
}

export function headGradientGrid({ width, classes }: HeadGradient): Grid {
  return [Math.ceil((width / 4 + 1) / threads), Math.ceil(classes / threads), 1];
}

export function headInputKernel({ images, width, classes }: HeadGradient): Kernel {
  return kernel(
    `head-input-gradient ${images}x${width}`,
    [read('dlogits', 'array<f32>'), read('weight'), write('dx')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width / 4}u) { return; }
  var sum = vec4f();
  for (var c = 0u; c < ${classes}u; c++) { sum += dlogits[id.y * ${classes}u + c] * weight[c * ${width / 4}u + id.x]; }
  dx[id.y * ${width / 4}u + id.x] = sum;
}`,
  );
}

export function headInputGrid({ images, width }: HeadGradient): Grid {
  return [Math.ceil(width / 4 / threads), images, 1];
}
