// A fault at every step: a short run with two drops, both stages, a probe and test images loses its device at
// every call that it makes of it, one run a call, and goes on, by itself or from a copy of its state. What it
// leaves is bit for bit what no loss leaves. For any engine, in Node and in a browser.
import { mergedWeights } from '../../dmlora/merge.ts';
import type { Engine } from '../../engine/engine.ts';
import { fail, ok, unwrap } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { Run } from '../run.ts';
import type { RunInput } from '../run-input.ts';
import type { RunRecord } from '../run-record.ts';
import type { RunState } from '../run-state.ts';
import { losingEngine } from './losing-engine.ts';
import { asBytes, bytesNormalisation, cornerImages, Log } from './micro-data.ts';

/** Three branches to one, drops at steps 2 and 4, stage 2 from step 6, validation after steps 3, 6 and 8. */
export const shortRecipe: Recipe = {
  ...recipeDefaults,
  steps: 8,
  batch: 4,
  learningRate: 1e-2,
  scalarRate: 0.1,
  augment: 'none',
  dmlora: {
    ...recipeDefaults.dmlora,
    ...{ branches: 3, branchesEnd: 1, targets: 'qv', dropWindow: [0.25, 0.5], stage2: 0.75 },
  },
};

export interface ResumeInput {
  readonly model: VitModel;
  readonly makeEngine: () => Promise<Engine>;
  readonly recipe?: Recipe;
}

const noAdapter = { kind: 'no-webgpu', why: 'no-adapter', detail: 'Refused by the test.' } as const;

interface Finished {
  readonly run: Run;
  readonly log: Log;
}

interface Outcome extends Finished {
  readonly calls: readonly string[];
}

function inputOf({ model, makeEngine, recipe = shortRecipe }: ResumeInput): RunInput {
  const side = model.config.imageSize;
  const data = asBytes(side, cornerImages(side, 12, 3));
  return {
    model,
    head: null,
    start: [],
    normalisation: bytesNormalisation,
    data: { ...data, test: data.train },
    recipe,
    makeEngine: async () => ok(await makeEngine()),
  };
}

/** A run to its end, from its beginning or from a state. */
export async function finishedFrom(
  input: ResumeInput,
  state: RunState | null,
  {
    retell = false,
    wantsState = () => false,
  }: { readonly retell?: boolean; readonly wantsState?: () => boolean } = {},
): Promise<Finished> {
  const log = new Log();
  log.wantsState = wantsState;
  const run = new Run(inputOf(input), log, state ?? undefined);
  unwrap(await run.prepare());
  if (retell) run.retell();
  await run.train();
  if (run.phase.kind !== 'finished') throw new Error(`the run is ${run.phase.kind}`);
  run.dispose();
  return { run, log };
}

interface Loss {
  /** The call of an engine at which its device is lost. */
  readonly at: number;
  /** Steps that are still confirmed when that is a report. */
  readonly reported?: number;
}

/**
 * A run whose engines are lost, one after another, and that goes on after each.
 *
 * @param resume how: as the same run, which makes itself another engine, or, where that is refused it, as
 *   another run that has nothing but a copy of its state.
 */
async function lossyRun(
  { model, makeEngine, recipe = shortRecipe }: ResumeInput,
  losses: readonly Loss[],
  resume: 'same' | 'copy' = 'same',
): Promise<Outcome> {
  const made: ReturnType<typeof losingEngine>[] = [];
  let allowed = resume === 'same' ? Infinity : 1;
  const input: RunInput = {
    ...inputOf({ model, makeEngine, recipe }),
    makeEngine: async () => {
      if (made.length >= allowed) return fail(noAdapter);
      const { at = null, reported } = losses[made.length] ?? {};
      const losing = losingEngine(await makeEngine(), at, reported);
      made.push(losing);
      return ok(losing.engine);
    },
  };
  const log = new Log();
  // Losses are minutes apart: a run alone gets over each.
  let minutes = 0;
  const now = (): number => 120_000 * minutes++;
  let run = new Run(input, log, undefined, now);
  for (let attempt = 0; attempt <= (resume === 'copy' ? losses.length : 0); attempt++) {
    if (attempt > 0) {
      run.dispose();
      allowed += 1;
      run = new Run(input, log, structuredClone(run.state), now);
    }
    const prepared = await run.prepare();
    if (prepared.ok) await run.train();
    const { phase } = run;
    const lost = phase.kind === 'failed' && phase.fault.kind === 'device-lost' && phase.resumable;
    if (allowed <= losses.length && !lost) throw new Error(`after loss ${attempt} the run is ${phase.kind}`);
  }
  if (made.length !== losses.length + 1) throw new Error(`${made.length} engines were made`);
  run.dispose();
  return { run, log, calls: made[0]?.calls ?? [] };
}

