// Sums of crossed branches and their gradients. Rows of kernel-table.ts.
import { crossedSpreadKernel, crossedSumKernel } from '../../kernels/shaders/crossed-sums.ts';
import { at, filled, sum, zeros } from '../float64.ts';
import { entry, size } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';

/** In vec4s of one branch. */
const sizes = { first: size(37), second: size(3), branches: size(3) };

/** Two modules of so many branches: where their values lie, and gates of both. */
function modulesOf({ first, second, branches }: Record<keyof typeof sizes, number>, seed: number) {
  const begin = branches * first;
  return {
    tiles: Uint32Array.of(
      0,
      0,
      first,
      first,
      branches,
      1,
      0,
      0,
      begin,
      first,
      second,
      second,
      branches,
      1 + branches,
      0,
      0,
    ),
    gates: randomValues(seed, 1 + 2 * branches),
    /** Place in floats of value i of the sums in branch k, and its gate. */
    inBranch: (i: number, k: number): readonly [place: number, gate: number] =>
      i < 4 * first ? [4 * k * first + i, 1 + k] : [4 * (begin + k * second - first) + i, 1 + branches + k],
    sums: 4 * (first + second),
    stored: 4 * branches * (first + second),
  };
}

export const crossedSumRow = entry({
  about: 'gated sums of the matrices of crossed branches',
  file: 'crossed-sums.ts',
  sizes,
  choices: {},
  make(shape, seed) {
    const { tiles, gates, inBranch, sums, ...all } = modulesOf(shape, seed);
    const stored = randomValues(seed + 1, all.stored);
    return {
      kernel: crossedSumKernel(),
      grid: [2, 1, 1],
      operands: { tiles, gates, stored, sums: zeros(sums) },
      outputs: [
        {
          of: 'sums',
          values: filled(sums, (i) =>
            sum(shape.branches, (k) => {
              const [place, gate] = inBranch(i, k);
              return at(gates, gate) * at(stored, place);
            }),
          ),
        },
      ],
    };
  },
});

export const crossedSpreadRow = entry({
  about: 'gradients of crossed branches from those of their sums',
  file: 'crossed-sums.ts',
  sizes,
  choices: {},
  make(shape, seed) {
    const { tiles, gates, inBranch, stored, ...all } = modulesOf(shape, seed);
    const sums = randomValues(seed + 1, all.sums);
    const values = new Float64Array(stored);
    for (let i = 0; i < all.sums; i++)
      for (let k = 0; k < shape.branches; k++) {
        const [place, gate] = inBranch(i, k);
        values[place] = at(gates, gate) * at(sums, i);
      }
    return {
      kernel: crossedSpreadKernel(),
      grid: [2, 1, 1],
      operands: { tiles, gates, sums, stored: zeros(stored) },
      outputs: [{ of: 'stored', values }],
    };
  },
});
