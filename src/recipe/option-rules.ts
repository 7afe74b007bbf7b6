// The rules between options of a run: what no option can tell of itself.
import { dropPlacesProblem } from './drop-places.ts';
import type { Path, Recipe } from './options.ts';

interface Rule {
  /** The option that is named when the rule is broken. */
  readonly at: Path;
  /** The others that it compares: it holds only while all of them are shown. */
  readonly beside: readonly Path[];
  /** What is wrong; null when nothing is. */
  readonly broken: (recipe: Recipe) => string | null;
}

/** The rules between options. */
export const rules: readonly Rule[] = [
  {
    at: 'dmlora.branchesEnd',
    beside: ['dmlora.branches'],
    broken: ({ dmlora: { branches, branchesEnd } }) =>
      branchesEnd > branches ? `${branchesEnd} branches cannot be left of ${branches}.` : null,
  },
  {
    at: 'dmlora.dropWindow.1',
    beside: ['dmlora.dropWindow.0'],
    broken: ({ dmlora: { dropWindow } }) =>
      dropWindow[1] < dropWindow[0] ? 'The drops end before they begin.' : null,
  },
  {
    at: 'dmlora.dropSteps',
    beside: ['dmlora.branches', 'dmlora.branchesEnd'],
    broken: (recipe) => dropPlacesProblem(recipe, recipe.steps),
  },
  {
    at: 'dmlora.stage2',
    beside: ['dmlora.dropWindow.1'],
    broken: ({ dmlora: { dropMode, dropWindow, stage2, scalars } }) => {
      if (dropWindow[1] <= stage2) return null;
      // Gates are drawn in stage 1 alone.
      if (scalars !== 'scale-then-retrain' || dropMode !== 'permanent')
        return 'All drops must be done before stage 2 begins.';
      return dropWindow[0] < stage2 ? 'All drops must be done before stage 2 begins, or all in it.' : null;
    },
  },
  {
    at: 'dmlora.pairing',
    beside: ['dmlora.dropMode', 'dmlora.scalars'],
    broken: ({ dmlora }) => (dmlora.pairing === 'crossed' ? crossedProblem(dmlora) : null),
  },
  {
    at: 'backbone.tune',
    beside: ['dmlora.dropEffect'],
    broken: ({ backbone: { tune }, dmlora: { dropEffect } }) =>
      tune === 'all' && dropEffect === 'absorb'
        ? 'Where all of the backbone learns, no weight is frozen that could keep what a dropped branch learned: tune less, or choose another fate for it.'
        : null,
  },
  {
    at: 'split.learnFrom',
    beside: ['keep', 'patience'],
    broken: ({ keep, patience, split }) =>
      split.learnFrom === 'train' || (keep === 'last' && patience === null)
        ? null
        : 'Images that are learned can choose no state and end no run: the result has to be the state after the last step, without stopping early.',
  },
  {
    at: 'split.fold',
    beside: ['split.folds'],
    broken: ({ split: { folds, fold } }) => (fold > folds ? `There is no fold ${fold} of ${folds}.` : null),
  },
];

/** Why crossed branches would never differ: all up matrices start at 0 and get the same gradient while all are in. */
function crossedProblem({ dropMode, dropWindow, stage2, scalars }: Recipe['dmlora']): string | null {
  const same = 'would all learn the same: every up matrix starts at 0, and all get the same gradient';
  if (dropMode === 'permanent' || dropMode === 'none')
    return `Crossed branches ${same} unless chance leaves some out of each step: choose a branch dropout by steps.`;
  if (scalars === 'scale-then-retrain')
    return `Crossed branches that begin afresh in stage 2 ${same}, since nothing is left out of its steps: choose other learning scalars.`;
  const trained = scalars === 'train-then-scale' ? stage2 : 1;
  if (dropMode === 'stochastic' && dropWindow[0] >= trained)
    return `Crossed branches ${same} until some are left out, and here that begins when they have been trained.`;
  return dropMode === 'annealed' && dropWindow[1] === 0
    ? `Crossed branches ${same}, since none is left out from the first step on.`
    : null;
}
