// The end of a step: the norm of the gradients, the decision whether the step counts, AdamW with its groups.
// Rows of kernel-table.ts.
import {
  adamThreads,
  adamwKernel,
  decideKernel,
  matrixAdamwGrid,
  matrixAdamwKernel,
  matrixNormGroups,
  matrixNormKernel,
  normGroups,
  normKernel,
} from '../../kernels/shaders/adamw.ts';
import {
  endsStruct,
  flatGroups,
  recordStruct,
  statusStruct,
  stepGroups,
  stepStruct,
  type FlatGroup,
} from '../../kernels/shaders/structs.ts';
import { entry, size, type KernelCase } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { zeros, at, sum, exact } from '../float64.ts';

const limits = { clipNorm: 0.5, scalarLimit: 0.9 } as const;

interface OfGroup {
  readonly rate: number;
  readonly decay: number;
  /** 1 - beta^t of both moments. */
  readonly corrections: readonly [number, number];
}

type StepGroup = (typeof stepGroups)[number];

const adam: Readonly<Record<StepGroup, OfGroup>> = {
  branches: { rate: 1e-2, decay: 0.1, corrections: [0.1, 0.001] },
  backboneVectors: { rate: 2e-2, decay: 0, corrections: [0.40951, 0.00499] },
  scalars: { rate: 3e-2, decay: 0, corrections: [0.19, 0.001999] },
  headWeight: { rate: 0.007, decay: 0.1, corrections: [0.271, 0.002997] },
  headBias: { rate: 0.007, decay: 0, corrections: [0.3439, 0.003994] },
  backboneMatrices: { rate: 5e-3, decay: 0.2, corrections: [0.40951, 0.00499] },
};

type Learns = 'all' | 'branches' | 'scalars';

/** Which groups learn: the head learns with the scalars and with all else. */
function learning(learns: Learns): ReadonlySet<StepGroup> {
  const head = ['headWeight', 'headBias'] as const;
  if (learns === 'all') return new Set(stepGroups);
  const backbone = ['backboneVectors', 'backboneMatrices'] as const;
  return new Set(learns === 'scalars' ? ['scalars', ...head] : ['branches', ...backbone, ...head]);
}

function stepWords(learns: Learns, images: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(stepStruct.bytes / 4);
  const floats = new Float32Array(words.buffer);
  const { at: field } = stepStruct;
  words.set([5, 3, images], field.sequence);
  words[field.learns] = stepGroups.reduce(
    (bits, group, i) => bits | (learning(learns).has(group) ? 1 << i : 0),
    0,
  );
  floats.set([limits.clipNorm, limits.scalarLimit], field.clipNorm);
  stepGroups.forEach((group, i) => {
    const { rate, decay, corrections } = adam[group];
    floats.set([rate, decay, ...corrections], field.groups + 4 * i);
  });
  return words;
}

const groupSizes = {
  /** In vec4s: more than one workgroup takes at once. */
  branches: size(701),
  backboneVectors: size(5),
  scalars: size(3),
  headWeight: size(107),
  headBias: size(3),
};

function groupsOfStep(sizes: Readonly<Record<FlatGroup, number>>, learns: Learns) {
  const ends = new Uint32Array(endsStruct.bytes / 4);
  let total = 0;
  for (const group of flatGroups) ends[endsStruct.at[group]] = total += sizes[group];
  const groupOf = (i: number): FlatGroup =>
    flatGroups.find((group) => Math.floor(i / 4) < at(ends, endsStruct.at[group])) ?? 'headBias';
  const moves = (i: number): boolean => learning(learns).has(groupOf(i));
  return { ends, count: 4 * total, groupOf, moves };
}

export const normRow = entry({
  about: 'partial sums of the squared gradients of what learns',
  file: 'adamw.ts',
  sizes: groupSizes,
  choices: { learns: ['all', 'branches', 'scalars'] },
  make({ learns, ...of }, seed) {
    const { ends, count, moves } = groupsOfStep(of, learns);
    const gradient = randomValues(seed, count);
    const squares = sum(count, (i) => (moves(i) ? at(gradient, i) ** 2 : 0));
    return {
      kernel: normKernel(),
      grid: [normGroups, 1, 1],
      operands: { step: stepWords(learns, 4), ends, gradient, sums: zeros(normGroups) },
      outputs: [
        {
          of: 'sums',
          see: (got) => [sum(normGroups, (i) => at(got, i))],
          values: [squares],
          tolerance: { abs: 1e-6, rel: 1e-5 },
        },
      ],
    };
  },
});

