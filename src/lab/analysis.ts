// What the runs of an ablation say together: means, paired differences to the first arm, and a verdict on
// each. Pure: records in, figures out. Every figure is of runs that were made; what is missing is missing.
import type { Interval } from '../understand/interval.ts';
import { holm, meanInterval, pairedDifferences, type PairedDifferences } from '../understand/student.ts';
import { probeArm, taskOf } from './arms.ts';
import { hasLearnedValidation, type TrialRecord } from './trial-record.ts';

/** Below so many pairs nothing is called better. */
export const fewestPairs = 3;

/** Which images the accuracies are of; validation images may have chosen the states that they judge. */
export type Judge = 'test' | 'validation';

export interface Mean {
  readonly runs: number;
  /** Share of the images, 0 to 1. */
  readonly mean: number;
  /** Student's at 95 % over the seeds. */
  readonly interval: Interval;
}

/** An arm on one task. */
export interface Cell extends Mean {
  readonly arm: string;
  readonly task: string;
  readonly set: string;
  readonly shots: number | null;
  readonly loss: number;
  /** Mean of a run; null of the probe, which is a part of other runs. */
  readonly seconds: number | null;
  /** The most of any run. */
  readonly peakBytes: number | null;
  readonly diverged: number;
}

export type Verdict =
  /** Fewer pairs than a verdict needs. */
  | 'too-few'
  /** As many right in every pair. */
  | 'same'
  /** The same difference in every pair: it has no spread to be judged by. */
  | 'no-spread'
  | 'better'
  | 'worse'
  | 'inconclusive';

/** Differences of accuracy, arm - reference, as shares. */
export interface Difference extends PairedDifferences {
  /** p by Holm over all tests of its kind; null where there is none. */
  readonly holm: number | null;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly arm: string;
  /** Over all pairs of set and seed, of several numbers of images a class their mean. */
  readonly all: Difference;
  readonly tasks: readonly (Difference & { readonly task: string })[];
}

export interface Analysis {
  readonly arms: readonly string[];
  readonly reference: string;
  readonly tasks: readonly string[];
  readonly judge: Judge;
  readonly cells: readonly Cell[];
  /** Over tasks: the mean of the tasks of each seed that has them all, with an interval over the seeds. */
  readonly overall: readonly (Mean & { readonly arm: string })[];
  readonly comparisons: readonly Comparison[];
  /** What has no part in the differences, and why, a sentence each. */
  readonly notes: readonly string[];
}

/** One accuracy of the analysis. */
interface Outcome {
  readonly arm: string;
  readonly task: string;
  readonly set: string;
  readonly shots: number | null;
  readonly seed: number;
  readonly split: string;
  readonly accuracy: number;
  readonly loss: number;
  readonly record: TrialRecord | null;
}

/**
 * @param records of the runs that are done, of every arm, task and seed at most one.
 * @param arms all arms in their order; the first is compared with.
 */
export function analyse(records: readonly TrialRecord[], arms: readonly string[]): Analysis {
  const judge: Judge =
    records.length > 0 && records.every(({ result }) => result.test !== null) ? 'test' : 'validation';
  const { outcomes, notes } = outcomesOf(records, arms, judge);
  const named = [...arms, probeArm].filter((arm) => arm !== probeArm || outcomes.some((o) => o.arm === arm));
  const tasks = [...new Set(records.map(taskOf))];
  const reference = arms[0] ?? probeArm;
  return {
    ...{ arms: named, reference, tasks, judge },
    cells: named.flatMap((arm) => tasks.flatMap((task) => cellOf(outcomes, arm, task))),
    overall: named.flatMap((arm) => overallOf(outcomes, arm, tasks)),
    ...comparisonsOf(outcomes, named, reference, tasks, notes),
  };
}

/** The accuracies of runs, and once for each task and seed that of the probe which all its runs begin with. */
function outcomesOf(
  records: readonly TrialRecord[],
  arms: readonly string[],
  judge: Judge,
): { outcomes: Outcome[]; notes: string[] } {
  const outcomes: Outcome[] = [];
  const notes: string[] = [];
  const learned = new Set<string>();
  const inOrder = arms.flatMap((arm) => records.filter((record) => record.arm === arm));
  for (const record of inOrder) {
    const { arm, set, shots, seed, split, result } = record;
    const task = taskOf(record);
    const place = { task, set, shots, seed, split };
    const measured = result[judge];
    const isLearned = judge === 'validation' && hasLearnedValidation(record);
    if (isLearned) learned.add(arm);
    else if (measured !== null) outcomes.push({ arm, ...place, ...measured, record });
    const probe = result.probe?.[judge] ?? null;
    if (probe === null) continue;
    const known = outcomes.find((o) => o.arm === probeArm && o.task === task && o.seed === seed);
    if (known === undefined) outcomes.push({ arm: probeArm, ...place, ...probe, record: null });
    else if (known.split === split && known.accuracy !== probe.accuracy)
      notes.push(
        `${task}, seed ${seed}: the linear probe of "${arm}" has another accuracy than that of the arms above; theirs is taken.`,
      );
  }
  for (const arm of learned)
    notes.push(
      `"${arm}" learned from its validation images as well, and not all runs have images of a test: its accuracies say nothing of others, and stand nowhere here.`,
    );
  return { outcomes, notes };
}

