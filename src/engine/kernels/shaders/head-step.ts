// The head of a training step for images that are one row each, forward and backward in one dispatch, a
// workgroup an image:
//
//   feature = LayerNorm(x),  z = feature W' + bias,  loss and d z as in head.ts
//   d feature = d z W,  dx = the gradient of LayerNorm (layer-norm.ts)
//
// One dispatch instead of five that each wait for the one before and leave a GPU idle: all rows together are
// a few thousandths of a block. `scores` holds the logits, then d z, [images, classes] each; `rows` holds dx,
// then the features, [images, width] each, of which headGradientKernel makes the gradients of weight and
// bias.
//
// Cost: 4 images classes width flops. Sums and the largest logit come of trees of fixed order.
import { float, kernel, read, uniform, write, type Grid, type Kernel } from './kernel.ts';
import { maskOf } from './layer-norm.ts';
import { partStruct, stepStruct } from './structs.ts';

export interface HeadStep {
  readonly images: number;
  readonly width: number;
  readonly padded: number;
  readonly eps: number;
  readonly classes: number;
  readonly paddedClasses: number;
  /** Where the bias begins behind the weight, in vec4s. */
  readonly biasAt: number;
  /** Of a workgroup, a power of two and at least 8. */
  readonly threads: number;
  readonly to: 'labels' | 'targets';
  /** Whether dx is asked for. */
  readonly backward: boolean;
}

/** Threads that share the sum of one logit. */
const shares = 8;

export function headStepKernel(head: HeadStep): Kernel {
  const { images, width, padded, eps, classes, paddedClasses, biasAt, threads, to, backward } = head;
  const byTargets = to === 'targets';
  const [inner, dlogits] = [padded / 4, images * paddedClasses];
  const mask = width === padded ? '' : `if (c == ${inner - 1}u) { v *= ${maskOf(width)}; }`;
  const loop = `for (var c = lane; c < ${inner}u; c += ${threads}u)`;
  const each = `for (var c = lane; c < ${classes}u; c += ${threads}u)`;
  const gradient = /* wgsl */ `
  var sums = vec2f(); // of g and of g h
  ${loop} {
    var dy = vec4f();
    for (var k = 0u; k < ${classes}u; k++) { dy += scores[${dlogits}u + from_ + k] * weight[k * ${inner}u + c]; }
    rows[at + c] = dy;
    let g = dy * norm[c];
    sums += vec2f(dot(g, vec4f(1.0)), dot(g, (x[at + c] - mean) * scale));
  }
  let means = total(sums, lane) / ${float(width)};
  ${loop} {
    let g = rows[at + c] * norm[c];
    let h = (x[at + c] - mean) * scale;
    rows[at + c] = masked((g - means.x - h * means.y) * scale, c);
  }`;
  return kernel(
    `head-step ${images}x${classes}${byTargets ? ' to targets' : ''}`,
    [
      read('x'),
      read('norm'),
      read('weight'),
      read('labels', 'array<u32>'),
      ...(byTargets ? [read('targets', 'array<f32>')] : []),
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      write('scores', 'array<f32>'),
      write('rows'),
      write('outcome', 'array<vec2f>'),
    ],
    /* wgsl */ `
${stepStruct.wgsl}
${partStruct.wgsl}
var<workgroup> partial: array<vec2f, ${threads}>;
fn masked(value: vec4f, c: u32) -> vec4f { var v = value; ${mask} return v; }
fn total(value: vec2f, lane: u32) -> vec2f {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}
// The larger value; of equal ones the first.
fn better(a: vec2f, b: vec2f) -> bool { return b.x > a.x || (b.x == a.x && b.y < a.y); }
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = group.x;
  let at = i * ${inner}u;
  let from_ = i * ${paddedClasses}u;
  let image = part.first + i;
  var values = vec4f();
  ${loop} { values += x[at + c]; }
  let mean = total(vec2f(dot(values, vec4f(1.0)), 0.0), lane).x / ${float(width)};
  var squares = 0.0;
  ${loop} { let d = masked(x[at + c] - mean, c); squares += dot(d, d); }
  let scale = inverseSqrt(total(vec2f(squares, 0.0), lane).x / ${float(width)} + ${float(eps)});
  ${loop} { rows[${images * inner}u + at + c] = (x[at + c] - mean) * scale * norm[c] + norm[${inner}u + c]; }
  storageBarrier();

  for (var first = 0u; first < ${paddedClasses}u; first += ${threads / shares}u) {
    let class_ = first + lane / ${shares}u;
    let line = min(class_, ${paddedClasses - 1}u);
    var sum = 0.0;
    for (var k = lane % ${shares}u; k < ${inner}u; k += ${shares}u) {
      sum += dot(weight[line * ${inner}u + k], rows[${images * inner}u + at + k]);
    }
    partial[lane].x = sum;
    workgroupBarrier();
    if (lane % ${shares}u == 0u && class_ < ${paddedClasses}u) {
      for (var other = 1u; other < ${shares}u; other++) { sum += partial[lane + other].x; }
      scores[from_ + class_] = sum + weight[${biasAt}u + class_ / 4u][class_ % 4u];
    }
    workgroupBarrier();
  }
  storageBarrier();

  let label = labels[image];
  var best = vec2f(scores[from_], 0.0);
  ${each} { let z = vec2f(scores[from_ + c], f32(c)); if (better(best, z)) { best = z; } }
  partial[lane] = best;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (lane < half && better(partial[lane], partial[lane + half])) { partial[lane] = partial[lane + half]; }
    workgroupBarrier();
  }
  let top = partial[0];
  workgroupBarrier();
  var exps = 0.0;
  ${each} { exps += exp(scores[from_ + c] - top.x); }
  let sum = total(vec2f(exps, 0.0), lane).x;
  let whole = top.x + log(sum);${
    byTargets
      ? /* wgsl */ `
  var wanted = vec2f(); // weight, loss
  ${each} {
    let t = targets[image * ${classes}u + c];
    wanted += vec2f(t, t * (whole - scores[from_ + c]));
  }
  let target_ = total(wanted, lane);`
      : ''
  }
  let isGiven = image < step.images;
  let share = 1.0 / f32(step.images);
  for (var c = lane; c < ${paddedClasses}u; c += ${threads}u) {
    var d = 0.0;
    if (c < ${classes}u && isGiven) {
      d = (exp(scores[from_ + c] - top.x) / sum ${
        byTargets ? `* target_.x - targets[image * ${classes}u + c]` : '- select(0.0, 1.0, c == label)'
      }) * share;
    }
    scores[${dlogits}u + from_ + c] = d;
  }
  if (lane == 0u) {
    let loss = ${byTargets ? 'target_.y' : 'whole - scores[from_ + label]'};
    outcome[image] = select(vec2f(), vec2f(loss, select(0.0, 1.0, u32(top.y) == label)), isGiven);
  }
  storageBarrier();${backward ? gradient : ''}
}`,
  );
}

export function headStepGrid({ images }: HeadStep): Grid {
  return [images, 1, 1];
}
