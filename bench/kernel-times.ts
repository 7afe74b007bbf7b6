// The kernels that a step spends its time in, alone: every matrix product of a shape in every tile that the
// device may choose, and attention by every number of threads a row. Each variant must give the right numbers
// before it is timed; of several measurements the median counts.
import { presetTuning } from '../src/engine/kernels/tuning/tuning.ts';
import { measuredShapes } from '../src/engine/kernels/tuning/autotune.ts';
import { AttentionBench } from '../src/engine/kernels/tuning/attention-bench.ts';
import { attentionTrials } from '../src/engine/kernels/tuning/choose-attention.ts';
import { MatmulBench } from '../src/engine/kernels/tuning/matmul-bench.ts';
import { fits, tileName, tileSet } from '../src/engine/kernels/tuning/tile-set.ts';
import type { MatmulShape } from '../src/engine/kernels/shaders/matmul.ts';
import type { Gpu } from '../src/engine/gpu.ts';
import { originalVit, tokenCount } from '../src/vit/vit-config.ts';
import type { Case } from './workload.ts';

export interface KernelTime {
  readonly kernel: 'product' | 'attention' | 'attention gradient';
  readonly shape: string;
  readonly variant: string;
  /** Whether the device would take it without measuring. */
  readonly preset: boolean;
  /** Null where it does not compile, is wrong, or found no time. */
  readonly ms: number | null;
  readonly gflops: number;
}

const measurements = 5;

/** An emulation compiles a large unrolled tile for minutes. */
const largestOnEmulation = 4;

/** @param deadline of `performance.now()` */
export async function kernelTimes(
  gpu: Gpu,
  { model, batch }: Omit<Case, 'engine'>,
  deadline: number,
): Promise<readonly KernelTime[]> {
  const config = { ...model, layerNormEps: 1e-6, ...originalVit };
  const preset = presetTuning(gpu).tuning;
  const tiles = tileSet.filter(
    (tile) =>
      fits(tile, gpu.facts) && (!gpu.software || tile.rowTile * tile.columnTile <= largestOnEmulation),
  );
  const rows = batch * tokenCount(config);
  const all = measuredShapes(config, batch);
  const shapes = [
    ...all.map((shape) => ({ ...shape, rows })),
    // The last block's, of which only the class tokens are used.
    ...all.filter(({ parts }) => parts === 1).map((shape) => ({ ...shape, rows: batch })),
  ];
  const times: KernelTime[] = [];
  const lanes = gpu.facts.features.includes('subgroups') ? gpu.info.subgroupMinSize : 1;
  const trials = attentionTrials(config, batch, preset, lanes);
  // Attention first: it is short, and the products have no end of tiles.
  const attention = await new AttentionBench(gpu, undefined, measurements).measure(trials, deadline);
  trials.forEach(({ images, tokens, heads, headWidth, split }, i) => {
    const shape = `${images} images, ${tokens} tokens, ${heads} heads of ${headWidth}`;
    const flops = 4 * images * heads * tokens ** 2 * headWidth;
    const variant = `${split} threads a row`;
    for (const [kernel, direction, times_] of [
      ['attention', 'forward', 1],
      ['attention gradient', 'backward', 2.5],
    ] as const) {
      const ms = attention[i]?.[direction] ?? null;
      const own = preset.attentionSplit[direction === 'forward' ? 0 : 1] === split;
      times.push({ kernel, shape, variant, preset: own, ms, gflops: rate(times_ * flops, ms) });
    }
  });
  const bench = new MatmulBench(gpu, undefined, undefined, measurements);
  for (const [at, shape] of shapes.entries()) {
    // Each shape has its share of what is left.
    const now = performance.now();
    const own = preset.matmulTile(shape);
    const tried = [own, ...tiles.filter((tile) => tileName(tile) !== tileName(own))];
    const ms = await bench.measure(shape, tried, now + (deadline - now) / (shapes.length - at));
    tried.forEach((tile, i) => {
      const time = ms[i] ?? null;
      const { rows: lines, inner, columns, parts } = shape;
      const flops = 2 * lines * inner * columns * parts;
      const name = wordsOf(shape);
      const variant = tileName(tile);
      times.push({
        kernel: 'product',
        shape: name,
        variant,
        preset: i === 0,
        ms: time,
        gflops: rate(flops, time),
      });
    });
  }
  const order = [...new Set(times.map(({ kernel, shape }) => kernel + shape))];
  return times.sort(
    (a, b) =>
      order.indexOf(a.kernel + a.shape) - order.indexOf(b.kernel + b.shape) ||
      (a.ms ?? Infinity) - (b.ms ?? Infinity),
  );
}

const rate = (flops: number, ms: number | null): number => (ms === null ? 0 : flops / ms / 1e6);

const wordsOf = ({ rows, inner, columns, parts }: MatmulShape): string =>
  `${rows}x${inner}x${columns}${parts > 1 ? ` x ${parts}` : ''}`;
