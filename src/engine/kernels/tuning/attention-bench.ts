// Times attention on the device, forward and backward, for each number of threads that may share a row. A
// variant is right when it agrees with the kernels that share nothing: shuffles between threads are the one
// thing in the engine that a driver may arrange otherwise than everybody does.
import type { Gpu } from '../../gpu.ts';
import {
  attentionGrid,
  attentionKernel,
  keyGradientKernel,
  queryGradientKernel,
  type Attention,
} from '../shaders/attention.ts';
import {
  sharedAttentionKernel,
  sharedGradientGrid,
  sharedGradientKernel,
} from '../shaders/attention-shared.ts';
import { kernel, read, write } from '../shaders/kernel.ts';
import { Bench, fillKernel, groups, repeat, threads, type Bound } from './bench.ts';
import { StopWatch } from './stop-watch.ts';

/** Milliseconds; null for what does not compile, is wrong, or found no time. */
export interface AttentionTimes {
  readonly forward: number | null;
  readonly backward: number | null;
}

/** Whoever measures attention. */
export interface AttentionWorkbench {
  /** Of each shape, which differ in `split` and `threads` alone. */
  measure(
    shapes: readonly Attention[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<readonly AttentionTimes[]>;
}

/** Differences that the order of additions explains, in each value. */
const allowed = { relative: 1e-3, absolute: 1e-4 };

/** Counts, for each thread, the values that differ by more. */
const compareKernel = kernel(
  'compare values',
  [read('a', 'array<f32>'), read('b', 'array<f32>'), write('different', 'array<u32>')],
  /* wgsl */ `
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  var count = 0u;
  for (var i = id.x; i < arrayLength(&a); i += ${threads * groups}u) {
    // The other way round a NaN would pass.
    if (!(abs(a[i] - b[i]) <= ${allowed.relative} * abs(b[i]) + ${allowed.absolute})) { count++; }
  }
  different[id.x] = count;
}`,
);

type Kernels = readonly (Bound | null)[];

export class AttentionBench implements AttentionWorkbench {
  constructor(
    private readonly gpu: Gpu,
    private readonly now: () => number = () => performance.now(),
    /** Of so many measurements the median is given. */
    private readonly measurements = 1,
  ) {}

  async measure(
    shapes: readonly Attention[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<readonly AttentionTimes[]> {
    const [first] = shapes;
    if (first === undefined) return [];
    const bench = new Bench(this.gpu.device);
    const watch = new StopWatch(this.gpu, this.now);
    const rows = first.images * first.tokens;
    const wide = first.heads * first.headWidth;
    const three = (floats: number) =>
      [bench.buffer(floats), bench.buffer(floats), bench.buffer(floats)] as const;
    const [qkv, dqkv, rightGradient] = three(3 * rows * wide);
    const [dout, out, rightOut] = three(rows * wide);
    const [lse, rightLse, rowSums] = three(rows * first.heads);
    const different = bench.buffer(threads * groups);
    const operands = { qkv, out, dout, lse, rowSums, dqkv };
    try {
      const fills = await Promise.all([
        bench.bind(fillKernel(31), { values: qkv }),
        bench.bind(fillKernel(37), { values: dout }),
      ]);
      const [sameOut, sameLse, sameGradient] = await Promise.all([
        bench.bind(compareKernel, { a: out, b: rightOut, different }),
        bench.bind(compareKernel, { a: lse, b: rightLse, different }),
        bench.bind(compareKernel, { a: dqkv, b: rightGradient, different }),
      ]);
      const bind = (shape: Attention): readonly [Promise<Kernels>, Promise<Kernels>] => [
        Promise.all(forwardOf(shape).map(([one, grid]) => bench.bind(one, operands, grid))),
        Promise.all(backwardOf(shape).map(([one, grid]) => bench.bind(one, operands, grid))),
      ];
      const alone = { ...first, split: 1, threads: 32 } as const;
      const reference = await Promise.all(bind(alone));
      const bound = shapes.map(bind);
      if ([...fills, sameOut, sameLse, sameGradient, ...reference.flat()].includes(null))
        return shapes.map(() => nothing);
      const runAll = (kernels: Kernels): void => {
        for (const one of kernels) if (one !== null) bench.run(one);
      };
      runAll(fills);
      for (const kernels of reference) runAll(kernels);
      bench.copy(out, rightOut);
      bench.copy(lse, rightLse);
      bench.copy(dqkv, rightGradient);
      const result: AttentionTimes[] = [];
      /** One direction of one variant; null where it is wrong. */
      const timeOf = async (
        compiling: Promise<Kernels> | undefined,
        outputs: readonly GPUBuffer[],
        comparing: Kernels,
      ): Promise<number | null> => {
        if (this.now() > deadline || signal?.aborted === true) return null;
        const kernels = (await compiling) ?? [null];
        if (kernels.includes(null)) return null;
        for (const output of outputs) bench.clear(output);
        runAll(kernels);
        let isRight = true;
        for (const one of comparing) {
          if (one !== null) bench.run(one);
          isRight &&= (await bench.read(different, 0, threads * groups)).every((count) => count === 0);
        }
        // The gradient reads what forward left: it must be the right one.
        bench.copy(rightOut, out);
        bench.copy(rightLse, lse);
        if (!isRight) return null;
        return watch.median((pass, times) => {
          for (let i = 0; i < times; i++) for (const one of kernels) if (one !== null) repeat(pass, one, 1);
        }, this.measurements);
      };
      for (const [forward, backward] of bound)
        result.push({
          forward: await timeOf(forward, [out, lse], [sameOut, sameLse]),
          backward: await timeOf(backward, [dqkv], [sameGradient]),
        });
      return result;
    } finally {
      bench.close();
      watch.dispose();
    }
  }
}

const nothing: AttentionTimes = { forward: null, backward: null };

function forwardOf(shape: Attention) {
  const made = shape.split > 1 ? sharedAttentionKernel(shape) : attentionKernel(shape);
  return [[made, attentionGrid(shape, shape.queryTokens)]] as const;
}

function backwardOf(shape: Attention) {
  if (shape.split > 1) return [[sharedGradientKernel(shape, true), sharedGradientGrid(shape)]] as const;
  const grid = attentionGrid(shape, shape.tokens);
  return [
    [queryGradientKernel(shape), grid],
    [keyGradientKernel(shape, true), grid],
  ] as const;
}
