// An ablation from its files to its tables: every arm on every set with every seed, or by a protocol.
import path from 'node:path';
import { trialsOf } from '../../src/lab/arms.ts';
import { verdictSentence } from '../../src/lab/report.ts';
import { startProgress } from '../finetune/progress.mjs';
import type { AblateArguments } from './arguments.mjs';
import { armsOf, exitCode, Grid, writeResults } from './grid.ts';
import { inTurn } from './queue.ts';
import { byVtab } from './vtab.ts';

/**
 * Does what is not done yet and writes what all of it says.
 *
 * @returns the exit code.
 * @throws {UserError} where nothing can be begun.
 */
export async function ablate(given: AblateArguments, terminal: NodeJS.WriteStream): Promise<number> {
  const progress = startProgress(terminal);
  const arms = await armsOf(given, given.settings);
  for (const note of arms.notes) progress.note(`Note. ${note}`);
  const grid = await Grid.open(given, progress);
  if (given.protocol === 'vtab-1k') return byVtab(grid, arms);
  const trials = trialsOf(arms.arms, [...grid.sets.keys()], given.seeds, given.shots);
  const asked = await grid.askedFor(trials, null);
  const write = inTurn(() => writeResults(given, arms, grid.model.title, grid.doneOf(asked), asked.length));
  const ended = await grid.work(asked, write);
  progress.end();
  const analysis = await write();
  for (const one of analysis.comparisons) console.log(verdictSentence(one, analysis.reference));
  progress.note(`What they say, with tables and a picture: ${path.join(given.out, 'table.md')}`);
  if (ended.interrupted) progress.note('The same command goes on from here.');
  return exitCode(ended);
}
