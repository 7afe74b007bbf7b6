// `npm run ablate` without its browser: the command line, records on the disk, and a queue that is killed and
// goes on.
import { openAsBlob, readdirSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readArms, trialsOf, type Trial } from '../../src/lab/arms.ts';
import { keyOf, readRecord, whatChanged, type TrialRecord } from '../../src/lab/trial-record.ts';
import type { Recipe } from '../../src/recipe/options.ts';
import { recipeDefaults } from '../../src/recipe/recipe.ts';
import { root } from '../setup/paths.mjs';
import { readArguments, usage } from './arguments.mjs';
import { inTurn, Records, workThrough, writeWhole } from './queue.ts';

describe('arguments', () => {
  test('have defaults', () => {
    expect(readArguments(['--arms', 'a.json'])).toEqual({
      ...{ arms: 'a.json', seeds: [1, 2, 3, 4, 5], data: [], model: null, imageSize: null, shots: [null] },
      ...{
        settings: [],
        protocol: 'none',
        choices: [],
        out: 'ablation',
        jobs: 1,
        runtime: 'browser',
        backend: 'auto',
      },
      engine: 'auto',
    });
    expect(readArguments(['--help'])).toBe(null);
  });

  test('are read, lists as lists', () => {
    const line =
      '--arms a --seeds 7,3 --data x.zip,y.zip --data z --shots 1,all --set steps=9 --jobs 2 --runtime node';
    expect(readArguments(line.split(' '))).toMatchObject({
      ...{ seeds: [7, 3], data: ['x.zip', 'y.zip', 'z'], shots: [1, null], jobs: 2 },
      runtime: 'node',
      settings: [{ path: 'steps', text: '9' }],
    });
    expect(readArguments(['--arms', 'a', '--seeds', '3'])?.seeds).toEqual([1, 2, 3]);
    expect(readArguments(['--arms', 'a', '--seeds', '3,'])?.seeds).toEqual([3]);
  });

  test('say what a protocol chooses', () => {
    const line = '--arms a --protocol vtab-1k --choose learningRate=1e-3,1e-2 --choose batch=8';
    expect(readArguments(line.split(' '))?.choices).toEqual([
      { path: 'learningRate', texts: ['1e-3', '1e-2'] },
      { path: 'batch', texts: ['8'] },
    ]);
  });

  test.each([
    [[], '--arms needs a file'],
    [['--arms', 'a', '--seeds', 'x'], '--seeds takes a whole number between 1 and 1000, not "x".'],
    [['--arms', 'a', '--seeds', '1,1'], '--seeds names one twice'],
    [['--arms', 'a', '--shots', '0'], '--shots takes a whole number'],
    [['--arms', 'a', '--jobs', '0'], '--jobs takes a whole number'],
    [['--arms', 'a', '--data', 'x,,y'], '--data needs paths'],
    [['--arms', 'a', '--out', ''], '--out needs a path'],
    [['--arms', 'a', '--set', 'steps'], '--set takes a setting as PATH=VALUE'],
    [['--arm', 'a'], "'--arm'"],
    [['--arms', 'a', '--choose', 'batch=8,16'], '--choose needs --protocol'],
    [['--arms', 'a', '--protocol', 'vtab'], '--protocol takes none, vtab-1k'],
    [['--arms', 'a', '--protocol', 'vtab-1k', '--shots', '4'], 'exclude each other'],
    [['--arms', 'a', '--protocol', 'vtab-1k', '--choose', 'batch'], '--choose takes PATH=A,B'],
    [
      ['--arms', 'a', '--protocol', 'vtab-1k', '--choose', 'batch=8,16', '--set', 'batch=8'],
      '--choose names one twice',
    ],
  ])('%j is refused by name', (argv, sentence) => {
    expect(() => readArguments(argv)).toThrow(sentence);
  });

  test('are all explained', () => {
    for (const flag of [
      'arms',
      'seeds',
      'data',
      'model',
      'shots',
      'protocol',
      'choose',
      'set',
      'out',
      'jobs',
      'runtime',
      'backend',
    ])
      expect(usage).toContain(`--${flag} `);
  });
});

const ready = path.join(root, 'docs/experiments/arms');

test.each(readdirSync(ready))('docs/experiments/arms/%s is read by the table of options', async (name) => {
  const read = await readArms(await openAsBlob(path.join(ready, name)));
  expect(read.ok ? read.value.arms.length : read.fault).toBeGreaterThan(1);
});

