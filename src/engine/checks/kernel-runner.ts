// Runs one kernel on given arrays and reads an array back: for tests of single kernels.
import { present } from '../../shared/assert.ts';
import { DeviceMemory, plannedBuffer, type Region } from '../kernels/device/device-memory.ts';
import type { Grid, Kernel } from '../kernels/shaders/kernel.ts';
import { Pipelines } from '../kernels/device/pipelines.ts';
import { readRegions } from '../kernels/device/read-back.ts';

export type Data = (Float32Array | Int32Array | Uint32Array | Uint8Array) & ArrayBufferView<ArrayBuffer>;

/** Runs the kernel once with the operands by name; the values of `output` afterwards. */
export async function runKernel(
  device: GPUDevice,
  kernel: Kernel,
  grid: Grid,
  operands: Readonly<Record<string, Data>>,
  output: string,
): Promise<Float32Array> {
  const memory = new DeviceMemory(device);
  const regions = new Map<string, Region>();
  try {
    for (const { name } of kernel.bindings) {
      const data = present(operands[name], `operand ${name} of ${kernel.name}`);
      const buffer = plannedBuffer(name, data.byteLength, 'table');
      memory.allocate(buffer);
      const whole = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
      whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      const region = { buffer, offset: 0, bytes: whole.byteLength };
      memory.write(region, whole);
      regions.set(name, region);
    }
    const { pipeline, layout } = await Pipelines.of(device).get(kernel);
    const entries = kernel.bindings.map(({ name }, binding) => {
      return { binding, resource: memory.bind(present(regions.get(name), name)) };
    });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const [values] = await readRegions(memory, [present(regions.get(output), output)]);
    return present(values, output);
  } finally {
    memory.freeAll();
  }
}
