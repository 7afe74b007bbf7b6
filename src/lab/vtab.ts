// VTAB-1k's protocol (Zhai et al., "A Large-scale Study of Representation Learning with the Visual Task
// Adaptation Benchmark", 2019): settings are chosen on 800 training and 200 validation images, the chosen
// ones are trained on all 1,000, and the state after the last step answers the test images once. Pure:
// recipes and records in, figures out.
import type { Path, Recipe } from '../recipe/options.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { meanInterval } from '../understand/student.ts';
import type { Arm, Trial } from './arms.ts';
import type { TrialRecord } from './trial-record.ts';

/** The tasks by group, each with the names that its sets go by, without signs between letters. */
const tasks = {
  natural: {
    Caltech101: ['caltech101'],
    'CIFAR-100': ['cifar', 'cifar100'],
    DTD: ['dtd'],
    Flowers102: ['flowers102', 'oxfordflowers102', 'flowers'],
    Pets: ['pets', 'oxfordiiitpet', 'oxfordpets'],
    SVHN: ['svhn'],
    Sun397: ['sun397'],
  },
  specialized: {
    'Patch Camelyon': ['patchcamelyon', 'camelyon', 'pcam'],
    EuroSAT: ['eurosat'],
    Resisc45: ['resisc45', 'resisc'],
    Retinopathy: ['diabeticretinopathy', 'retinopathy'],
  },
  structured: {
    'Clevr count': ['clevrcount', 'clevrcountall'],
    'Clevr distance': ['clevrdist', 'clevrdistance', 'clevrclosestobjectdistance'],
    DMLab: ['dmlab'],
    'KITTI distance': ['kitti', 'kittidist', 'kittidistance'],
    'dSprites location': ['dspritesloc', 'dspriteslocation', 'dspriteslabelxposition'],
    'dSprites orientation': ['dspritesori', 'dspritesorientation', 'dspriteslabelorientation'],
    'SmallNORB azimuth': ['smallnorbazi', 'smallnorbazimuth', 'smallnorblabelazimuth'],
    'SmallNORB elevation': ['smallnorbele', 'smallnorbelevation', 'smallnorblabelelevation'],
  },
} as const;

export type Group = keyof typeof tasks;
export const groups: readonly Group[] = ['natural', 'specialized', 'structured'];

interface Task {
  readonly name: string;
  readonly group: Group;
}

const all: readonly (Task & { readonly names: readonly string[] })[] = groups.flatMap((group) =>
  Object.entries<readonly string[]>(tasks[group]).map(([name, names]) => ({ name, group, names })),
);

/** The task that a set of images is by its name, whatever signs stand in it; null for none. */
export function taskOfSet(set: string): Task | null {
  const plain = set
    .toLowerCase()
    .replace(/^vtab([-_ ]?1k)?[-_ ]?/, '')
    .replace(/[^a-z0-9]/g, '');
  const found = all.find(({ names }) => names.includes(plain));
  return found === undefined ? null : { name: found.name, group: found.group };
}

/**
 * That two sets are one task by their names, whose mean would be of both, in a sentence; null where none are.
 */
export function namesakesOf(sets: readonly string[]): string | null {
  for (const { name } of all) {
    const own = sets.filter((set) => taskOfSet(set)?.name === name);
    if (own.length > 1)
      return `${own.map((set) => `"${set}"`).join(' and ')} are both the task ${name} by their names: leave all but one out, or rename what is another task.`;
  }
  return null;
}

/** A setting and the values among which each task chooses. */
export interface Choice {
  readonly path: string;
  readonly texts: readonly string[];
}

/** Every combination of one value of each choice; one empty one without choices. */
export function combinationsOf(
  choices: readonly Choice[],
): { readonly path: string; readonly text: string }[][] {
  return choices.reduce<{ path: string; text: string }[][]>(
    (before, { path, texts }) =>
      before.flatMap((settings) => texts.map((text) => [...settings, { path, text }])),
    [[]],
  );
}