/** Operands and what becomes of them, of values that move each as its group does, or not at all. */
function moved(
  count: number,
  seed: number,
  groupOf: (i: number) => StepGroup | null,
): Pick<KernelCase, 'operands' | 'outputs'> {
  const [gradient, parameters] = [randomValues(seed, count), randomValues(seed + 1, count)];
  const [first, second] = [randomValues(seed + 2, count), randomValues(seed + 3, count).map(Math.abs)];
  const clip = 0.25;
  const status = new Uint32Array(statusStruct.bytes / 4);
  status.set([6, 0, 1]);
  new Float32Array(status.buffer)[3] = clip;
  const expected = {
    parameters: Float64Array.from(parameters),
    first: Float64Array.from(first),
    second: Float64Array.from(second),
  };
  for (let i = 0; i < count; i++) {
    const group = groupOf(i);
    if (group === null) continue;
    const g = at(gradient, i) * clip;
    const m = 0.9 * at(first, i) + 0.1 * g;
    const v = 0.999 * at(second, i) + 0.001 * g * g;
    const { rate, decay, corrections } = adam[group];
    const change = (rate * (m / corrections[0])) / (Math.sqrt(v / corrections[1]) + 1e-8);
    const next = at(parameters, i) * (1 - rate * decay) - change;
    const isScalar = group === 'scalars';
    expected.parameters[i] = isScalar ? Math.min(Math.max(next, 0), limits.scalarLimit) : next;
    expected.first[i] = m;
    expected.second[i] = v;
  }
  const tolerance = { abs: 1e-6, rel: 1e-6 };
  return {
    operands: { status, gradient, parameters, first, second },
    outputs: (['parameters', 'first', 'second'] as const).map((of) => ({
      of,
      values: expected[of],
      tolerance,
    })),
  };
}

export const adamwRow = entry({
  about: 'AdamW of what learns; the rest keeps its bits',
  file: 'adamw.ts',
  sizes: groupSizes,
  choices: { learns: ['all', 'branches', 'scalars'] },
  make({ learns, ...of }, seed) {
    const { ends, count, groupOf, moves } = groupsOfStep(of, learns);
    const { operands, outputs } = moved(count, seed, (i) => (moves(i) ? groupOf(i) : null));
    return {
      kernel: adamwKernel(),
      grid: [Math.ceil(count / 4 / adamThreads), 1, 1],
      operands: { step: stepWords(learns, 4), ends, ...operands },
      outputs,
    };
  },
});

/** A buffer of matrices, in vec4s. */
const shelfSizes = { length: size(2 * matrixNormGroups + 77) };

export const matrixAdamwRow = entry({
  about: 'AdamW of a buffer of the backbone’s matrices',
  file: 'adamw.ts',
  sizes: shelfSizes,
  choices: { learns: ['yes', 'no'] },
  make({ length, learns }, seed) {
    const { operands, outputs } = moved(4 * length, seed, () =>
      learns === 'yes' ? 'backboneMatrices' : null,
    );
    const step = stepWords(learns === 'yes' ? 'all' : 'scalars', 4);
    const [kernel, grid] = [matrixAdamwKernel(), matrixAdamwGrid(length)];
    return { kernel, grid, operands: { step, ...operands }, outputs };
  },
});

export const matrixNormRow = entry({
  about: 'partial sums of the squared gradients of a buffer of the backbone’s matrices',
  file: 'adamw.ts',
  sizes: shelfSizes,
  choices: { learns: ['yes', 'no'] },
  make({ length, learns }, seed) {
    const gradient = randomValues(seed, 4 * length);
    const step = stepWords(learns === 'yes' ? 'all' : 'scalars', 4);
    return {
      kernel: matrixNormKernel(),
      grid: [matrixNormGroups, 1, 1],
      operands: { step, gradient, sums: randomValues(seed + 1, matrixNormGroups) },
      outputs: [
        {
          of: 'sums',
          see: (got) => [sum(matrixNormGroups, (i) => at(got, i))],
          values: [learns === 'yes' ? sum(4 * length, (i) => at(gradient, i) ** 2) : 0],
          tolerance: { abs: 1e-6, rel: 1e-5 },
        },
      ],
    };
  },
});

export const decideRow = entry({
  about: 'whether a step counts: finite loss and norm, and the number that comes next',
  file: 'adamw.ts',
  sizes: { shelves: size(0, 1, 0) },
  choices: { case: ['next', 'gap', 'halted', 'loss-nan', 'loss-infinite', 'norm-nan'] },
  make({ case: of, shelves }, seed): KernelCase {
    const sums = normGroups + shelves * matrixNormGroups;
    const plain = randomValues(seed, sums).map(Math.abs);
    const norm = Math.sqrt(sum(sums, (i) => at(plain, i)));
    const next = of === 'gap' ? 4 : 5;
    const losses = { 'loss-nan': Float32Array.of(NaN, 0), 'loss-infinite': Float32Array.of(Infinity, 0) };
    const outcome =
      of === 'loss-nan' || of === 'loss-infinite' ? losses[of] : Float32Array.of(0.5, 1, 0.25, 0, 1.5, 1);
    const words = (got: Float32Array): ArrayLike<number> =>
      new Uint32Array(got.slice().buffer).subarray(0, 3);
    const record = {
      of: 'records',
      see: (got: Float32Array) =>
        got.subarray((3 * recordStruct.bytes) / 4 + 2, (3 * recordStruct.bytes) / 4 + 6),
      values: [0.75, 2, norm, Math.min(1, limits.clipNorm / (norm + 1e-6))],
      tolerance: { abs: 1e-6, rel: 1e-6 },
    };
    const applied = of === 'next';
    return {
      kernel: decideKernel(shelves),
      grid: [1, 1, 1],
      operands: {
        step: stepWords('all', 3),
        sums: of === 'norm-nan' ? plain.map(() => NaN) : plain,
        outcome,
        status: Uint32Array.of(next, of === 'halted' ? 1 : 0, 7, 0),
        records: new Uint32Array((64 * recordStruct.bytes) / 4),
      },
      outputs: [
        { of: 'status', see: words, values: applied ? [6, 0, 1] : [next, 1, 0], tolerance: exact },
        ...(applied ? [record] : []),
      ],
    };
  },
});
