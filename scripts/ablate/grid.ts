// Model, sets and records of an ablation: what is asked for, what is done of it already, the doing of the
// rest, and the tables of what is done.
import { openAsBlob } from 'node:fs';
import path from 'node:path';
import { analyse, type Analysis } from '../../src/lab/analysis.ts';
import { readArms, taskOf, trialName, type Arms, type Trial } from '../../src/lab/arms.ts';
import { curvesOf } from '../../src/lab/few-shot.ts';
import { pictureOf } from '../../src/lab/picture.ts';
import { reportOf, runRows, verdictSentence } from '../../src/lab/report.ts';
import { keyOf, whatChanged, type TrialRecord } from '../../src/lab/trial-record.ts';
import { digestOf, Sha256 } from '../../src/shared/sha256.ts';
import { csvOf } from '../../src/ui/parts/csv.ts';
import { collectImages, collectModel, hubModel, prepareOut, type Collected } from '../finetune/collect.mjs';
import type { Training } from '../finetune/drive.mjs';
import type { startProgress } from '../finetune/progress.mjs';
import { percent, span } from '../finetune/progress.mjs';
import { UserError } from '../finetune/user-error.mjs';
import { buildApp } from '../setup/build.mjs';
import { buildName } from '../setup/build-name.mjs';
import { shipped } from '../setup/paths.mjs';
import type { AblateArguments } from './arguments.mjs';
import { withPlaces, type Places } from './places.ts';
import { Records, workThrough, writeWhole } from './queue.ts';

interface ImageSet {
  readonly files: Collected;
  readonly digest: string;
}

/** A run that is asked for, with the digest of all that decides it. */
export interface Asked {
  readonly trial: Trial;
  readonly decidedBy: TrialRecord['decidedBy'];
  readonly key: string;
}

/** How runs ended that were under way. */
export interface Ended {
  readonly failures: number;
  /** By Ctrl-C. */
  readonly interrupted: boolean;
}

/** Model, sets and records of a command, and the doing of runs in them. */
export class Grid {
  private constructor(
    readonly given: AblateArguments,
    readonly progress: ReturnType<typeof startProgress>,
    readonly model: { readonly title: string; readonly files: Training['model']; readonly digest: string },
    readonly sets: ReadonlyMap<string, ImageSet>,
    readonly records: Records,
  ) {}

  /** @throws {UserError} where nothing can be begun. */
  static async open(given: AblateArguments, progress: ReturnType<typeof startProgress>): Promise<Grid> {
    const model = await modelOf(given.model);
    const sets = await setsOf(given.data);
    await prepareOut(given.out);
    const records = await Records.open(path.join(given.out, 'runs'));
    for (const sentence of records.damaged) progress.note(`${sentence} Its run is done again.`);
    return new Grid(given, progress, model, sets, records);
  }

  /** @param phase of a protocol, which decides a run too; null outside of one. */
  askedFor(trials: readonly Trial[], phase: string | null): Promise<Asked[]> {
    const { imageSize, runtime, backend, engine } = this.given;
    return Promise.all(
      trials.map(async (trial) => {
        const images = this.sets.get(trial.set)?.digest ?? '';
        // Node's decoder is another than a browser's.
        const how = {
          ...{ imageSize, backend, engine },
          ...(runtime === 'browser' ? {} : { runtime }),
          ...(phase === null ? {} : { phase }),
        };
        const decidedBy = { recipe: trial.recipe, model: this.model.digest, images, how };
        return { trial, decidedBy, key: await keyOf(trial, decidedBy) };
      }),
    );
  }

  doneOf(asked: readonly Asked[]): TrialRecord[] {
    return asked.flatMap(({ key }) => this.records.find(key) ?? []);
  }

  /**
   * Does those that are not done.
   *
   * @param write what is known so far, after each run.
   * @param forgets the test images' answers: what they say must choose nothing.
   */
  async work(asked: readonly Asked[], write: () => Promise<unknown>, forgets = false): Promise<Ended> {
    const { given, progress, records, model, sets } = this;
    const due = asked.filter(({ key }) => records.find(key) === null);
    for (const sentence of outdated(due, records)) progress.note(sentence);
    const { seeds } = given;
    const arms = new Set(asked.map(({ trial }) => trial.arm)).size;
    progress.note(
      `${asked.length} runs: ${arms} arms, seeds ${seeds.join(', ')}, ${[...sets.keys()].join(' and ')}. ${asked.length - due.length} are done.`,
    );
    const ending = new AbortController();
    let failures = 0;
    const failed = ({ trial }: Asked, thrown: unknown): void => {
      if (ending.signal.aborted) return;
      failures += 1;
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      progress.note(`${trialName(trial)} failed: ${why}`);
    };
    const all = (places: Places): Promise<void> => {
      const work = new Work(places, given, due, asked.length, progress);
      const one = async (run: Asked, place: number): Promise<void> => {
        const files = sets.get(run.trial.set)?.files ?? null;
        await records.write(await work.run(run, place, model.files, files, forgets));
        await write();
      };
      return workThrough(due, given.jobs, ending.signal, one, failed);
    };
    if (due.length > 0) {
      await buildApp(progress.note);
      await untilInterrupted(ending, progress.note, () => withPlaces(given.runtime, ending.signal, all));
    }
    return { failures, interrupted: ending.signal.aborted };
  }
}

