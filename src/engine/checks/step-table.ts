// What a step asks of a GPU, kernel by kernel, read off the real plan: workgroups and threads, vec4s that a
// thread keeps, workgroup memory, bytes and flops, and the time below which no GPU of the named figures can
// be. Reasoning, not measurement; `npm run kernel -- --table` prints it, and docs/decisions/gpu-kernels.md
// holds it.
import { isTensor, type Dispatch, type Operand } from '../kernels/step/trace.ts';
import { quiet } from '../noise.ts';
import { planRun } from '../kernels/memory/plan.ts';
import { subgroupTuning } from '../kernels/tuning/tuning.ts';
import { originalVit, type VitConfig } from '../../vit/vit-config.ts';
import { plainNormalisation, randomAdapter } from './random-model.ts';

/**
 * One NVIDIA H100: multiply-adds as measured there (docs/bench.md), memory by its data sheet, an empty
 * dispatch.
 */
const device = { tflops: 64, terabytes: 3.35, dispatchMs: 0.0021 };

interface Shape {
  readonly words: string;
  readonly config: VitConfig;
  readonly batch: number;
  /** Milliseconds: of the step before, and those that were aimed at. */
  readonly before: number;
  readonly aim: number;
}

const vit = (imageSize: number, dim: number, depth: number): VitConfig => ({
  ...{ imageSize, patchSize: 16, dim, depth, heads: dim / 64, mlpDim: 4 * dim, layerNormEps: 1e-6 },
  ...originalVit,
});

const shapes: readonly Shape[] = [
  { words: 'ViT-B, batch 32', config: vit(224, 768, 12), batch: 32, before: 103.9, aim: 60 },
  { words: 'ViT-S, batch 32', config: vit(224, 384, 12), batch: 32, before: 42.4, aim: 22 },
  { words: 'ViT-Tiny, batch 32', config: vit(224, 192, 12), batch: 32, before: 25.2, aim: 9 },
  { words: 'ViT-Tiny, batch 8', config: vit(224, 192, 12), batch: 8, before: 14.6, aim: 4 },
  { words: 'small (37 tokens, depth 4), batch 8', config: vit(96, 192, 4), batch: 8, before: 6.8, aim: 1.5 },
];

export interface KernelFigures {
  readonly name: string;
  readonly dispatches: number;
  readonly workgroups: number;
  readonly threads: number;
  /** Declared in a thread as variables: sums, what is carried to the next slice. */
  readonly vec4s: number;
  readonly workgroupBytes: number;
  /** Of one dispatch: its operands once each, and arithmetic (0: a few flops a value). */
  readonly bytes: number;
  readonly flops: number;
  /** Of all its dispatches, by arithmetic, memory and the dispatch itself. */
  readonly limitMs: number;
}

const product = (numbers: readonly number[]): number => numbers.reduce((a, b) => a * b, 1);

/** Threads of a workgroup, from the kernel's text. */
function threadsOf(code: string): number {
  const [, sizes = '1'] = /@workgroup_size\(([^)]*)\)/.exec(code) ?? [];
  return product(sizes.split(',').map(Number));
}

const bytesOfType: Readonly<Record<string, number>> = { f32: 4, u32: 4, vec2f: 8, vec3f: 16, vec4f: 16 };

/** Bytes of a type of WGSL, arrays of arrays included. */
function typeBytes(type: string): number {
  const [, element, count] = /^array<(.+),\s*(\d+)u?>$/.exec(type.trim()) ?? [];
  if (element !== undefined) return Number(count) * typeBytes(element);
  const bytes = bytesOfType[type.trim()];
  if (bytes === undefined) throw new Error(`no bytes are known of ${type}`);
  return bytes;
}

const workgroupBytesOf = (code: string): number =>
  [...code.matchAll(/var<workgroup> \w+: ([^;]+);/g)].reduce(
    (sum, [, type = '']) => sum + typeBytes(type),
    0,
  );

/** Variables that are vec4s; constants are what is loaded and used at once. */
const vec4sOf = (code: string): number => [...code.matchAll(/\bvar \w+ = vec4f\(\)/g)].length;

const bytesOf = (operand: Operand): number =>
  isTensor(operand) || 'bytes' in operand ? operand.bytes : (operand.ofPart[0]?.bytes ?? 0);

/** Arithmetic of the kernels that have more than a few flops a value, by the shape in their names. */
function flopsOf({ kernel, operands }: Dispatch, tokens: number): number {
  const { name, bindings } = kernel;
  const values = (binding: string): number => {
    const i = bindings.findIndex(({ name: own }) => own === binding);
    const operand = operands[i];
    return operand === undefined ? 0 : bytesOf(operand) / 4;
  };
  const [rows = 0, inner = 0, columns = 0, parts = 1] = (/ (\d+(?:x\d+)+)/.exec(name)?.[1] ?? '')
    .split('x')
    .map(Number);
  if (name.startsWith('matmul')) return 2 * rows * inner * columns * parts + 2 * values('u') * columns;
  if (name.startsWith('row-product')) return 2 * inner * values('y');
  if (name.startsWith('norm-product')) return 2 * inner * values('u');
  if (name.startsWith('column-product')) return 2 * values('u') * (inner + columns);
  // The scores and their gradient are made twice: for the rows of queries and for those of keys.
  if (name.startsWith('attention-gradient')) return 14 * values('out') * tokens;
  return name.startsWith('attention') ? 4 * values('out') * tokens : 0;
}