describe('a queue', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'graft-ablate-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const arms = ['a', 'b'].map((name) => ({ name, recipe: { ...recipeDefaults, steps: 3 } }));
  const trials = trialsOf(arms, ['x'], [1, 2, 3]);
  const decidedBy = ({ recipe }: Trial): TrialRecord['decidedBy'] => ({
    ...{ recipe, model: 'm', images: 'x', how: {} },
  });

  async function recordOf(trial: Trial): Promise<TrialRecord> {
    const { arm, set, shots, seed } = trial;
    const metrics = { accuracy: 0.5, loss: 1 };
    return {
      ...{ version: 1, arm, set, shots, seed, decidedBy: decidedBy(trial), split: 's' },
      key: await keyOf(trial, decidedBy(trial)),
      result: {
        ...{ test: metrics, validation: metrics, probe: null, steps: 3, keptStep: 3, diverged: false },
        ...{ images: { train: 1, validation: 1, test: 1 }, seconds: 1, secondsPerStep: 1, peakBytes: 1 },
      },
      ...{ device: 'wasm', build: 'x', endedAt: '2026-01-01T00:00:00Z' },
    };
  }

  /** Works through what is not recorded yet; returns what was done, until `killAfter` of it are. */
  async function work(jobs: number, killAfter = Infinity, all = trials): Promise<string[]> {
    const records = await Records.open(folder);
    const keyed = await Promise.all(
      all.map(async (trial) => ({ trial, key: await keyOf(trial, decidedBy(trial)) })),
    );
    const due = keyed.filter(({ key }) => records.find(key) === null);
    const ending = new AbortController();
    const done: string[] = [];
    await workThrough(
      due,
      jobs,
      ending.signal,
      async ({ trial }) => {
        if (done.length >= killAfter) ending.abort();
        if (ending.signal.aborted) throw new Error('its page was closed');
        done.push(`${trial.arm}${trial.seed}`);
        await records.write(await recordOf(trial));
      },
      () => undefined,
    );
    return done;
  }

  test('that was killed goes on where it was, and what is done is not done again', async () => {
    expect(await work(1, 4)).toEqual(['a1', 'b1', 'a2', 'b2']);
    expect(await work(1)).toEqual(['a3', 'b3']);
    expect(await work(1)).toEqual([]);
  });

  test('does several at once, each once', async () => {
    expect((await work(4)).sort()).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3']);
  });

  test('does again what was cut off while it was written, and nothing else', async () => {
    await work(1);
    const names = (await readdir(folder)).sort();
    expect(names).toHaveLength(6);
    expect(names.every((name) => /^x_[ab]_seed-[123]_[0-9a-f]{12}\.json$/.test(name))).toBe(true);
    const cut = path.join(folder, names[0] ?? '');
    await writeFile(cut, (await readFile(cut, 'utf8')).slice(0, 100));
    await writeFile(path.join(folder, `${names[1] ?? ''}.part`), '{');
    expect((await Records.open(folder)).damaged).toEqual([expect.stringContaining('is no record of a run')]);
    expect(await work(1)).toEqual(['a1']);
  });

  test('notices another recipe, and takes the old records again with the old one', async () => {
    await work(1);
    const others = trials.map((trial) => ({ ...trial, recipe: { ...trial.recipe, batch: 8 } }));
    const [first] = others;
    if (first === undefined) throw new Error('there is no trial');
    const records = await Records.open(folder);
    const key = await keyOf(first, decidedBy(first));
    expect(records.outdated(first, key)?.decidedBy.recipe).toMatchObject({ batch: recipeDefaults.batch });
    expect(await work(1, Infinity, others)).toHaveLength(6);
    expect(await work(1)).toEqual([]);
  });

  const older = path.join(root, 'testdata/ablation/older-record.json');

  async function olderRecord(): Promise<TrialRecord> {
    const read = readRecord(await readFile(older, 'utf8'));
    if (!read.ok) throw new Error(read.fault);
    return read.value;
  }

  test('takes the record of an older build, which lacks options, where these are as they were before', async () => {
    await copyFile(older, path.join(folder, 'older.json'));
    const records = await Records.open(folder);
    const { decidedBy: before, ...place } = await olderRecord();
    const found = async (recipe: Recipe): Promise<boolean> =>
      records.find(await keyOf(place, { ...before, recipe })) !== null;
    const now: Recipe = { ...recipeDefaults, steps: 100 };
    expect(before.recipe).not.toHaveProperty('backbone');
    expect(await found(now)).toBe(true);
    // Of an option that the record has another value, of others one that is not what runs did before them: as
    // where the default of one has changed.
    expect(await found({ ...now, batch: 16 })).toBe(false);
    expect(await found({ ...now, dmlora: { ...now.dmlora, scaling: 'lora' } })).toBe(false);
    const tuned: Recipe = { ...now, backbone: { tune: 'norms' } };
    expect(await found(tuned)).toBe(false);
    expect(whatChanged(before, { ...before, recipe: tuned })).toEqual([
      'backbone.tune was "none" and is "norms"',
    ]);
  });

  test('knows of every option that the oldest record lacks what runs did before it', async () => {
    const { decidedBy } = await olderRecord();
    const changes = whatChanged(decidedBy, { ...decidedBy, recipe: recipeDefaults });
    // A new option is written down in src/recipe/older-recipes.ts.
    expect(changes.filter((change) => change.includes('not there'))).toEqual([]);
  });

  test('writes what it says one after the other, also where runs end at once', async () => {
    let [under, most, written] = [0, 0, 0];
    const write = inTurn(async () => {
      most = Math.max(most, (under += 1));
      await writeWhole(path.join(folder, 'table.md'), String((written += 1)));
      under -= 1;
      if (written === 2) throw new Error('the disk is full');
    });
    const ended = await Promise.allSettled([write(), write(), write()]);
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect({ most, text: await readFile(path.join(folder, 'table.md'), 'utf8') }).toEqual({
      most: 1,
      text: '3',
    });
  });

  test('goes on after a run that failed', async () => {
    const failures: string[] = [];
    const done: string[] = [];
    await workThrough(
      ['a', 'b', 'c'],
      1,
      new AbortController().signal,
      (item) => {
        if (item === 'b') return Promise.reject(new Error('out of memory'));
        done.push(item);
        return Promise.resolve();
      },
      (item, thrown) => failures.push(`${item}: ${thrown instanceof Error ? thrown.message : ''}`),
    );
    expect({ done, failures }).toEqual({ done: ['a', 'c'], failures: ['b: out of memory'] });
  });
});
