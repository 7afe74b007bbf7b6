// The fields of the recipe form: one table with the words, limits and place in the recipe of each. recipe-form.ts
// reads and writes by it, the recipe card draws it.

interface Common {
  readonly label: string;
  /** What it does, in a sentence. */
  readonly help: string;
  /** Where it stands in the recipe's JSON; null for what only the form knows. */
  readonly path: string | null;
}

export interface NumberField extends Common {
  readonly kind: 'number';
  readonly least: number;
  readonly most: number;
  /** The limits themselves are not allowed. */
  readonly open?: boolean;
  readonly whole?: boolean;
  /** Empty means "all". */
  readonly optional?: boolean;
  /** Shown in percent, kept as a share. */
  readonly percent?: boolean;
  readonly unit?: string;
}

export interface ChoiceField extends Common {
  readonly kind: 'choice';
  readonly options: readonly { readonly value: string; readonly label: string }[];
}

export type Field = NumberField | ChoiceField;

const choices = (...options: readonly (readonly [value: string, label: string])[]): ChoiceField['options'] =>
  options.map(([value, label]) => ({ value, label }));

const count = choices(...Array.from({ length: 8 }, (_, i) => [String(i + 1), String(i + 1)] as const));

export const fields = {
  length: {
    kind: 'choice',
    path: null,
    label: 'Length counted in',
    help: 'An epoch is one pass over all training images; a step is one batch.',
    options: choices(['epochs', 'Epochs'], ['steps', 'Steps']),
  },
  epochs: {
    kind: 'number',
    path: 'epochs',
    label: 'Epochs',
    help: 'Passes over the training images.',
    least: 0,
    most: 10_000,
    open: true,
  },
  steps: {
    kind: 'number',
    path: 'steps',
    label: 'Steps',
    help: 'Optimiser steps in all.',
    least: 1,
    most: 1_000_000,
    whole: true,
  },
  batch: {
    kind: 'number',
    path: 'batch',
    label: 'Batch',
    help: 'Images of one step. Smaller needs less memory.',
    least: 1,
    most: 1024,
    whole: true,
    unit: 'images',
  },
  learningRate: {
    kind: 'number',
    path: 'learningRate',
    label: 'Learning rate',
    help: 'Peak rate of the branches. Ten times smaller if the loss jumps.',
    least: 0,
    most: 10,
    open: true,
  },
  augment: {
    kind: 'choice',
    path: 'augment',
    label: 'Augmentation',
    help: 'Every step sees other crops or mirror images. On for photographs, off where left and right or size matter.',
    options: choices(['none', 'Off'], ['flip', 'Mirror'], ['crop+flip', 'Crop and mirror']),
  },
  smallestCrop: {
    kind: 'number',
    path: 'smallestCrop',
    label: 'Smallest crop',
    help: 'Share of the image that a crop covers at least.',
    least: 0.01,
    most: 1,
    percent: true,
  },
  headStart: {
    kind: 'choice',
    path: 'headStart',
    label: 'Head starts from',
    help: 'A linear probe is fitted on the frozen features first: the baseline to beat, and a head that means something from the first step.',
    options: choices(['probe', 'a linear probe'], ['random', 'random numbers']),
  },
  seed: {
    kind: 'number',
    path: 'seed',
    label: 'Seed',
    help: 'The same seed gives the same split, order and drops.',
    least: 0,
    most: 2 ** 32 - 1,
    whole: true,
  },
  branches: {
    kind: 'choice',
    path: 'dmlora.branches',
    label: 'Branches',
    help: 'Low-rank branches beside each adapted layer at the start.',
    options: count,
  },
  branchesEnd: {
    kind: 'choice',
    path: 'dmlora.branchesEnd',
    label: 'Left at the end',
    help: 'How many stay when all drops are done.',
    options: count,
  },
  rank: {
    kind: 'choice',
    path: 'dmlora.rank',
    label: 'Rank',
    help: 'Width of one branch: higher can learn more.',
    options: choices(['1', '1'], ['2', '2'], ['4', '4'], ['8', '8'], ['16', '16']),
  },
  targets: {
    kind: 'choice',
    path: 'dmlora.targets',
    label: 'Grow on',
    help: 'The linear layers of each block that get branches.',
    options: choices(
      ['qv', 'query, value'],
      ['qkv', 'query, key, value'],
      ['qkv+proj', 'attention with projection'],
      ['all', 'all linear layers'],
    ),
  },
  firstBlock: {
    kind: 'number',
    path: 'dmlora.firstBlock',
    label: 'From block',
    help: 'Blocks below it stay frozen: faster, and often enough for images like the pretraining’s.',
    least: 0,
    most: 999,
    whole: true,
  },
  dropMode: {
    kind: 'choice',
    path: 'dmlora.dropMode',
    label: 'Branch dropout',
    help: 'Permanent: branches leave one by one. None: all stay, as in plain LoRA.',
    options: choices(['permanent', 'Permanent'], ['none', 'None']),
  },
  dropBegin: {
    kind: 'number',
    path: 'dmlora.dropWindow.0',
    label: 'Drops from',
    help: 'Share of the steps at the first drop.',
    least: 0,
    most: 1,
    percent: true,
  },
  dropEnd: {
    kind: 'number',
    path: 'dmlora.dropWindow.1',
    label: 'Drops until',
    help: 'Share of the steps at the last drop.',
    least: 0,
    most: 1,
    percent: true,
  },
  scalars: {
    kind: 'choice',
    path: 'dmlora.scalars',
    label: 'Learning scalars',
    help: 'A second stage learns how strongly each layer uses its branches.',
    options: choices(['train-then-scale', 'In stage 2'], ['off', 'Off']),
  },
  stage2: {
    kind: 'number',
    path: 'dmlora.stage2',
    label: 'Stage 2 from',
    help: 'Share of the steps after which the scalars learn.',
    least: 0,
    most: 1,
    percent: true,
  },
  validationFraction: {
    kind: 'number',
    path: 'split.validationFraction',
    label: 'Held out for validation',
    help: 'Share of each class, unless a validation folder is given.',
    least: 0,
    most: 1,
    open: true,
    percent: true,
  },
  trainPerClass: {
    kind: 'number',
    path: 'split.trainPerClass',
    label: 'Training images a class',
    help: 'At most so many; empty takes all.',
    least: 1,
    most: 1_000_000,
    whole: true,
    optional: true,
  },
  validationPerClass: {
    kind: 'number',
    path: 'split.validationPerClass',
    label: 'Validation images a class',
    help: 'At most so many; empty takes all.',
    least: 1,
    most: 1_000_000,
    whole: true,
    optional: true,
  },
  warmup: {
    kind: 'number',
    path: 'warmup',
    label: 'Warm-up',
    help: 'Share of the steps until the peak rate.',
    least: 0,
    most: 1,
    percent: true,
  },
  headRate: {
    kind: 'number',
    path: 'headRate',
    label: 'Head’s share of the rate',
    help: 'A head that starts from a probe or a checkpoint learns at this share of the rate.',
    least: 0,
    most: 10,
    open: true,
  },
  learningRateFloor: {
    kind: 'number',
    path: 'learningRateFloor',
    label: 'Final rate',
    help: 'Where the learning rate ends.',
    least: 0,
    most: 10,
  },
  weightDecay: {
    kind: 'number',
    path: 'weightDecay',
    label: 'Weight decay',
    help: 'Pulls branches and head towards zero.',
    least: 0,
    most: 1,
  },
  clipNorm: {
    kind: 'number',
    path: 'clipNorm',
    label: 'Gradient clip',
    help: 'Largest length of the gradient.',
    least: 0,
    most: 1e6,
    open: true,
  },
  scalarRate: {
    kind: 'number',
    path: 'scalarRate',
    label: 'Scalar rate',
    help: 'Learning rate of the scalars in stage 2.',
    least: 0,
    most: 10,
    open: true,
  },
  memoryBudget: {
    kind: 'number',
    path: 'memory.budgetMB',
    label: 'GPU memory',
    help: 'At most so much for the run; empty leaves it to the engine. With less, a step takes its batch in parts.',
    least: 1,
    most: 1_000_000,
    whole: true,
    optional: true,
    unit: 'MB',
  },
  float16: {
    kind: 'choice',
    path: 'memory.float16',
    label: 'float16',
    help: 'Frozen weights and kept activations in half the memory; what learns stays float32.',
    options: choices(['never', 'Never'], ['if-needed', 'If nothing else fits'], ['always', 'Always']),
  },
  scalarStart: {
    kind: 'number',
    path: 'dmlora.scalarStart',
    label: 'Scalar start',
    help: 'First value of every scalar.',
    least: 0,
    most: 100,
    open: true,
  },
} as const satisfies Record<string, Field>;

export type FieldName = keyof typeof fields;

/** What a field holds, whatever its kind. */
export function fieldOf(name: FieldName): Field {
  return fields[name];
}

function isFieldName(name: string): name is FieldName {
  return Object.hasOwn(fields, name);
}

export const fieldNames: readonly FieldName[] = Object.keys(fields).filter(isFieldName);