function cellOf(outcomes: readonly Outcome[], arm: string, task: string): Cell[] {
  const own = outcomes.filter((o) => o.arm === arm && o.task === task);
  const [first] = own;
  if (first === undefined) return [];
  const runs = own.flatMap(({ record }) => (record === null ? [] : [record.result]));
  return [
    {
      ...{ arm, task, set: first.set, shots: first.shots, runs: own.length },
      ...meanInterval(own.map(({ accuracy }) => accuracy)),
      loss: meanInterval(own.map(({ loss }) => loss)).mean,
      seconds: runs.length === 0 ? null : meanInterval(runs.map(({ seconds }) => seconds)).mean,
      peakBytes: runs.length === 0 ? null : Math.max(...runs.map(({ peakBytes }) => peakBytes)),
      diverged: runs.filter(({ diverged }) => diverged).length,
    },
  ];
}

function overallOf(
  outcomes: readonly Outcome[],
  arm: string,
  tasks: readonly string[],
): (Mean & { readonly arm: string })[] {
  const own = outcomes.filter((o) => o.arm === arm);
  const bySeed = [...new Set(own.map(({ seed }) => seed))].flatMap((seed) => {
    const values = tasks.flatMap((task) => own.find((o) => o.seed === seed && o.task === task) ?? []);
    return values.length === tasks.length ? [meanInterval(values.map(({ accuracy }) => accuracy)).mean] : [];
  });
  return bySeed.length === 0 ? [] : [{ arm, runs: bySeed.length, ...meanInterval(bySeed) }];
}

function comparisonsOf(
  outcomes: readonly Outcome[],
  arms: readonly string[],
  reference: string,
  tasks: readonly string[],
  notes: readonly string[],
): Pick<Analysis, 'comparisons' | 'notes'> {
  const others = arms.filter((arm) => arm !== reference);
  const apart: string[] = [];
  const pairsOf = (arm: string, task: string): Pair[] =>
    outcomes
      .filter((o) => o.arm === arm && o.task === task)
      .flatMap((after) => {
        const { set, seed } = after;
        const before = outcomes.find((o) => o.arm === reference && o.task === task && o.seed === seed);
        if (before === undefined) return [];
        if (before.split === after.split) return [{ set, seed, value: after.accuracy - before.accuracy }];
        apart.push(
          `${task}, seed ${seed}: "${arm}" and "${reference}" had other images in their splits, and are no pair.`,
        );
        return [];
      });
  const found = others.map((arm) => {
    const byTask = tasks.map((task) => pairsOf(arm, task));
    const values = byTask.map((pairs) => pairs.map(({ value }) => value));
    return { arm, all: pairedDifferences(bySeed(byTask.flat())), byTask: values.map(pairedDifferences) };
  });
  const all = judged(found.map((one) => one.all));
  const single = judged(found.flatMap((one) => one.byTask));
  const comparisons = found.flatMap(({ arm, byTask }, i): Comparison[] => {
    const whole = all[i];
    const own = single.slice(i * tasks.length, i * tasks.length + byTask.length);
    const named = own.flatMap((one, k) => {
      const task = tasks[k];
      return task === undefined ? [] : [{ ...one, task }];
    });
    return whole === undefined ? [] : [{ arm, all: whole, tasks: named }];
  });
  return { comparisons, notes: [...notes, ...apart] };
}

/** A difference on one task. */
interface Pair {
  readonly set: string;
  readonly seed: number;
  readonly value: number;
}

/**
 * One difference for each set and seed. Runs of one seed with several numbers of images a class share images,
 * and are no independent pairs: their mean is one, of those seeds that have all of them.
 */
function bySeed(pairs: readonly Pair[]): number[] {
  const groups = new Map<string, { set: string; values: number[] }>();
  for (const { set, seed, value } of pairs) {
    const key = `${seed} ${set}`;
    groups.set(key, { set, values: [...(groups.get(key)?.values ?? []), value] });
  }
  const most = new Map<string, number>();
  for (const { set, values } of groups.values()) most.set(set, Math.max(most.get(set) ?? 0, values.length));
  return [...groups.values()]
    .filter(({ set, values }) => values.length === most.get(set))
    .map(({ values }) => meanInterval(values).mean);
}

/** Differences with Holm's p over all of them, and what they say. One without a test counts among them. */
function judged(differences: readonly PairedDifferences[]): Difference[] {
  const adjusted = holm(differences.map(({ test }) => test?.p ?? 1));
  return differences.map((one, i) => {
    const p = one.test === null ? null : (adjusted[i] ?? 1);
    return { ...one, holm: p, verdict: verdictOn(one, p) };
  });
}

/** Better or worse are an arm's differences only by enough pairs and by the corrected p. */
function verdictOn({ pairs, mean, test, ties }: PairedDifferences, p: number | null): Verdict {
  if (pairs < fewestPairs) return 'too-few';
  if (ties === pairs) return 'same';
  if (test === null || p === null) return 'no-spread';
  if (p >= 0.05) return 'inconclusive';
  return mean > 0 ? 'better' : 'worse';
}
