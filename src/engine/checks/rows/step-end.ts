// The end of a step: the norm of the gradients, the decision whether the step counts, AdamW with its groups.
// Rows of kernel-table.ts.
import {
  adamThreads,
  adamwKernel,
  decideKernel,
  normGroups,
  normKernel,
} from '../../kernels/shaders/adamw.ts';
import {
  endsStruct,
  flatGroups,
  recordStruct,
  statusStruct,
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

const adam: Readonly<Record<FlatGroup, OfGroup>> = {
  branches: { rate: 1e-2, decay: 0.1, corrections: [0.1, 0.001] },
  backboneVectors: { rate: 2e-2, decay: 0, corrections: [0.40951, 0.00499] },
  scalars: { rate: 3e-2, decay: 0, corrections: [0.19, 0.001999] },
  headWeight: { rate: 0.007, decay: 0.1, corrections: [0.271, 0.002997] },
  headBias: { rate: 0.007, decay: 0, corrections: [0.3439, 0.003994] },
};

type Learns = 'all' | 'branches' | 'scalars';

/** Which groups learn: the head learns with the scalars and with all else. */
function learning(learns: Learns): ReadonlySet<FlatGroup> {
  const head = ['headWeight', 'headBias'] as const;
  if (learns === 'all') return new Set(flatGroups);
  return new Set(learns === 'scalars' ? ['scalars', ...head] : ['branches', 'backboneVectors', ...head]);
}

function stepWords(learns: Learns, images: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(stepStruct.bytes / 4);
  const floats = new Float32Array(words.buffer);
  const { at: field } = stepStruct;
  words.set([5, 3, images], field.sequence);
  words[field.learns] = flatGroups.reduce(
    (bits, group, i) => bits | (learning(learns).has(group) ? 1 << i : 0),
    0,
  );
  floats.set([limits.clipNorm, limits.scalarLimit], field.clipNorm);
  flatGroups.forEach((group, i) => {
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

export const adamwRow = entry({
  about: 'AdamW of what learns; the rest keeps its bits',
  file: 'adamw.ts',
  sizes: groupSizes,
  choices: { learns: ['all', 'branches', 'scalars'] },
  make({ learns, ...of }, seed) {
    const { ends, count, groupOf, moves } = groupsOfStep(of, learns);
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
      if (!moves(i)) continue;
      const group = groupOf(i);
      const g = at(gradient, i) * clip;
      const m = 0.9 * at(first, i) + 0.1 * g;
      const v = 0.999 * at(second, i) + 0.001 * g * g;
      const { rate, decay, corrections } = adam[group];
      const change = (rate * (m / corrections[0])) / (Math.sqrt(v / corrections[1]) + 1e-8);
      const moved = at(parameters, i) * (1 - rate * decay) - change;
      const isScalar = group === 'scalars';
      expected.parameters[i] = isScalar ? Math.min(Math.max(moved, 0), limits.scalarLimit) : moved;
      expected.first[i] = m;
      expected.second[i] = v;
    }
    const tolerance = { abs: 1e-6, rel: 1e-6 };
    return {
      kernel: adamwKernel(),
      grid: [Math.ceil(count / 4 / adamThreads), 1, 1],
      operands: { step: stepWords(learns, 4), ends, status, gradient, parameters, first, second },
      outputs: [
        { of: 'parameters', values: expected.parameters, tolerance },
        { of: 'first', values: expected.first, tolerance },
        { of: 'second', values: expected.second, tolerance },
      ],
    };
  },
});

export const decideRow = entry({
  about: 'whether a step counts: finite loss and norm, and the number that comes next',
  file: 'adamw.ts',
  sizes: {},
  choices: { case: ['next', 'gap', 'halted', 'loss-nan', 'loss-infinite', 'norm-nan'] },
  make({ case: of }, seed): KernelCase {
    const plain = randomValues(seed, normGroups).map(Math.abs);
    const norm = Math.sqrt(sum(normGroups, (i) => at(plain, i)));
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
      kernel: decideKernel(),
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
