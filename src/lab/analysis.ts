// What the runs of an ablation say together: means, paired differences to the first arm, and a verdict on each. Pure:
// records in, figures out. Every figure is of runs that were made; what is missing is missing.
import type { Interval } from '../understand/interval.ts';
import { holm, meanInterval, pairedDifferences, type PairedDifferences } from '../understand/student.ts';
import { probeArm, taskOf } from './arms.ts';
import type { TrialRecord } from './trial-record.ts';

/** Below so many pairs nothing is called better. */
export const fewestPairs = 3;

/** Which images the accuracies are of; validation images chose the states that they judge. */
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
  /** Over all pairs of task and seed. */
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
  const inOrder = arms.flatMap((arm) => records.filter((record) => record.arm === arm));
  for (const record of inOrder) {
    const { arm, seed, split, result } = record;
    const task = taskOf(record);
    const measured = result[judge];
    if (measured !== null) outcomes.push({ arm, task, seed, split, ...measured, record });
    const probe = result.probe?.[judge] ?? null;
    if (probe === null) continue;
    const known = outcomes.find((o) => o.arm === probeArm && o.task === task && o.seed === seed);
    if (known === undefined) outcomes.push({ arm: probeArm, task, seed, split, ...probe, record: null });
    else if (known.split === split && known.accuracy !== probe.accuracy)
      notes.push(
        `${task}, seed ${seed}: the linear probe of "${arm}" has another accuracy than that of the arms above; theirs is taken.`,
      );
  }
  return { outcomes, notes };
}

function cellOf(outcomes: readonly Outcome[], arm: string, task: string): Cell[] {
  const own = outcomes.filter((o) => o.arm === arm && o.task === task);
  if (own.length === 0) return [];
  const runs = own.flatMap(({ record }) => (record === null ? [] : [record.result]));
  return [
    {
      ...{ arm, task, runs: own.length },
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
  const differences = (arm: string, task: string): number[] =>
    outcomes
      .filter((o) => o.arm === arm && o.task === task)
      .flatMap((after) => {
        const before = outcomes.find((o) => o.arm === reference && o.task === task && o.seed === after.seed);
        if (before === undefined) return [];
        if (before.split === after.split) return [after.accuracy - before.accuracy];
        apart.push(
          `${task}, seed ${after.seed}: "${arm}" and "${reference}" had other images in their splits, and are no pair.`,
        );
        return [];
      });
  const found = others.map((arm) => {
    const byTask = tasks.map((task) => differences(arm, task));
    return { arm, all: pairedDifferences(byTask.flat()), byTask: byTask.map(pairedDifferences) };
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
