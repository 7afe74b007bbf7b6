// What the workbenches of tuning share: kernels bound to buffers that nobody else sees, run and read on the
// device, and values that every device makes alike.
import type { Gpu } from '../../gpu.ts';
import type { Grid, Kernel } from '../shaders/kernel.ts';
import { kernel, write } from '../shaders/kernel.ts';

export const threads = 64;
export const groups = 256;

/**
 * The value of element i: a hash (PCG's output function), 8 bits of it, as a multiple of 1/128 in [-1, 1).
 */
export function factor(i: number, salt: number): number {
  const state = (Math.imul(i, 747796405) + Math.imul(salt, 2891336453)) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return (((word >>> 22) ^ word) & 255) / 128 - 1;
}

/** Fills an array with `factor` of each place. */
export const fillKernel = (salt: number): Kernel =>
  kernel(
    `fill ${salt}`,
    [write('values', 'array<f32>')],
    /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < arrayLength(&values); i += ${threads * groups}u) {
    let state = i * 747796405u + ${salt}u * 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    values[i] = f32(((word >> 22u) ^ word) & 255u) / 128.0 - 1.0;
  }
}`,
  );

export interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: Grid;
}

/** A device to try kernels on. */
export class Bench {
  readonly #buffers: GPUBuffer[] = [];
  #isClosed = false;

  constructor(readonly device: Gpu['device']) {}

  /** Frees all buffers; what is still compiling is bound to nothing any more. */
  close(): void {
    this.#isClosed = true;
    for (const buffer of this.#buffers) buffer.destroy();
  }

  /** A buffer of 32-bit words. */
  buffer(words: number): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffer = this.device.createBuffer({ size: 4 * words, usage: STORAGE | COPY_SRC | COPY_DST });
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Compiles; null where the device refuses or the bench was closed, without an error that nobody caught. */
  async bind(
    { name, bindings, code }: Kernel,
    buffers: Readonly<Record<string, GPUBuffer>>,
    grid: Grid = [groups, 1, 1],
  ): Promise<Bound | null> {
    const { device } = this;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code });
    const compiling = device
      .createComputePipelineAsync({ label: name, layout: 'auto', compute: { module, entryPoint: 'main' } })
      .catch(() => null);
    // Nobody may be waiting any more: a lost device is told elsewhere.
    const refused = await device.popErrorScope().catch(() => null);
    const pipeline = await compiling;
    // Some browsers refuse a group of buffers that are gone.
    if (pipeline === null || refused !== null || this.#isClosed) return null;
    const entries = bindings.flatMap(({ name: binding }, i) => {
      const bound = buffers[binding];
      return bound === undefined ? [] : [{ binding: i, resource: { buffer: bound } }];
    });
    return {
      pipeline,
      bindings: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
      grid,
    };
  }

  /** Submits a bound kernel once. */
  run(bound: Bound): void {
    this.encode((encoder) => {
      const pass = encoder.beginComputePass();
      repeat(pass, bound, 1);
      pass.end();
    });
  }

  clear(buffer: GPUBuffer): void {
    this.encode((encoder) => encoder.clearBuffer(buffer));
  }

  copy(from: GPUBuffer, to: GPUBuffer): void {
    this.encode((encoder) => encoder.copyBufferToBuffer(from, 0, to, 0, from.size));
  }

  private encode(work: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.device.createCommandEncoder();
    work(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  /** `words` 32-bit words of a buffer, from the word `first` on. */
  async read(buffer: GPUBuffer, first: number, words: number): Promise<Uint32Array> {
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const staging = this.device.createBuffer({ size: 4 * words, usage: MAP_READ | COPY_DST });
    try {
      this.encode((encoder) => encoder.copyBufferToBuffer(buffer, 4 * first, staging, 0, 4 * words));
      await staging.mapAsync(GPUMapMode.READ);
      return new Uint32Array(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }
}

/** Encodes a bound kernel, again and again. */
export function repeat(
  pass: GPUComputePassEncoder,
  { pipeline, bindings, grid }: Bound,
  times: number,
): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  for (let i = 0; i < times; i++) pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
}