/**
 * Partial sums lie behind each other to the end of their buffer: of these a dispatch writes its own site's.
 */
function bytesOfDispatch({ kernel, operands }: Dispatch, chunks: number): number {
  return operands.reduce((sum, operand, i) => {
    const own = kernel.name.startsWith('column-product') && kernel.bindings[i]?.name === 'gradient';
    const [, , inner = 0, columns = 0] = / (\d+)x(\d+)x(\d+)/.exec(kernel.name)?.map(Number) ?? [];
    const rows = Number(/ (\d+)x/.exec(kernel.name)?.[1]);
    return (
      sum + (own ? (chunks * (inner + columns) * bytesOf(operands[0] ?? operand)) / rows : bytesOf(operand))
    );
  }, 0);
}

/** The kernels of one step, the longest first. */
export function kernelsOfStep(config: VitConfig, batch: number): readonly KernelFigures[] {
  const wanted = { targets: false, mixes: false, cuts: false, colours: false, erases: false, rotates: false };
  const task = {
    ...{
      config,
      adapter: randomAdapter(config, 10),
      classes: 10,
      batch,
      images: 0,
      pixels: 'bytes' as const,
    },
    ...{
      normalisation: plainNormalisation,
      tuning: subgroupTuning,
      arithmetic: 'float32' as const,
      noise: quiet,
      ...wanted,
    },
  };
  const choice = { microBatch: batch, recomputedBlocks: 0, storage: 'f32', cachePrefix: false } as const;
  const { programs, context } = planRun(task, choice);
  const found = new Map<string, KernelFigures>();
  for (const one of programs.training.trace.dispatches) {
    // Ways in and losses that this batch does not take.
    if (['cropped', 'mixed', 'normalised', 'targets'].includes(one.phase)) continue;
    const { name, code } = one.kernel;
    const flops = flopsOf(one, context.widths.tokens);
    const bytes = bytesOfDispatch(one, context.state.chunks);
    const limit = Math.max(flops / device.tflops / 1e9, bytes / device.terabytes / 1e9, device.dispatchMs);
    const key = [name, one.phase, ...one.grid].join(' ');
    const before = found.get(key);
    const named = name.startsWith('matmul') && one.phase === 'backward' ? `${name}, backward` : name;
    found.set(key, {
      ...{ name: named, flops, bytes, workgroups: product(one.grid), threads: threadsOf(code) },
      ...{ vec4s: vec4sOf(code), workgroupBytes: workgroupBytesOf(code) },
      dispatches: (before?.dispatches ?? 0) + 1,
      limitMs: (before?.limitMs ?? 0) + limit,
    });
  }
  return [...found.values()].sort((a, b) => b.limitMs - a.limitMs);
}

/** Two or three digits, or whole numbers. */
function digits(value: number): string {
  if (value === 0) return '-';
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(value < 10 ? 2 : 3);
}

/** The table of one shape: kernels from a fiftieth of the step's limit on, the others in a row. */
function tableOf({ words, config, batch, before, aim }: Shape): string {
  const all = kernelsOfStep(config, batch);
  const total = all.reduce((sum, { limitMs }) => sum + limitMs, 0);
  const dispatches = all.reduce((sum, one) => sum + one.dispatches, 0);
  const shown = all.filter(({ limitMs }) => limitMs >= total / 50);
  const others = all.slice(shown.length);
  const rest = others.reduce((sum, one) => sum + one.dispatches, 0);
  const restMs = others.reduce((sum, { limitMs }) => sum + limitMs, 0);
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [
    `**${words}**: ${dispatches} dispatches, limit ${digits(total)} ms; measured before ${before} ms, aim ${aim} ms.`,
    '',
    line(['kernel', 'times', 'workgroups x threads', 'vec4s', 'KiB', 'MB', 'MFLOP', 'limit, ms']),
    line(Array<string>(8).fill('---')),
    ...shown.map((one) =>
      line([
        one.name,
        one.dispatches,
        `${one.workgroups} x ${one.threads}`,
        one.vec4s,
        digits(one.workgroupBytes / 1024),
        digits(one.bytes / 1e6),
        digits(one.flops / 1e6),
        digits(one.limitMs),
      ]),
    ),
    ...(rest === 0 ? [] : [line(['others', rest, '', '', '', '', '', digits(restMs)])]),
  ].join('\n');
}

/** The tables of all shapes, as Markdown. */
export function stepTables(): string {
  return shapes.map(tableOf).join('\n\n');
}
