// Times matrix products on the device. The factors are multiples of 1/128 below 1, made by a hash, so that
// every sum is exact in float32 whatever the order of its additions: a tile is right when all its bits are,
// compared with float64 on the host in a few rows and with the first right tile everywhere.
import type { Gpu } from '../../gpu.ts';
import { kernel, read, write } from '../shaders/kernel.ts';
import { plainFusion, type MatmulShape, type MatmulTile } from '../shaders/matmul.ts';
import { matmul } from '../shaders/matmul-variants.ts';
import { Bench, factor, fillKernel, groups, repeat, threads } from './bench.ts';
import type { Workbench } from './choose-tiles.ts';
import { StopWatch } from './stop-watch.ts';

const leftSalt = 11;
const rightSalt = 23;

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

export class MatmulBench implements Workbench {
  constructor(
    private readonly gpu: Gpu,
    private readonly product: typeof matmul = matmul,
    readonly now: () => number = () => performance.now(),
    /** Of so many measurements the median is given. */
    private readonly measurements = 1,
  ) {}

  async measure(
    shape: MatmulShape,
    tiles: readonly MatmulTile[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<readonly (number | null)[]> {
    const { rows, inner, columns, parts } = shape;
    const bench = new Bench(this.gpu.device);
    const x = bench.buffer(rows * inner);
    const w = bench.buffer(parts * inner * columns);
    const [out, right] = [bench.buffer(rows * parts * columns), bench.buffer(rows * parts * columns)];
    const different = bench.buffer(threads * groups);
    const watch = new StopWatch(this.gpu, this.now);
    try {
      const fills = [await bench.bind(fillKernel(leftSalt), { values: x })];
      fills.push(await bench.bind(fillKernel(rightSalt), { values: w }));
      const compare = await bench.bind(compareKernel, { a: out, b: right, different });
      // All compile at once, in the browser's threads, while the first ones are timed.
      const compiling = tiles.map((tile) => {
        const made = this.product(shape, plainFusion, tile);
        return bench.bind(made.kernel, { x, w, out }, made.grid);
      });
      for (const fill of fills) if (fill !== null) bench.run(fill);
      const result: (number | null)[] = [];
      let isKnown = false; // whether `right` holds the product
      for (const bound of compiling) {
        const product = this.now() > deadline ? null : await bound;
        if (product === null || compare === null || this.now() > deadline || signal?.aborted === true) {
          result.push(null);
          continue;
        }
        bench.clear(out);
        bench.run(product);
        if (isKnown) bench.run(compare);
        const isRight: boolean = isKnown
          ? (await bench.read(different, 0, threads * groups)).every((bits) => bits === 0)
          : await agreesWithHost(bench, shape, out);
        if (isRight && !isKnown) bench.copy(out, right);
        isKnown ||= isRight;
        const encode = (pass: GPUComputePassEncoder, times: number): void => repeat(pass, product, times);
        result.push(isRight ? await watch.median(encode, this.measurements) : null);
      }
      return result;
    } finally {
      bench.close();
      watch.dispose();
    }
  }
}

/** The first, the middle and the last row against float64, bit for bit: the sums are exact. */
async function agreesWithHost(
  bench: Bench,
  { rows, inner, columns, parts }: MatmulShape,
  out: GPUBuffer,
): Promise<boolean> {
  const line = parts * columns;
  for (const row of new Set([0, rows >> 1, rows - 1])) {
    const got = new Float32Array((await bench.read(out, row * line, line)).buffer);
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
