// Cross entropy of the logits [images, classes] and its gradient, one thread an image:
//
//   loss_i = log sum_c exp(z_ic) - z_i,label        dlogits_ic = (softmax(z_i)_c - [c = label]) / n
//
// outcome[i] = (loss_i, 1 if the first largest logit is the label's). n = step.images, those of the whole batch: images
// beyond it have loss and gradient 0. Labels and outcome are the batch's, logits those of one micro-batch. The columns that pad the classes to a multiple of 4 get gradient 0. Cost: 3 passes over the logits.
import { kernel, read, uniform, write, type Kernel } from './kernel.ts';
import { partStruct, stepStruct } from './shared-structs.ts';

export function crossEntropyKernel(images: number, classes: number, padded: number): Kernel {
  return kernel(
    `cross-entropy ${images}x${classes}`,
    [
      read('logits', 'array<f32>'),
      read('labels', 'array<u32>'),
      uniform('step', 'Step'),
      uniform('part', 'Part'),
      write('dlogits', 'array<f32>'),
      write('outcome', 'array<vec2f>'),
    ],
    /* wgsl */ `
${stepStruct}
${partStruct}
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
  let share = 1.0 / f32(step.images);
  for (var c = 0u; c < ${padded}u; c++) {
    var d = 0.0;
    if (c < ${classes}u) {
      d = (exp(logits[from_ + c] - top) / sum - select(0.0, 1.0, c == label)) * share;
    }
    dlogits[from_ + c] = d;
  }
  outcome[image] = vec2f(top + log(sum) - logits[from_ + label], select(0.0, 1.0, best == label));
}`,
  );
}
