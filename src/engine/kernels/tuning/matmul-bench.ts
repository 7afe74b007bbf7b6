// Times matrix products on the device. The factors are multiples of 1/128 below 1, made by a hash, so that
// every sum is exact in float32 whatever the order of its additions: a tile is right when all its bits are,
// compared with float64 on the host in a few rows and with the first right tile everywhere.
import type { Gpu } from '../../gpu.ts';
import type { Grid, Kernel } from '../shaders/kernel.ts';
import { kernel, read, write } from '../shaders/kernel.ts';
import { plainFusion, type MatmulShape, type MatmulTile } from '../shaders/matmul.ts';
import { matmul } from '../shaders/matmul-variants.ts';
import type { Workbench } from './choose-tiles.ts';
import { StopWatch } from './stop-watch.ts';

const threads = 64;
const groups = 256;
const leftSalt = 11;
const rightSalt = 23;

/**
 * The value of element i: a hash (PCG's output function), 8 bits of it, as a multiple of 1/128 in [-1, 1).
 */
export function factor(i: number, salt: number): number {
  const state = (Math.imul(i, 747796405) + Math.imul(salt, 2891336453)) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return (((word >>> 22) ^ word) & 255) / 128 - 1;
}

const fillKernel = (salt: number): Kernel =>
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

/** Counts, for each thread, the elements whose bits differ. */
const compareKernel = kernel(
  'compare',
  [read('a', 'array<vec4u>'), read('b', 'array<vec4u>'), write('different', 'array<u32>')],
  /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  var count = 0u;
  for (var i = id.x; i < arrayLength(&a); i += ${threads * groups}u) {
    if (any(a[i] != b[i])) { count++; }
  }
  different[id.x] = count;
}`,
);

interface Bound {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: Grid;
}

export class MatmulBench implements Workbench {
  constructor(
    private readonly gpu: Gpu,
    private readonly product: typeof matmul = matmul,
    readonly now: () => number = () => performance.now(),
  ) {}

  async measure(
    shape: MatmulShape,
    tiles: readonly MatmulTile[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<readonly (number | null)[]> {
    const { rows, inner, columns, parts } = shape;
    const { device } = this.gpu;
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const buffer = (floats: number): GPUBuffer =>
      device.createBuffer({ size: 4 * floats, usage: STORAGE | COPY_SRC | COPY_DST });
    const x = buffer(rows * inner);
    const w = buffer(parts * inner * columns);
    const [out, right] = [buffer(rows * parts * columns), buffer(rows * parts * columns)];
    const different = buffer(threads * groups);
    const watch = new StopWatch(this.gpu, this.now);
    try {
      const fills = [await this.#bind(fillKernel(leftSalt), { values: x })];
      fills.push(await this.#bind(fillKernel(rightSalt), { values: w }));
      const compare = await this.#bind(compareKernel, { a: out, b: right, different });
      // All compile at once, in the browser's threads, while the first ones are timed.
      const compiling = tiles.map((tile) => {
        const made = this.product(shape, plainFusion, tile);
        return this.#bind(made.kernel, { x, w, out }, made.grid);
      });
      for (const fill of fills) if (fill !== null) this.#run(fill);
      const result: (number | null)[] = [];
      let isKnown = false; // whether `right` holds the product
      for (const bound of compiling) {
        const product = this.now() > deadline ? null : await bound;
        if (product === null || compare === null || this.now() > deadline || signal?.aborted === true) {
          result.push(null);
          continue;
        }
        this.#clear(out);
        this.#run(product);
        if (isKnown) this.#run(compare);
        const isRight: boolean = isKnown
          ? (await this.#read(different, 0, threads * groups)).every((bits) => bits === 0)
          : await this.#agreesWithHost(shape, out);
        if (isRight && !isKnown) this.#copy(out, right);
        isKnown ||= isRight;
        result.push(isRight ? await watch.time((pass, times) => repeat(pass, product, times)) : null);
      }
      return result;
    } finally {
      for (const each of [x, w, out, right, different]) each.destroy();
      watch.dispose();
    }
  }

  /** Compiles; null where the device refuses, without an error that nobody caught. */
  async #bind(
    { name, bindings, code }: Kernel,
    buffers: Readonly<Record<string, GPUBuffer>>,
    grid: Grid = [groups, 1, 1],
  ): Promise<Bound | null> {
    const { device } = this.gpu;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: name, code });
    const compiling = device
      .createComputePipelineAsync({ label: name, layout: 'auto', compute: { module, entryPoint: 'main' } })
      .catch(() => null);
    const refused = await device.popErrorScope();
    const pipeline = await compiling;
    if (pipeline === null || refused !== null) return null;
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

  #run(bound: Bound): void {
    this.#encode((encoder) => {
      const pass = encoder.beginComputePass();
      repeat(pass, bound, 1);
      pass.end();
    });
  }

  #clear(buffer: GPUBuffer): void {
    this.#encode((encoder) => encoder.clearBuffer(buffer));
  }

  #copy(from: GPUBuffer, to: GPUBuffer): void {
    this.#encode((encoder) => encoder.copyBufferToBuffer(from, 0, to, 0, from.size));
  }

  #encode(work: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.gpu.device.createCommandEncoder();
    work(encoder);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** `words` 32-bit words of a buffer, from the word `first` on. */
  async #read(buffer: GPUBuffer, first: number, words: number): Promise<Uint32Array> {
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const staging = this.gpu.device.createBuffer({ size: 4 * words, usage: MAP_READ | COPY_DST });
    try {
      this.#encode((encoder) => encoder.copyBufferToBuffer(buffer, 4 * first, staging, 0, 4 * words));
      await staging.mapAsync(GPUMapMode.READ);
      return new Uint32Array(staging.getMappedRange().slice(0));
    } finally {
      staging.destroy();
    }
  }

  /** The first, the middle and the last row against float64, bit for bit: the sums are exact. */
  async #agreesWithHost({ rows, inner, columns, parts }: MatmulShape, out: GPUBuffer): Promise<boolean> {
    const line = parts * columns;
    for (const row of new Set([0, rows >> 1, rows - 1])) {
      const got = new Float32Array((await this.#read(out, row * line, line)).buffer);
      const left = Float64Array.from({ length: inner }, (_, k) => factor(row * inner + k, leftSalt));
      for (let part = 0; part < parts; part++) {
        const sums = new Float64Array(columns);
        for (let k = 0; k < inner; k++) {
          const start = (part * inner + k) * columns;
          for (let c = 0; c < columns; c++)
            sums[c] = (sums[c] ?? 0) + (left[k] ?? 0) * factor(start + c, rightSalt);
        }
        if (!sums.every((sum, c) => sum === got[part * columns + c])) return false;
      }
    }
    return true;
  }
}

function repeat(pass: GPUComputePassEncoder, { pipeline, bindings, grid }: Bound, times: number): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  for (let i = 0; i < times; i++) pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
}