/** The exit code: 0, 1 where runs failed, 130 where they were ended by Ctrl-C. */
export const exitCode = ({ failures, interrupted }: Ended): number =>
  interrupted ? 130 : failures > 0 ? 1 : 0;

/**
 * What is done again since it was made by other settings or of other files: a sentence for each arm and
 * reason.
 */
function outdated(due: readonly Asked[], records: Records): string[] {
  const reasons = new Map<string, { readonly arm: string; readonly why: string; readonly runs: string[] }>();
  for (const { trial, key, decidedBy } of due) {
    const before = records.outdated(trial, key);
    if (before === null) continue;
    const why = whatChanged(before.decidedBy, decidedBy).join('; ');
    const known = reasons.get(`${trial.arm} ${why}`) ?? { arm: trial.arm, why, runs: [] };
    known.runs.push(`${taskOf(trial)}, seed ${trial.seed}`);
    reasons.set(`${trial.arm} ${why}`, known);
  }
  return [...reasons.values()].map(
    ({ arm, why, runs }) =>
      `"${arm}" is done again, since ${why} (${runs.length === 1 ? (runs[0] ?? '') : `${runs.length} runs`}). The old records stay and do not count.`,
  );
}

/** @param settings laid over every arm. */
export async function armsOf(
  { arms: file, shots }: AblateArguments,
  settings: AblateArguments['settings'],
): Promise<Arms> {
  const blob = await openAsBlob(file).catch(() => null);
  if (blob === null)
    throw new UserError(`--arms: "${file}" cannot be read. Check that it is a file that you may read.`);
  const isByShots = shots.some((few) => few !== null);
  const read = await readArms(blob, settings, isByShots);
  if (!read.ok) throw new UserError([`--arms: "${file}" cannot be used.`, ...read.fault].join('\n  '));
  return read.value;
}

/** Digest of files by their paths in their folder and their content. */
async function digestOfFiles({ disk, paths }: Collected): Promise<string> {
  const lines: string[] = [];
  for (const [i, file] of disk.entries())
    lines.push(`${paths[i] ?? ''} ${await digestOf(await openAsBlob(file))}`);
  return new Sha256().update(new TextEncoder().encode(lines.sort().join('\n'))).hex();
}

async function modelOf(
  given: string | null,
): Promise<{ readonly title: string; readonly files: Training['model']; readonly digest: string }> {
  if (given !== null) {
    const ofHub = await hubModel(given, process.env);
    // What a name on the Hub stands for is the Hub's to say: one with a revision stays the same.
    if (ofHub !== null) return { title: given, files: ofHub, digest: `hub ${given}` };
  }
  const files = await collectModel(given ?? path.join(shipped, 'models', 'graft-sprout-64'));
  return { title: files.title, files, digest: await digestOfFiles(files) };
}

async function setsOf(given: readonly string[]): Promise<Map<string, ImageSet>> {
  const places =
    given.length > 0
      ? given
      : ['fashion-1k.zip', 'emoji-8.zip'].map((name) => path.join(shipped, 'datasets', name));
  const sets = new Map<string, ImageSet>();
  for (const place of places) {
    const files = await collectImages('data', place);
    if (sets.has(files.title))
      throw new UserError(`--data: two sets are called "${files.title}". Rename one of the files.`);
    sets.set(files.title, { files, digest: await digestOfFiles(files) });
  }
  return sets;
}

/** Runs in their places, each with a line of what it came to and how long the others still take. */
class Work {
  readonly #began = Date.now();
  readonly #build = buildName();
  #begun: number;
  #ended = 0;

  constructor(
    private readonly places: Places,
    private readonly given: AblateArguments,
    private readonly due: readonly Asked[],
    private readonly all: number,
    private readonly progress: ReturnType<typeof startProgress>,
  ) {
    this.#begun = all - due.length;
  }

