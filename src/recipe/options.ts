// The options of a run: one table with the place of each in a recipe, its type, default, limits, words,
// group, when it is shown and what continue.py makes of it. The type Recipe,
// its reading, the form, the table in README.md, the flags of the command and the head of continue.py follow
// from it. Knows nothing of the method.
//
// An option that is **not shown** has no say: no rule between options reads it, and what stands in its field
// of the form gives way to its default where it cannot be read. In a file every value must still be one of
// its option's.

import type { Option } from './option-kinds.ts';

/** Numbers that can be chosen, each its own label. */
const counts = (...values: readonly number[]): (readonly [number, string])[] =>
  values.map((value) => [value, String(value)]);
const upTo8 = counts(1, 2, 3, 4, 5, 6, 7, 8);

const dropping = { 'dmlora.dropMode': ['permanent'] } as const;
const scaling = { 'dmlora.scalars': ['train-then-scale'] } as const;

const oneSplit = { 'split.folds': [0] } as const;
const fold = [2, 3, 4, 5, 6, 7, 8, 9, 10] as const;

const mirroring = { augment: ['flip', 'crop+flip'] } as const;

const noDrops = 'The branches that would be left train from the start, as one LoRA: none is dropped.';
const noScalars = 'A LoRA has no scalar for each layer that could be trained.';

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
    help: 'Peak rate of the branches. Ten times smaller if the loss jumps.',
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
  'dmlora.branches': {
    kind: 'choice',
    default: 4,
    choices: upTo8,
    group: 'branches',
    label: 'Branches',
    help: 'Low-rank branches beside each adapted layer at the start.',
  },
  'dmlora.branchesEnd': {
    kind: 'choice',
    default: 2,
    choices: upTo8,
    group: 'branches',
    when: dropping,
    label: 'Left at the end',
    help: 'How many stay when all drops are done.',
  },
  'dmlora.rank': {
    kind: 'choice',
    default: 4,
    choices: counts(1, 2, 4, 8, 16),
    group: 'branches',
    label: 'Rank',
    help: 'Width of one branch: higher can learn more.',
  },
  'dmlora.targets': {
    kind: 'choice',
    default: 'all',
    choices: [
      ['qv', 'query, value'],
      ['qkv', 'query, key, value'],
      ['qkv+proj', 'attention with projection'],
      ['all', 'all linear layers'],
    ],
    group: 'branches',
    label: 'Grow on',
    help: 'The linear layers of each block that get branches.',
  },
  'dmlora.firstBlock': {
    kind: 'number',
    default: 0,
    least: 0,
    most: 999,
    whole: true,
    group: 'branches',
    label: 'From block',
    help: 'Blocks below it stay frozen: faster, and often enough for images like the pretraining’s.',
  },
  'dmlora.dropMode': {
    kind: 'choice',
    default: 'permanent',
    choices: [
      ['permanent', 'Permanent'],
      ['none', 'None'],
    ],
    group: 'branches',
    notInPython: noDrops,
    label: 'Branch dropout',
    help: 'Permanent: branches leave one by one. None: all stay, as in plain LoRA.',
  },
  'dmlora.dropWindow.0': {
    kind: 'number',
    default: 0.1,
    least: 0,
    most: 1,
    percent: true,
    group: 'branches',
    when: dropping,
    notInPython: noDrops,
    label: 'Drops from',
    help: 'Share of the steps at the first drop.',
  },
  'dmlora.dropWindow.1': {
    kind: 'number',
    default: 0.4,
    least: 0,
    most: 1,
    percent: true,
    group: 'branches',
    when: dropping,
    notInPython: noDrops,
    label: 'Drops until',
    help: 'Share of the steps at the last drop.',
  },
  'dmlora.dropSpacing': {
    kind: 'choice',
    default: 'even',
    choices: [
      ['even', 'Even'],
      ['cosine', 'Cosine'],
    ],
    group: 'branches',
    when: dropping,
    notInPython: noDrops,
    label: 'Drops spaced',
    help: 'Even: equal steps between drops. Cosine: close together in the middle of the window, as a cosine falls.',
  },
  'dmlora.dropPick': {
    kind: 'choice',
    default: 'random',
    choices: [
      ['random', 'Drawn by chance'],
      ['smallest', 'The weakest'],
      ['alike', 'The most alike'],
      ['oldest', 'In their order'],
    ],
    group: 'branches',
    when: dropping,
    notInPython: noDrops,
    label: 'Which leaves',
    help: 'By chance from the seed, the branch that adds least, the weaker one of the two that add the most alike, or one after the other.',
  },
  'dmlora.dropEffect': {
    kind: 'choice',
    default: 'zero',
    choices: [
      ['zero', 'Lost'],
      ['fade', 'Faded out'],
      ['absorb', 'Kept in the frozen weight'],
      ['svd-fold', 'Folded into the others'],
    ],
    group: 'branches',
    when: dropping,
    notInPython: noDrops,
    label: 'What it learned is',
    help: 'Lost: the others stay as they are. Faded: lost as well, but step by step. Kept: it stays as it is and learns no more. Folded: they take it over as well as their ranks allow, and go on with fresh moments.',
  },
  'dmlora.fadeSteps': {
    kind: 'number',
    default: 20,
    least: 1,
    most: 1_000_000,
    whole: true,
    group: 'branches',
    when: { ...dropping, 'dmlora.dropEffect': ['fade'] },
    notInPython: noDrops,
    label: 'Fades over',
    unit: 'steps',
    help: 'Steps in which what a leaving branch adds falls from all to nothing. Stage 2 begins without it.',
  },
  'dmlora.scalars': {
    kind: 'choice',
    default: 'train-then-scale',
    choices: [
      ['train-then-scale', 'In stage 2'],
      ['off', 'Off'],
    ],
    group: 'branches',
    notInPython: noScalars,
    label: 'Learning scalars',
    help: 'A second stage learns how strongly each layer uses its branches.',
  },
  'dmlora.stage2': {
    kind: 'number',
    default: 0.8,
    least: 0,
    most: 1,
    percent: true,
    group: 'branches',
    when: scaling,
    notInPython: noScalars,
    label: 'Stage 2 from',
    help: 'Share of the steps after which the scalars learn.',
  },
  'dmlora.scalarStart': {
    kind: 'number',
    default: 1,
    above: 0,
    most: 100,
    group: 'optimiser',
    notInPython: noScalars,
    label: 'Scalar start',
    help: 'First value of every scalar.',
  },
  headStart: {
    kind: 'choice',
    default: 'probe',
    choices: [
      ['probe', 'a linear probe'],
      ['random', 'random numbers'],
    ],
    group: 'optimiser',
    notInPython: 'A new head starts from random numbers; with --adapter it is the adapter’s.',
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
    help: 'Pulls branches and head towards zero.',
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
    notInPython: noScalars,
    label: 'Scalar rate',
    help: 'Learning rate of the scalars in stage 2.',
  },
  augment: {
    kind: 'choice',
    default: 'crop+flip',
    choices: [
      ['none', 'Off'],
      ['flip', 'Mirror'],
      ['crop+flip', 'Crop and mirror'],
    ],
    group: 'augmentation',
    label: 'Augmentation',
    help: 'Every step sees other crops or mirror images. On for photographs, off where left and right or size matter.',
  },
  smallestCrop: {
    kind: 'number',
    default: 0.5,
    least: 0.01,
    most: 1,
    percent: true,
    group: 'augmentation',
    when: { augment: ['crop+flip'] },
    label: 'Smallest crop',
    help: 'Share of the image that a crop covers at least.',
  },
  upsideDown: {
    kind: 'choice',
    default: 'no',
    choices: [
      ['no', 'No'],
      ['yes', 'Half of the images'],
    ],
    group: 'augmentation',
    when: mirroring,
    label: 'Upside down',
    help: 'Turns top and bottom over as well. For pictures from above or of cells, not where up is up.',
  },
  notMirrored: {
    kind: 'text',
    default: '',
    most: 4000,
    empty: 'none',
    group: 'augmentation',
    when: mirroring,
    label: 'Never mirrored',
    help: 'Classes of which no image is mirrored or turned over, with commas between: left hands, letters. A name that has a comma stands in double quotes.',
  },
  rotation: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 180,
    unit: 'degrees',
    group: 'augmentation',
    label: 'Rotation',
    help: 'Every image is turned about its middle by an angle that is drawn, at most so far either way; its border is repeated in the corners. 0 is off, 10 small, 180 for pictures from above or of cells.',
  },
  colourJitter: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 1,
    percent: true,
    group: 'augmentation',
    label: 'Colour jitter',
    help: 'Brightness, contrast and saturation of every image each change by a factor that is drawn, at most so far from 1. 0 is off, 40 much. For photographs in changing light, not where colours tell the classes apart.',
  },
  randomErasing: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 1,
    percent: true,
    group: 'augmentation',
    label: 'Random erasing',
    help: 'Share of the images of which a rectangle, 2 to 33 % of the area, is painted over with the mean colour. 0 is off, 25 usual: the model must look at more than one part.',
  },
  mixup: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 10,
    group: 'augmentation',
    label: 'Mixup',
    help: 'Images of a step are blended in pairs, by a share drawn from Beta(a, a) of this a, and answered with both classes. 0 is off, 0.2 mild. What is measured on validation images is never blended.',
  },
  cutmix: {
    kind: 'number',
    default: 0,
    least: 0,
    most: 10,
    group: 'augmentation',
    label: 'CutMix',
    help: 'Images of a step get a rectangle of another one, of an area by Beta(a, a) of this a, and are answered with both classes by their areas. 0 is off, 1 usual. Beside mixup, each step does one of the two.',
  },
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
  'memory.budgetMB': {
    kind: 'number',
    default: null,
    least: 1,
    most: 1_000_000,
    whole: true,
    empty: 'automatic',
    unit: 'MB',
    group: 'memory',
    notInPython: 'PyTorch takes what it needs: give a smaller --batch.',
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
    label: 'float16',
    help: 'Frozen weights and kept activations in half the memory; what learns stays float32.',
  },
  'split.validationFraction': {
    kind: 'number',
    default: 0.2,
    above: 0,
    below: 1,
    percent: true,
    group: 'split',
    when: oneSplit,
    label: 'Held out for validation',
    help: 'Share of each class, unless a validation folder is given.',
  },
  'split.together': {
    kind: 'choice',
    default: 'none',
    choices: [
      ['none', 'each by itself'],
      ['name', 'by their names'],
      ['folder', 'by their folders'],
    ],
    group: 'split',
    notInPython: 'Pictures that run.json does not know are drawn one by one.',
    label: 'Pictures drawn together',
    help: 'Bursts, crops or sessions on one side. By names: those alike up to the number or letter at the end. By folders: those of one folder below that of the class, or above it.',
  },
  'split.folds': {
    kind: 'choice',
    default: 0,
    choices: [[0, 'none, one split'], ...counts(...fold)],
    group: 'split',
    notInPython: 'Pictures that run.json does not know are drawn one by one.',
    label: 'Folds',
    help: 'For small sets: images are dealt into so many parts, and this run validates on one of them. With a run for each, every image is validated once. A test folder stays apart; a validation folder is dealt too.',
  },
  'split.fold': {
    kind: 'choice',
    default: 1,
    choices: counts(1, ...fold),
    group: 'split',
    when: { 'split.folds': fold },
    notInPython: 'Pictures that run.json does not know are drawn one by one.',
    label: 'Fold that validates',
    help: 'The others are learned from.',
  },
  'split.trainPerClass': {
    kind: 'number',
    default: null,
    least: 1,
    most: 1_000_000,
    whole: true,
    empty: 'all',
    group: 'split',
    when: oneSplit,
    notInPython: 'All pictures that are given are used.',
    offered: [1, 2, 4, 8, 16],
    label: 'Training images a class',
    help: 'At most so many, drawn by the seed: the 4 are among the 8. The rest are not used, so that what is held out stays the same. Empty takes all.',
  },
  'split.validationPerClass': {
    kind: 'number',
    default: null,
    least: 1,
    most: 1_000_000,
    whole: true,
    empty: 'all',
    group: 'split',
    when: oneSplit,
    notInPython: 'All pictures that are given are used.',
    label: 'Validation images a class',
    help: 'At most so many; empty takes all.',
  },
} as const satisfies Record<string, Option>;