/** A method with one combination of what is chosen. */
export interface Candidate extends Arm {
  readonly method: string;
  /** "learningRate = 0.001"; empty where nothing is chosen. */
  readonly words: string;
}

export function candidateOf(
  { name, recipe }: Arm,
  settings: readonly { readonly path: string; readonly text: string }[],
): Candidate {
  const words = settings.map(({ path, text }) => `${path} = ${text}`).join(', ');
  return { name: words === '' ? name : `${name} (${words})`, method: name, words, recipe };
}

/** Settings that the protocol itself decides. */
export const decided: readonly Path[] = [
  'keep',
  'patience',
  'split.learnFrom',
  'split.validationFraction',
  'split.folds',
];

/**
 * A recipe as it is tried: a fifth of the training images validates where no folder does, and the last state
 * counts.
 */
export function tried(recipe: Recipe): Recipe {
  const split = { ...recipe.split, validationFraction: 0.2, folds: 0, learnFrom: 'train' } as const;
  return { ...recipe, keep: 'last', patience: null, split };
}

/** The same trained on the validation images too. */
export function retrained(recipe: Recipe): Recipe {
  const { split, ...rest } = tried(recipe);
  return { ...rest, split: { ...split, learnFrom: 'all' } };
}

/** Every run by which a task chooses: none for a method that has one candidate alone. */
export function triesOf(candidates: readonly Candidate[], sets: readonly string[], seed: number): Trial[] {
  return sets.flatMap((set) =>
    candidates
      .filter((one) => candidates.some((other) => other !== one && other.method === one.method))
      .map(({ name, recipe }): Trial => ({
        ...{ arm: name, set, shots: null, seed },
        recipe: { ...tried(recipe), seed },
      })),
  );
}

/**
 * The candidate of a method that a set chooses: the most validation images right after the last step, of equals the
 * smallest loss, then the first. A fault where runs are missing: they might have been chosen.
 */
export function chosenOf(
  candidates: readonly Candidate[],
  tries: readonly TrialRecord[],
  method: string,
  set: string,
): Result<Candidate, string> {
  const own = candidates.filter((one) => one.method === method);
  const [first] = own;
  if (first === undefined) return fail(`There is no method "${method}".`);
  if (own.length === 1) return ok(first);
  const measured = own.flatMap((candidate) => {
    const record = tries.find(({ arm, set: of }) => arm === candidate.name && of === set);
    return record === undefined ? [] : [{ candidate, ...record.result.validation }];
  });
  if (measured.length < own.length)
    return fail(
      `${set}: "${method}" is not chosen, since ${own.length - measured.length} of its ${own.length} tries are missing.`,
    );
  const best = measured.reduce((a, b) =>
    b.accuracy > a.accuracy || (b.accuracy === a.accuracy && b.loss < a.loss) ? b : a,
  );
  return ok(best.candidate);
}

/** Accuracies of a method, as shares; null where runs are missing. */
export interface MethodMeans {
  readonly method: string;
  /** Of each task that has a set, the mean over its seeds. */
  readonly tasks: ReadonlyMap<string, number>;
  readonly groups: Readonly<Record<Group, number | null>>;
  /** The mean of the means of the three groups, all of whose tasks are there. */
  readonly ofGroups: number | null;
  /** The mean of the 19 tasks. */
  readonly ofTasks: number | null;
}

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * Both averages that circulate, each of whole groups only. @param records of the retrained runs, whose arm is
 * the method.
 */
