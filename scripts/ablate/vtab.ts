// `npm run ablate -- --protocol vtab-1k`: tries, the choice of each set, the chosen trained on all images,
// and what their test images say. Goes on where it was like any ablation: tries and retrained runs are
// records beside each other.
import path from 'node:path';
import type { Arms, Trial } from '../../src/lab/arms.ts';
import { verdictSentence } from '../../src/lab/report.ts';
import type { TrialRecord } from '../../src/lab/trial-record.ts';
import {
  candidateOf,
  chosenOf,
  combinationsOf,
  decided,
  meansOf,
  namesakesOf,
  retrained,
  sizeNote,
  triesOf,
  vtabReport,
  type Candidate,
} from '../../src/lab/vtab.ts';
import { UserError } from '../finetune/user-error.mjs';
import { armsOf, exitCode, writeResults, type Grid } from './grid.ts';
import { inTurn, writeWhole } from './queue.ts';

/**
 * Does what is not done of the protocol.
 *
 * @returns the exit code.
 * @throws {UserError} where nothing can be begun.
 */
export async function byVtab(grid: Grid, methods: Arms): Promise<number> {
  const { given, progress } = grid;
  const candidates = await candidatesOf(grid);
  const names = methods.arms.map(({ name }) => name);
  const sets = [...grid.sets.keys()];
  const namesakes = namesakesOf(sets);
  if (namesakes !== null) throw new UserError(namesakes);
  // One seed tries: its split is that of all candidates, and the others are for what is chosen.
  const asked = await grid.askedFor(triesOf(candidates, sets, given.seeds[0] ?? 1), 'vtab-1k, try');
  if (asked.length > 0) progress.note('Trying, on training and validation images.');
  const tried = asked.length === 0 ? null : await grid.work(asked, () => Promise.resolve(), true);
  if (tried?.interrupted === true) {
    progress.end();
    progress.note('The same command goes on from here.');
    return exitCode(tried);
  }
  const tries = grid.doneOf(asked);
  const chosen: { readonly set: string; readonly candidate: Candidate }[] = [];
  const lacking: string[] = [];
  for (const set of sets)
    for (const method of names) {
      const found = chosenOf(candidates, tries, method, set);
      if (found.ok) chosen.push({ set, candidate: found.value });
      else lacking.push(found.fault);
    }
  for (const sentence of lacking) progress.note(sentence);
  const trials = given.seeds.flatMap((seed) =>
    chosen.map(({ set, candidate: { method, recipe } }): Trial => ({
      ...{ arm: method, set, shots: null, seed },
      recipe: { ...retrained(recipe), seed },
    })),
  );
  const again = await grid.askedFor(trials, 'vtab-1k, retrained');
  const write = inTurn(() =>
    writeAll(grid, methods, chosen, tries, grid.doneOf(again), lacking, again.length),
  );
  progress.note('Training what was chosen, on both.');
  const ended = await grid.work(again, write);
  progress.end();
  const analysis = await write();
  for (const one of analysis.comparisons) console.log(verdictSentence(one, analysis.reference));
  const share = (value: number | null): string =>
    value === null ? 'not known' : `${(100 * value).toFixed(1)} %`;
  for (const { method, ofGroups, ofTasks } of meansOf(grid.doneOf(again), names))
    console.log(
      `${method}: mean of the three groups ${share(ofGroups)}, mean of the 19 tasks ${share(ofTasks)}.`,
    );
  progress.note(`What they say: ${path.join(given.out, 'vtab.md')}, and as any ablation table.md beside it`);
  if (ended.interrupted) progress.note('The same command goes on from here.');
  const failures = ended.failures + (tried?.failures ?? 0);
  return exitCode({ failures, interrupted: ended.interrupted });
}

/** Every arm with every combination of what is chosen. */
async function candidatesOf({ given }: Grid): Promise<Candidate[]> {
  const { settings, choices } = given;
  for (const { path: of } of [...settings, ...choices]) {
    const own = decided.find((one) => one === of);
    if (own !== undefined) throw new UserError(`"${own}" is what the protocol decides: leave it out.`);
  }
  const read = await Promise.all(
    combinationsOf(choices).map(async (combination) => {
      const { arms } = await armsOf(given, [...settings, ...combination]);
      return arms.map((arm) => candidateOf(arm, combination));
    }),
  );
  return read.flat();
}

async function writeAll(
  { given, model }: Grid,
  methods: Arms,
  chosen: readonly { readonly set: string; readonly candidate: Candidate }[],
  tries: readonly TrialRecord[],
  done: readonly TrialRecord[],
  lacking: readonly string[],
  wanted: number,
): Promise<Awaited<ReturnType<typeof writeResults>>> {
  const sizes = [...tries.map((one) => sizeNote(one, false)), ...done.map((one) => sizeNote(one, true))];
  const untested = done.filter(({ result }) => result.test === null).map(({ set }) => set);
  const notes = [
    ...lacking,
    ...new Set(sizes.filter((note) => note !== null)),
    ...[...new Set(untested)].map((set) => `${set} has no test images: what it says is in no table above.`),
  ];
  const names = methods.arms.map(({ name }) => name);
  await writeWhole(path.join(given.out, 'vtab.md'), vtabReport(done, names, chosen, notes));
  const means = meansOf(done, names).map(({ tasks, ...rest }) => ({
    ...rest,
    tasks: Object.fromEntries(tasks),
  }));
  const choices = chosen.map(({ set, candidate }) => ({
    set,
    method: candidate.method,
    chosen: candidate.words,
    recipe: candidate.recipe,
  }));
  await writeWhole(
    path.join(given.out, 'vtab.json'),
    `${JSON.stringify({ means, choices, notes }, null, 2)}\n`,
  );
  const tested = done.filter(({ result }) => result.test !== null);
  return writeResults(
    given,
    { ...methods, notes: [...methods.notes, ...notes] },
    model.title,
    tested,
    wanted,
  );
}