type Table = typeof table;
/** Where an option stands in a recipe, with dots. */
export type Path = keyof Table;
export type Value = string | number | null;

type ValueOf<O> = O extends { readonly choices: readonly (readonly [infer V, string])[] }
  ? V extends number
    ? number
    : V
  : O extends { readonly kind: 'text' }
    ? string
    : O extends { readonly empty: string }
      ? number | null
      : number;

/** The fields below a name, without it. */
type Below<T, Name extends string> = {
  [P in keyof T as P extends `${Name}.${infer Rest}` ? Rest : never]: T[P];
};
type FirstName<P> = P extends `${infer Name}.${string}` ? Name : P;
/** Dotted fields as nested ones; fields 0 and 1 are a pair. */
type Nested<T> = T extends { readonly '0': infer A; readonly '1': infer B }
  ? readonly [A, B]
  : {
      readonly [Name in FirstName<keyof T & string>]: Name extends keyof T ? T[Name] : Nested<Below<T, Name>>;
    };

/** Everything that decides a run besides model and images: a value for each option of the table. */
export type Recipe = Nested<{ readonly [P in Path]: ValueOf<Table[P]> }>;

export function optionOf(path: Path): Option {
  return table[path];
}

function isPath(path: string): path is Path {
  return Object.hasOwn(table, path);
}

export const paths: readonly Path[] = Object.keys(table).filter(isPath);