export function meansOf(records: readonly TrialRecord[], methods: readonly string[]): MethodMeans[] {
  return methods.map((method) => {
    const found = new Map<string, number>();
    for (const { name } of all) {
      const values = records.flatMap(({ arm, set, result: { test } }) =>
        arm === method && taskOfSet(set)?.name === name && test !== null ? [test.accuracy] : [],
      );
      if (values.length > 0) found.set(name, meanOf(values));
    }
    const whole = (of: readonly Task[]): number | null => {
      const values = of.flatMap(({ name }) => found.get(name) ?? []);
      return values.length === of.length ? meanOf(values) : null;
    };
    const [natural, specialized, structured] = groups.map((group) =>
      whole(all.filter((task) => task.group === group)),
    );
    const byGroup = {
      natural: natural ?? null,
      specialized: specialized ?? null,
      structured: structured ?? null,
    };
    const three = Object.values(byGroup).flatMap((mean) => mean ?? []);
    return {
      method,
      tasks: found,
      groups: byGroup,
      ofGroups: three.length === 3 ? meanOf(three) : null,
      ofTasks: whole(all),
    };
  });
}

/** What a set should hold and does not, in a sentence; null where it is as the protocol has it. */
export function sizeNote({ set, result: { images } }: TrialRecord, isRetrained: boolean): string | null {
  const learned = isRetrained ? 1000 : 800;
  if (images.train === learned && images.validation === 200) return null;
  return isRetrained
    ? `${set} was retrained on ${images.train} images, of which ${images.validation} had validated: the protocol has 1,000, of which 200.`
    : `${set} was tried with ${images.train} training and ${images.validation} validation images: the protocol has 800 and 200.`;
}

/** The figures as Markdown: both averages by their names, groups, tasks, and what each task chose. */
export function vtabReport(
  records: readonly TrialRecord[],
  methods: readonly string[],
  chosen: readonly { readonly set: string; readonly candidate: Candidate }[],
  notes: readonly string[],
): string {
  const means = meansOf(records, methods);
  const cell = (share: number | null | undefined): string => (share == null ? '-' : (100 * share).toFixed(1));
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const sets = [...new Set(records.map(({ set }) => set))];
  const known = new Set(sets.flatMap((set) => taskOfSet(set)?.name ?? []));
  const others = sets.filter((set) => taskOfSet(set) === null);
  const head = (names: readonly string[]): string[] => [row(names), row(names.map(() => '---'))];
  const ofSet = (method: string, set: string): string => {
    const values = records.flatMap((one) =>
      one.arm === method && one.set === set && one.result.test !== null ? [one.result.test.accuracy] : [],
    );
    if (values.length === 0) return '-';
    const { mean, interval } = meanInterval(values);
    return values.length === 1
      ? cell(mean)
      : `${cell(mean)} (${interval.map((end) => cell(end)).join(' to ')}, ${values.length} seeds)`;
  };
  return [
    '# VTAB-1k’s protocol',
    '',
    'Settings were chosen on training and validation images. The chosen ones were trained on both, and the state after the last step answered the test images once. Percent right.',
    '',
    `${known.size} of the 19 tasks are there. A mean stands where all of its tasks do.`,
    '',
    ...head(['method', ...groups, 'mean of the three groups', 'mean of the 19 tasks']),
    ...means.map(({ method, groups: of, ofGroups, ofTasks }) =>
      row([method, ...groups.map((group) => cell(of[group])), cell(ofGroups), cell(ofTasks)]),
    ),
    '',
    ...head(['set', 'task', 'group', ...methods]),
    ...sets.map((set) => {
      const task = taskOfSet(set);
      return row([
        set,
        task?.name ?? '-',
        task?.group ?? '-',
        ...methods.map((method) => ofSet(method, set)),
      ]);
    }),
    '',
    ...(others.length === 0
      ? []
      : [`No task of VTAB by their names, and in no mean: ${others.join(', ')}.`, '']),
    ...(chosen.some(({ candidate }) => candidate.words !== '')
      ? [
          ...head(['set', 'method', 'chosen']),
          ...chosen
            .filter(({ candidate }) => candidate.words !== '')
            .map(({ set, candidate }) => row([set, candidate.method, candidate.words])),
          '',
        ]
      : []),
    ...notes.map((note) => `- ${note}`),
    '',
  ].join('\n');
}
