// scales[c] = s of the module * gate of the branch, for every column of every intermediate: the one place where gates and
// learning scalars enter the step. `columns[c]` is the module's number. Padding columns have gate 0.
import { kernel, read, write, type Kernel } from './kernel.ts';

export const branchScalesThreads = 64;

export function branchScalesKernel(): Kernel {
  return kernel(
    'branch-scales',
    [
      read('columns', 'array<u32>'),
      read('gates', 'array<f32>'),
      read('scalars', 'array<f32>'),
      write('scales', 'array<f32>'),
    ],
    /* wgsl */ `
@compute @workgroup_size(${branchScalesThreads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&scales)) { scales[id.x] = gates[id.x] * scalars[columns[id.x]]; }
}`,
  );
}
