// The device's float32 peak, measured: browsers hide the model of a GPU, so a share of the peak on paper
// cannot be given. A kernel of independent multiply-add chains in registers runs without touching memory; its
// best rate over some shapes (chains of vec4s in a thread, threads in a workgroup) is the peak that GFLOP/s
// are compared with.

/** Chains of vec4 multiply-adds in one thread, and threads of a workgroup. */
const shapes = [
  { chains: 4, threads: 64 },
  { chains: 8, threads: 64 },
  { chains: 8, threads: 256 },
  { chains: 16, threads: 64 },
] as const;

/** A multiply-add of a vec4 is 8 floating-point operations; unrolled so often in the loop's body. */
const unrolled = 8;

interface Shape {
  readonly chains: number;
  readonly threads: number;
}

/** x <- x a + b for every chain, `rounds` times; the sum is stored, so that nothing is left out. */
function kernel({ chains, threads }: Shape): string {
  const each = (line: (i: number) => string): string =>
    Array.from({ length: chains }, (_, i) => line(i)).join(' ');
  return /* wgsl */ `
@group(0) @binding(0) var<storage, read> input: array<vec4f>; // a, b; rounds in c.x
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = input[0]; let b = input[1]; let rounds = u32(input[2].x);
  ${each((i) => `var x${i} = b * f32(id.x % 7u + ${i}u);`)}
  for (var round = 0u; round < rounds; round++) {
    ${Array.from({ length: unrolled }, () => each((i) => `x${i} = fma(x${i}, a, b);`)).join('\n    ')}
  }
  output[id.x % 64u] = ${Array.from({ length: chains }, (_, i) => `x${i}`).join(' + ')};
}`;
}

export interface Peak {
  readonly gflops: number;
  readonly chains: number;
  readonly threads: number;
}

/**
 * Best rate in GFLOP/s by wall time, of three runs of at least `targetMs` for each shape. On a software
 * adapter this is the processor's rate under the load of the moment.
 */
export async function measurePeak(device: GPUDevice, software: boolean, targetMs = 60): Promise<Peak> {
  let best: Peak = { gflops: 0, chains: 0, threads: 0 };
  for (const shape of shapes) {
    const gflops = await rate(device, shape, software ? 4096 : 1 << 20, targetMs);
    if (gflops > best.gflops) best = { gflops, ...shape };
  }
  return best;
}

async function rate(device: GPUDevice, shape: Shape, total: number, targetMs: number): Promise<number> {
  const { STORAGE, COPY_DST } = GPUBufferUsage;
  const input = device.createBuffer({ size: 48, usage: STORAGE | COPY_DST });
  const output = device.createBuffer({ size: 16 * 64, usage: STORAGE });
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code: kernel(shape) }) },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [input, output].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  const run = async (rounds: number): Promise<number> => {
    const [a, b] = [0.999, 0.001];
    device.queue.writeBuffer(input, 0, Float32Array.of(a, a, a, a, b, b, b, b, rounds, 0, 0, 0));
    await device.queue.onSubmittedWorkDone();
    const begin = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(total / shape.threads);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - begin;
  };
  await run(1); // compiles
  let rounds = 16;
  let ms = await run(rounds);
  while (ms < targetMs && rounds < 2 ** 22) {
    rounds *= ms < targetMs / 8 ? 4 : 2;
    ms = await run(rounds);
  }
  for (let again = 0; again < 2; again++) ms = Math.min(ms, await run(rounds));
  for (const buffer of [input, output]) buffer.destroy();
  return (8 * shape.chains * unrolled * rounds * total) / ms / 1e6;
}
