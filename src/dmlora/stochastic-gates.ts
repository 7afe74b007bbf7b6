// Branches that are out for a step at a time: their gates, drawn anew for each step of stage 1. Nothing
// leaves, what is evaluated or merged has every gate at its mean, 1. A function of seed and step alone, the
// same for every engine.
import { randomStream, type Purpose } from '../shared/random.ts';
import { allOpen, type Adapter, type Gates } from './adapter.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

type Rated = Pick<DmloraOptions, 'dropMode' | 'dropRate' | 'dropWindow'>;

/** Whether gates are drawn step by step. */
export const isStochastic = ({ dropMode }: Pick<DmloraOptions, 'dropMode'>): boolean =>
  dropMode === 'stochastic' || dropMode === 'constant' || dropMode === 'annealed';

/**
 * The probability p with which a branch is out in a 0-based step: over the window it rises from 0 to the
 * recipe's rate (`stochastic`) or falls from there to 0 (`annealed`), each as before and after; or it is the
 * rate throughout (`constant`). 0 in the other modes.
 */
export function dropRateAt({ dropMode, dropRate, dropWindow }: Rated, step: number, steps: number): number {
  const [begin, end] = dropWindow;
  const done = step / steps;
  const share = end > begin ? Math.min(1, Math.max(0, (done - begin) / (end - begin))) : done < begin ? 0 : 1;
  switch (dropMode) {
    case 'stochastic':
      return dropRate * share;
    case 'annealed':
      return dropRate * (1 - share);
    case 'constant':
      return dropRate;
    case 'permanent':
    case 'none':
      return 0;
  }
}

/**
 * The gates of a step of stage 1: each branch of each module is out with probability p, and all of a module
 * are drawn again while none would be left. Those that are in have the gate (1 - p^K) / (1 - p), K branches,
 * with which the mean of every gate is 1: dropout's 1 / (1 - p), less what is never out because the others
 * are. Downs and ups of a crossed module are drawn so apart from each other. `allOpen` at p = 0.
 */
export function stochasticGates(
  { modules }: Adapter,
  options: Rated,
  step: number,
  steps: number,
  seed: number,
): Gates {
  const rate = dropRateAt(options, step, steps);
  if (rate === 0) return allOpen;
  return new Map(
    modules.map(({ name, branches, crossed }, position) => {
      const gate = (1 - rate ** branches.length) / (1 - rate);
      const drawn = (purpose: Purpose): readonly number[] => {
        const streams = branches.map(({ index }) => randomStream(seed, purpose, position * 16 + index));
        for (let attempt = 0; ; attempt++) {
          const isIn = streams.map((stream) => stream.uniform(step, attempt) >= rate);
          if (isIn.includes(true)) return isIn.map((one) => (one ? gate : 0));
        }
      };
      const down = drawn('gates');
      return [name, crossed === true ? { down, up: drawn('upGates') } : down] as const;
    }),
  );
}
