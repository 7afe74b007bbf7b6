// The options of how images are split: a part of the table in options.ts.
import { counts, type Option } from './option-kinds.ts';

const oneSplit = { 'split.folds': [0] } as const;
const fold = [2, 3, 4, 5, 6, 7, 8, 9, 10] as const;

export const splitOptions = {
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