  async run(
    { trial, decidedBy, key }: Asked,
    place: number,
    model: Training['model'],
    data: Training['data'],
    forgets: boolean,
  ): Promise<TrialRecord> {
    this.#begun += 1;
    const name = `[${this.#begun}/${this.all}] ${trialName(trial)}`;
    const { imageSize, backend, engine } = this.given;
    const job: Training = {
      ...{ model, imageSize, weights: null, adapter: null, adapterAs: 'merged', data, validation: null },
      reading: { classFolder: 'auto', labels: 'auto', nameEncoding: 'auto', grey16: 'auto' },
      ...{ recipe: trial.recipe, backend, engine, autotune: 'auto' },
    };
    const { arm, set, shots, seed } = trial;
    const progress = this.progress.under(name);
    const { places, ...told } = await this.places.run(place, { set, job }, progress);
    const measured = forgets ? { ...told, result: withoutTest(told.result) } : told;
    this.#ended += 1;
    this.progress.note(`${name}: ${outcomeText(measured.result)}${this.#leftText()}`);
    return {
      ...{ version: 1, arm, set, shots, seed, key, decidedBy },
      ...measured,
      split: await digestOf(new Blob([places])),
      ...{ build: this.#build, endedAt: new Date().toISOString() },
    };
  }

  #leftText(): string {
    const seconds = (Date.now() - this.#began) / 1000 / this.#ended;
    const left = this.due.length - this.#ended;
    return left > 0 ? `; about ${span(seconds * left)} left` : '';
  }
}

/** As if there were no test images. */
function withoutTest(result: TrialRecord['result']): TrialRecord['result'] {
  const { probe, images } = result;
  return {
    ...result,
    test: null,
    probe: probe === null ? null : { ...probe, test: null },
    images: { ...images, test: 0 },
  };
}

/** "86.5 % of 200 test images, probe 85.0 %, 63 s". */
function outcomeText({ test, validation, probe, images, seconds, diverged }: TrialRecord['result']): string {
  const judge = test === null ? 'validation' : 'test';
  const beside = probe?.[judge]?.accuracy;
  return [
    `${percent((test ?? validation).accuracy)} of ${images[judge]} ${judge} images`,
    ...(beside === undefined ? [] : [`probe ${percent(beside)}`]),
    span(seconds),
    ...(diverged ? ['diverged'] : []),
  ].join(', ');
}

/** npm hands on the terminal's Ctrl-C a second time: only a later one ends the command at once. */
const patienceMs = 2000;

/** Aborts at Ctrl-C, and ends the command at a second one. */
async function untilInterrupted<T>(
  ending: AbortController,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  let at: number | null = null;
  const interrupted = (): void => {
    if (at === null) {
      at = Date.now();
      say('Ending. What is done is kept; Ctrl-C again ends at once.');
      ending.abort();
    } else if (Date.now() - at > patienceMs) process.exit(130);
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  try {
    return await work();
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

export async function writeResults(
  { out, seeds }: AblateArguments,
  { arms, notes }: Arms,
  model: string,
  done: readonly TrialRecord[],
  wanted: number,
): Promise<Analysis> {
  const analysis = analyse(
    done,
    arms.map(({ name }) => name),
  );
  const builds = [...new Set(done.map(({ build }) => build))];
  const devices = [...new Set(done.map(({ device }) => device))];
  const mixed = [
    ...(builds.length > 1
      ? [`Runs are of ${builds.length} builds of Graft: differences may be those of the builds.`]
      : []),
    ...(devices.length > 1
      ? [`Runs are of ${devices.length} devices: differences may be those of the devices.`]
      : []),
  ];
  const setting = { model, devices, builds, done: done.length, wanted, notes: [...notes, ...mixed] };
  const summary = {
    ...setting,
    seeds,
    recipes: arms,
    verdicts: analysis.comparisons.map((one) => verdictSentence(one, analysis.reference)),
    ...analysis,
    notes: [...setting.notes, ...analysis.notes],
  };
  const { fields, rows } = runRows(done);
  await writeWhole(path.join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeWhole(path.join(out, 'runs.csv'), await csvOf(fields, rows).text());
  await writeWhole(path.join(out, 'table.md'), reportOf(analysis, setting));
  const picture = pictureOf(analysis);
  if (picture !== null) await writeWhole(path.join(out, 'differences.svg'), picture);
  const curves = curvesOf(analysis);
  if (curves !== null) await writeWhole(path.join(out, 'few-shot.svg'), curves);
  return analysis;
}