/**
 * Everything that a run leaves but the time and memory that it took, as text: record, rows, drops, merged
 * weights.
 */
export function leavings({ run, log }: Finished, { model }: ResumeInput): string {
  const record = { ...run.record(), seconds: 0, secondsPerStep: 0, peakBufferBytes: 0 };
  // What is told twice replaces what was told first, as the page has it.
  const told = <T extends { readonly step: number }>(rows: readonly T[]): T[] =>
    [...new Map(rows.map((row) => [row.step, row])).values()].sort((a, b) => a.step - b.step);
  const { phase, modules, state } = run;
  const text = { phase, record, modules, rows: told(log.rows), evaluations: told(log.evaluations) };
  return [
    JSON.stringify(text, null, 1),
    ...[...mergedWeights(model.weights, run.adapter)].map(([name, { data }]) => `${name} ${data.join()}`),
    ...[...state.adapter.moments].map(
      ([name, { m, v, steps }]) => `${name} ${steps} ${m.join()} ${v.join()}`,
    ),
    `losses ${state.losses.join()}`,
  ].join('\n');
}

/** What differs first, for a message. */
function firstDifference(actual: string, expected: string): string {
  const [a, b] = [actual.split('\n'), expected.split('\n')];
  const at = b.findIndex((line, i) => line !== a[i]);
  return `${String(a[at]).slice(0, 120)} instead of ${String(b[at]).slice(0, 120)}`;
}

/** Loses devices as each of `ways` says; throws with all that came out otherwise than without a loss. */
async function checkLosses(
  input: ResumeInput,
  ways: (calls: readonly string[]) => readonly { losses: readonly Loss[]; resume: 'same' | 'copy' }[],
): Promise<{ readonly calls: readonly string[]; readonly record: RunRecord }> {
  const plain = await lossyRun(input, []);
  const expected = leavings(plain, input);
  const record = plain.run.record();
  if (plain.run.phase.kind !== 'finished' || record === null)
    throw new Error(`the undisturbed run: ${expected.slice(0, 500)}`);
  const wrong: string[] = [];
  const all = ways(plain.calls);
  for (const { losses, resume } of all) {
    const words = losses.map(({ at, reported = 0 }) => `${at} (${reported} reported)`).join(', then ');
    const name = `lost at call ${words}, gone on as the ${resume}`;
    try {
      const actual = leavings(await lossyRun(input, losses, resume), input);
      if (actual !== expected) wrong.push(`${name}: ${firstDifference(actual, expected)}`);
    } catch (thrown) {
      wrong.push(`${name}: ${String(thrown)}`);
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${all.length} losses:\n${wrong.join('\n')}`);
  return { calls: plain.calls, record };
}

/**
 * Loses the device at every call of the run in turn, and every third time at the next engine's first call as
 * well.
 */
export function checkEveryLoss(
  input: ResumeInput,
): Promise<{ readonly calls: readonly string[]; readonly record: RunRecord }> {
  return checkLosses(input, (calls) =>
    calls.map((_, i) => ({
      losses: [{ at: i + 1 }, ...(i % 3 === 2 ? [{ at: 1 }] : [])],
      resume: i % 2 === 0 ? 'same' : 'copy',
    })),
  );
}

/**
 * Several steps in flight between snapshots, of which some are confirmed when the device is lost: what was
 * confirmed after the last snapshot is done again.
 */
export async function checkLossInFlight(input: ResumeInput): Promise<void> {
  const reports = (calls: readonly string[]): number[] =>
    calls.flatMap((name, i) => (name === 'report' ? [i + 1] : []));
  await checkLosses(input, (calls) =>
    [0.1, 0.3, 0.5, 0.7, 0.9].map((share, i) => {
      const all = reports(calls);
      const at = all[Math.floor(share * all.length)] ?? 1;
      return { losses: [{ at, reported: i % 2 }], resume: 'same' };
    }),
  );
}
