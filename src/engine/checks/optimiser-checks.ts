// The end of a step against float64: gradient norm, the decision whether the step counts, AdamW with its
// groups.
import { assertClose } from './close.ts';
import { adamThreads, adamwKernel, decideKernel, normGroups, normKernel } from '../kernels/shaders/adamw.ts';
import { recordStruct, statusStruct, stepStruct } from '../kernels/shaders/structs.ts';
import { runKernel } from './kernel-runner.ts';
import { randomValues } from './random-model.ts';

/** Which groups learn, in the order branches, scalars, head weight and bias. */
type Learns = readonly [branches: boolean, scalars: boolean, head: boolean];

const settings = {
  rate: 1e-2,
  scalarRate: 3e-2,
  headRate: 0.007,
  decay: 0.1,
  clipNorm: 0.5,
  scalarLimit: 0.9,
  correction1: [0.1, 0.19, 0.271, 0.3439],
  correction2: [0.001, 0.001999, 0.002997, 0.003994],
} as const;

function stepWords(learns: Learns, sequence: number, images: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(stepStruct.bytes / 4);
  const floats = new Float32Array(words.buffer);
  const flags = learns.map((on) => (on ? 1 : 0));
  words.set([sequence, 3, images, ...flags], 0);
  const { rate, headRate, scalarRate, decay, clipNorm, scalarLimit, correction1, correction2 } = settings;
  floats.set([rate, scalarRate, decay, clipNorm, scalarLimit, headRate], 6);
  floats.set(correction1, 12);
  floats.set(correction2, 16);
  return words;
}

/** Ends of the groups in vec4s: more of them than one workgroup takes at once. */
const ends = Uint32Array.of(701, 704, 811, 814);
const count = 4 * 814;

function groupOf(i: number): number {
  return ends.findIndex((end) => Math.floor(i / 4) < end);
}

/** Norm over what learns, and AdamW of exactly that; the rest keeps its bits. */
export async function checkAdamw(device: GPUDevice, learns: Learns, seed: number): Promise<void> {
  const [gradient, parameters] = [randomValues(seed, count), randomValues(seed + 1, count)];
  const first = randomValues(seed + 2, count);
  const second = randomValues(seed + 3, count).map((value) => Math.abs(value));
  const step = stepWords(learns, 5, 4);
  const moves = (i: number): boolean => learns[Math.min(groupOf(i), 2)] === true;
  const squares = gradient.reduce((sum, g, i) => sum + (moves(i) ? g * g : 0), 0);
  const sums = await runKernel(
    device,
    normKernel(),
    [normGroups, 1, 1],
    { step, ends, gradient, sums: new Float32Array(normGroups) },
    'sums',
  );
  assertClose('norm^2', [sums.reduce((a, b) => a + b, 0)], [squares], { abs: 1e-6, rel: 1e-5 });

  const clip = 0.25;
  const status = new Uint32Array(statusStruct.bytes / 4);
  status.set([6, 0, 1]);
  new Float32Array(status.buffer)[3] = clip;
  const operands = { step, ends, status, gradient, parameters, first, second };
  const grid = [Math.ceil(814 / adamThreads), 1, 1] as const;
  const got = {
    parameters: await runKernel(device, adamwKernel(), grid, operands, 'parameters'),
    first: await runKernel(device, adamwKernel(), grid, operands, 'first'),
    second: await runKernel(device, adamwKernel(), grid, operands, 'second'),
  };
  const expected = {
    parameters: Float64Array.from(parameters),
    first: Float64Array.from(first),
    second: Float64Array.from(second),
  };
  for (let i = 0; i < count; i++) {
    if (!moves(i)) continue;
    const group = groupOf(i);
    const g = (gradient[i] ?? NaN) * clip;
    const m = 0.9 * (first[i] ?? NaN) + 0.1 * g;
    const v = 0.999 * (second[i] ?? NaN) + 0.001 * g * g;
    const { scalarRate, headRate, decay, scalarLimit, correction1, correction2 } = settings;
    const isScalar = group === 1;
    const rate = group === 0 ? settings.rate : isScalar ? scalarRate : headRate;
    const change =
      (rate * (m / (correction1[group] ?? NaN))) / (Math.sqrt(v / (correction2[group] ?? NaN)) + 1e-8);
    const decayed = (parameters[i] ?? NaN) * (group === 0 || group === 2 ? 1 - rate * decay : 1);
    const moved = decayed - change;
    expected.parameters[i] = isScalar ? Math.min(Math.max(moved, 0), scalarLimit) : moved;
    expected.first[i] = m;
    expected.second[i] = v;
  }
  for (const name of ['parameters', 'first', 'second'] as const)
    assertClose(name, got[name], expected[name], { abs: 1e-6, rel: 1e-6 });
}

/** Whether a step counts: finite loss and norm, and the number that must come next. */
export async function checkDecision(device: GPUDevice): Promise<void> {
  const sums = randomValues(3, normGroups).map((value) => Math.abs(value));
  const norm = Math.sqrt(sums.reduce((a, b) => a + b, 0));
  const good = Float32Array.of(0.5, 1, 0.25, 0, 1.5, 1);
  const cases: readonly {
    readonly name: string;
    readonly next: number;
    readonly halted: number;
    readonly outcome?: Float32Array<ArrayBuffer>;
    readonly sums?: Float32Array<ArrayBuffer>;
    readonly applies: boolean;
  }[] = [
    { name: 'the next step', next: 5, halted: 0, applies: true },
    { name: 'a step behind a gap', next: 4, halted: 0, applies: false },
    { name: 'a step behind a refused one', next: 5, halted: 1, applies: false },
    { name: 'a loss of NaN', next: 5, halted: 0, outcome: Float32Array.of(NaN, 0), applies: false },
    { name: 'an infinite loss', next: 5, halted: 0, outcome: Float32Array.of(Infinity, 0), applies: false },
    { name: 'a norm of NaN', next: 5, halted: 0, sums: sums.map(() => NaN), applies: false },
  ];
  for (const one of cases) {
    const status = Uint32Array.of(one.next, one.halted, 7, 0);
    const operands = {
      step: stepWords([true, true, true], 5, 3),
      sums: one.sums ?? sums,
      outcome: one.outcome ?? good,
      status,
      records: new Uint32Array((64 * recordStruct.bytes) / 4),
    };
    const after = await runKernel(device, decideKernel(), [1, 1, 1], operands, 'status');
    const words = new Uint32Array(after.slice().buffer);
    const wanted = one.applies ? [6, 0, 1] : [one.next, 1, 0];
    if (wanted.some((word, i) => words[i] !== word))
      throw new Error(`${one.name}: status ${words.slice(0, 3).join()}, expected ${wanted.join()}`);
    if (!one.applies) continue;
    const record = await runKernel(device, decideKernel(), [1, 1, 1], operands, 'records');
    const floats = record.subarray((3 * recordStruct.bytes) / 4);
    const clip = Math.min(1, settings.clipNorm / (norm + 1e-6));
    assertClose('record', floats.subarray(2, 6), [(0.5 + 0.25 + 1.5) / 3, 2, norm, clip], {
      abs: 1e-6,
      rel: 1e-6,
    });
  }
}
