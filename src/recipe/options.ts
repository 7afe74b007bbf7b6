// The options of a run: one table with the place of each in a recipe, its type, default, limits, words,
// group, when it is shown and what continue.py makes of it. The type Recipe,
// its reading, the form, the table in README.md, the flags of the command and the head of continue.py follow
// from it. Knows nothing of the method.
//
// An option that is **not shown** has no say: no rule between options reads it, and what stands in its field
// of the form gives way to its default where it cannot be read. In a file every value must still be one of
// its option's.

import { augmentationOptions } from './augmentation-options.ts';
import { branchOptions, scaling } from './branch-options.ts';
import type { Nested, Option, ValueOf } from './option-kinds.ts';
import { splitOptions } from './split-options.ts';

const table = {
  steps: {
    kind: 'number',
    default: null,
    least: 1,
    most: 1_000_000,
    whole: true,
    empty: 'counted by epochs',
    group: 'length',
    label: 'Steps',
    help: 'Optimiser steps in all.',
  },
  epochs: {
    kind: 'number',
    default: null,
    above: 0,
    most: 10_000,
    empty: 'by image count',
    group: 'length',
    when: { steps: [null] },
    label: 'Epochs',
    help: 'Passes over the training images. Empty: more of them where there are few images.',
  },
  patience: {
    kind: 'number',
    default: null,
    least: 1,
    most: 1000,
    whole: true,
    empty: 'never',
    unit: 'validations',
    group: 'length',
    label: 'Stop early after',
    help: 'Ends the run when so many in a row found nothing better, counted after the last drop. Empty: all steps are done.',
  },
  keep: {
    kind: 'choice',
    default: 'best',
    choices: [
      ['best', 'best by validation'],
      ['last', 'after the last step'],
    ],
    group: 'split',
    label: 'Result is the state',
    help: 'Best: most validation images right. After the last step: validation decides nothing, as in protocols that choose settings first; a run whose loss ran away goes back all the same.',
  },
  batch: {
    kind: 'number',
    default: 32,
    least: 1,
    most: 1024,
    whole: true,
    unit: 'images',
    group: 'length',
    label: 'Batch',
    help: 'Images of one step. Smaller needs less memory.',
  },
  learningRate: {
    kind: 'number',
    default: 3e-3,
    above: 0,
    most: 10,
    group: 'length',
    label: 'Learning rate',
    help: 'Peak rate of what learns. Ten times smaller if the loss jumps.',
  },
  seed: {
    kind: 'number',
    default: 1,
    least: 0,
    most: 2 ** 32 - 1,
    whole: true,
    group: 'length',
    label: 'Seed',
    help: 'The same seed gives the same split, order and drops.',
  },
  ...branchOptions,
  headStart: {
    kind: 'choice',
    default: 'probe',
    choices: [
      ['probe', 'a linear probe'],
      ['random', 'random numbers'],
    ],
    group: 'optimiser',
    label: 'Head starts from',
    help: 'A linear probe is fitted on the frozen features first: the baseline to beat, and a head that means something from the first step.',
  },
  headRate: {
    kind: 'number',
    default: 0.1,
    above: 0,
    most: 10,
    group: 'optimiser',
    label: 'Head’s share of the rate',
    help: 'A head that starts from a probe or a checkpoint learns at this share of the rate; from random numbers it has all of it.',
  },
  warmup: {
    kind: 'number',
    default: 0.1,
    least: 0,
    most: 1,
    percent: true,
    group: 'optimiser',
    label: 'Warm-up',
    help: 'Share of the steps until the peak rate.',
  },
  learningRateFloor: {
    kind: 'number',
    default: 1e-5,
    least: 0,
    most: 10,
    group: 'optimiser',
    label: 'Final rate',
    help: 'Where the learning rate ends.',
  },
  weightDecay: {
    kind: 'number',
    default: 1e-4,
    least: 0,
    most: 1,
    group: 'optimiser',
    label: 'Weight decay',
    help: 'Pulls matrices that learn towards zero: branches, the head’s weight, those of a tuned backbone.',
  },
  clipNorm: {
    kind: 'number',
    default: 1,
    above: 0,
    most: 1e6,
    group: 'optimiser',
    label: 'Gradient clip',
    help: 'Largest length of the gradient.',
  },
  scalarRate: {
    kind: 'number',
    default: 1e-2,
    above: 0,
    most: 10,
    group: 'optimiser',
    when: scaling,
    label: 'Scalar rate',
    help: 'Peak learning rate of the scalars; in a stage 2 on the run’s schedule it is constant.',
  },
  ...augmentationOptions,
  labelSmoothing: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 0.9,
    percent: true,
    group: 'loss',
    label: 'Label smoothing',
    help: 'Share of every answer that is spread over all classes: 10 keeps the model from being too sure. What is measured on validation images is plain.',
  },
  classBalance: {
    kind: 'choice',
    default: 'none',
    choices: [
      ['none', 'As they come'],
      ['weights', 'Weighted'],
    ],
    group: 'loss',
    label: 'Classes',
    help: 'Weighted: all classes count as much together, however few images one has. For sets in which the rare ones matter; more of the frequent ones will be wrong.',
  },
  stochasticDepth: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 0.9,
    percent: true,
    group: 'loss',
    label: 'Stochastic depth',
    help: 'How often the last block’s attention and MLP are left out of a training image, by chance; towards the first block less and less. 10 % is common.',
  },
  'memory.budgetMB': {
    kind: 'number',
    default: null,
    least: 1,
    most: 1_000_000,
    whole: true,
    empty: 'automatic',
    unit: 'MB',
    group: 'memory',
    notInPython: 'PyTorch takes what it needs: with --at-once a step takes its batch in parts.',
    inPython: [null],
    label: 'GPU memory',
    help: 'At most so much for the run; empty leaves it to the engine. With less, a step takes its batch in parts.',
  },
  'memory.float16': {
    kind: 'choice',
    default: 'if-needed',
    choices: [
      ['never', 'Never'],
      ['if-needed', 'If nothing else fits'],
      ['always', 'Always'],
    ],
    group: 'memory',
    notInPython: 'Use accelerate’s own --mixed_precision.',
    inPython: ['never', 'if-needed'],
    label: 'float16',
    help: 'Frozen weights and kept activations in half the memory; what learns stays float32.',
  },
  'memory.arithmetic': {
    kind: 'choice',
    default: 'float32',
    choices: [
      ['float32', 'float32'],
      ['float16', 'float16, summed in float32'],
    ],
    group: 'memory',
    notInPython: 'Use accelerate’s own --mixed_precision.',
    inPython: ['float32'],
    label: 'Arithmetic',
    help: 'What matrix products multiply in, where the graphics processor offers float16 and passes a check of it; elsewhere float32. Whether float16 is faster depends on the graphics processor: not measured on any.',
  },
  ...splitOptions,
} as const satisfies Record<string, Option>;

type Table = typeof table;
/** Where an option stands in a recipe, with dots. */
export type Path = keyof Table;
export type Value = string | number | null;

/** Everything that decides a run besides model and images: a value for each option of the table. */
export type Recipe = Nested<{ readonly [P in Path]: ValueOf<Table[P]> }>;

export function optionOf(path: Path): Option {
  return table[path];
}

function isPath(path: string): path is Path {
  return Object.hasOwn(table, path);
}

export const paths: readonly Path[] = Object.keys(table).filter(isPath);
