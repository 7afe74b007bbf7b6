// Several runs one after the other, over a client without a worker: folds, a run that fails, a stop, a reload.
import { beforeEach, describe, expect, it } from 'vitest';
import { analyse } from '../lab/analysis.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { pooledFolds } from '../understand/folds.ts';
import type { Commands, ListedRun } from '../worker/protocol.ts';
import { dataStore } from './data-store.ts';
import { nextItem, progressOf, queueOf, queueStore, type Queue } from './queue-store.ts';
import { recipeStore, setField } from './recipe-store.ts';
import { runStore } from './run-store.ts';
import { savedRunsStore } from './saved-runs-store.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { emptyStores, settled, started } from './testing/started-trainer.ts';
import type { Trainer } from './trainer.ts';
import { trialOf } from './trial-of.ts';

beforeEach(emptyStores);

const states = (): string[] => queueStore.getState().queue?.items.map(({ state }) => state) ?? [];
const startsOf = ({ sent }: FakeClient): Commands['start']['input'][] =>
  sent.filter(({ name }) => name === 'start').map(({ input }) => input as Commands['start']['input']);
/** The run under way is saved and played to its end, and what follows from it begins. */
async function playOne(client: FakeClient): Promise<void> {
  const going = queueStore.getState().queue?.items.find(({ state }) => state === 'going');
  if (going !== undefined) client.emit({ kind: 'saved', id: going.id, step: 1, busyMs: 0 });
  client.play(100);
  for (let i = 0; i < 5; i++) await settled();
}

describe('a check by folds', () => {
  it('trains a run for each fold, the later ones on what the first was made of', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const form = recipeStore.getState().recipe;
    const whole = trainer.checkByFolds(3);
    await settled();
    expect(states()).toEqual(['going', 'waiting', 'waiting']);
    expect(progressOf(queueStore.getState(), 5, 10)).toEqual({ at: 1, of: 3, secondsLeft: 25 });
    // Once one is done its time is what the others are expected to take.
    for (let i = 0; i < 3; i++) await playOne(client);
    await whole;
    expect(states()).toEqual(['done', 'done', 'done']);
    expect(queueStore.getState()).toMatchObject({ going: false, figures: { size: 3 } });
    const sent = startsOf(client);
    expect(sent.map(({ recipe }) => (recipe as { split: object }).split)).toMatchObject([
      { folds: 3, fold: 1 },
      { folds: 3, fold: 2 },
      { folds: 3, fold: 3 },
    ]);
    expect(sent.map(({ queued }) => queued)).toMatchObject([
      { again: false, name: 'Set, fold 1 of 3' },
      { again: true },
      { again: true },
    ]);
    expect(recipeStore.getState().recipe).toBe(form);
    trainer.leaveQueue();
    expect(queueStore.getState().queue).toBeNull();
  });

  it('tells of a run that fails, and goes on with the rest', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const whole = trainer.checkByFolds(3);
    await settled();
    await playOne(client);
    const fault = { kind: 'device-lost', step: 3, detail: 'It was restarted.' } as const;
    client.emit({ kind: 'phase', phase: { kind: 'failed', fault, step: 3, resumable: true } });
    await playOne(client);
    await playOne(client);
    await whole;
    expect(states()).toEqual(['done', 'failed', 'done']);
    expect(queueStore.getState().queue?.items[1]?.why).toContain('restarted');
  });

  it('ends with the run that is stopped, and goes on with a new one when it is asked to', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const whole = trainer.checkByFolds(3);
    await settled();
    await playOne(client);
    await trainer.stop();
    await whole;
    expect(states()).toEqual(['done', 'stopped', 'waiting']);
    expect(startsOf(client)).toHaveLength(2);
    const stopped = queueStore.getState().queue?.items[1]?.id;
    const rest = trainer.continueQueue();
    await settled();
    for (let i = 0; i < 2; i++) await playOne(client);
    await rest;
    expect(states()).toEqual(['done', 'done', 'done']);
    expect(queueStore.getState().queue?.items[1]?.id).not.toBe(stopped);
  });

  it('ends with a run that is stopped before its first step', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const whole = trainer.checkByFolds(3);
    await settled();
    client.emit({ kind: 'undone' });
    await whole;
    expect(states()).toEqual(['stopped', 'waiting', 'waiting']);
    expect(queueStore.getState().going).toBe(false);
  });

  it('does not go on with other images or another model than it began with', async () => {
    const [first] = await started({ steps: 20, depth: 1 });
    void first.checkByFolds(3);
    await settled();
    const { queue } = queueStore.getState();
    if (queue === null) throw new Error('there is no queue');
    for (const [other, what] of [
      [{ images: 'Leaves' }, 'images'],
      [{ model: 'Another' }, 'model'],
    ] as const) {
      emptyStores();
      const [trainer, client] = await started({ steps: 20, depth: 1 });
      queueStore.setState({ queue: { ...queue, ...other } });
      await trainer.continueQueue();
      expect(startsOf(client)).toEqual([]);
      expect(states()).toEqual(['waiting', 'waiting', 'waiting']);
      expect(runStore.getState().fault).toMatchObject({ kind: 'run-needs', what });
    }
  });

  it('goes on after a reload with the run that was under way, or on what a run of it was made of', async () => {
    const [first, before] = await started({ steps: 20, depth: 1 });
    void first.checkByFolds(3);
    await settled();
    await playOne(before);
    await first.loadRuns();
    const { queue } = queueStore.getState();
    const kept = queueOf(JSON.stringify(queue));
    expect(kept).toEqual(queue);
    const runs = savedRunsStore.getState().runs ?? [];
    expect(runs.map(({ name }) => name)).toEqual(['Set, fold 1 of 3', 'Set, fold 2 of 3']);

    emptyStores();
    const [trainer, client] = await started({ steps: 20, depth: 1, runs });
    queueStore.setState({ queue: kept });
    expect(nextItem(kept)?.label).toBe('Fold 2');
    const rest = trainer.continueQueue();
    for (let i = 0; i < 4; i++) await playOne(client);
    await rest;
    expect(states()).toEqual(['done', 'done', 'done']);
    const asked = client.sent.filter(({ name }) => name === 'openRun').map(({ input }) => input);
    expect(asked).toMatchObject([{ id: kept?.items[1]?.id }]);
    expect(startsOf(client).map(({ queued }) => queued)).toMatchObject([{ again: true }]);
    expect(runStore.getState().fault).toBeNull();
    // Its folds were the check's: a plain start after it has one split, and the rest of the recipe.
    trainer.leaveQueue();
    await trainer.start();
    const [own, plain] = [kept?.items[1]?.recipe, startsOf(client).at(-1)];
    const { folds, fold } = recipeDefaults.split;
    expect(own?.split).toMatchObject({ folds: 3, fold: 2 });
    expect(plain?.queued).toBeUndefined();
    expect(plain?.recipe).toEqual({ ...own, split: { ...own?.split, folds, fold } });
  });

  it('is forgotten where it cannot be read', () => {
    expect(queueOf('{"kind":"folds"')).toBeNull();
    expect(queueOf('{"kind":"spells","items":[]}')).toBeNull();
    expect(queueOf(null)).toBeNull();
  });
});

it('answers out of fold are counted once, together and each by itself', () => {
  const pooled = pooledFolds(
    [
      { fold: 1, label: Int32Array.of(0, 1, 1), answer: Int32Array.of(0, 1, 0) },
      { fold: 2, label: Int32Array.of(0, 0, 1, 2), answer: Int32Array.of(0, 1, 1, 2) },
    ],
    3,
  );
  expect(pooled).toMatchObject({ right: 5, of: 7, accuracy: 5 / 7 });
  expect(pooled.folds).toEqual([
    { fold: 1, right: 2, of: 3 },
    { fold: 2, right: 3, of: 4 },
  ]);
  // Wilson's interval of 5 of 7.
  expect(pooled.interval[0]).toBeCloseTo(0.3589, 3);
  expect(pooled.interval[1]).toBeCloseTo(0.9178, 3);
  expect(Array.from(pooled.confusion.counts)).toEqual([2, 1, 0, 1, 2, 0, 0, 0, 1]);
});

describe('a comparison of recipes', () => {
  const arms = [
    { name: 'as it is', recipe: recipeDefaults },
    { name: 'wide', recipe: { ...recipeDefaults, seed: 9, dmlora: { ...recipeDefaults.dmlora, rank: 8 } } },
  ] as const;

  it('trains all recipes of a seed before the next, on one split, and its runs are pairs', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const whole = trainer.compareArms(arms, [1, 2, 3]);
    await settled();
    for (let i = 0; i < 6; i++) await playOne(client);
    await whole;
    expect(states()).toEqual(Array.from({ length: 6 }, () => 'done'));
    const { split } = recipeStore.getState().recipe ?? recipeDefaults;
    expect(startsOf(client).map(({ recipe }) => recipe)).toMatchObject(
      [1, 2, 3].flatMap((seed) => [
        { seed, split, dmlora: { rank: 4 } },
        { seed, split, dmlora: { rank: 8 } },
      ]),
    );
    expect(startsOf(client)[3]?.queued).toMatchObject({
      ...{ again: true, name: 'Set, wide, seed 2', kind: 'arms' },
    });
    const { queue, figures } = queueStore.getState();
    const records = (queue?.items ?? []).flatMap((item) => {
      const known = figures.get(item.id);
      const record = known === undefined ? null : trialOf(item, known);
      return record === null ? [] : [record];
    });
    const { comparisons, judge } = analyse(records, ['as it is', 'wide']);
    expect(judge).toBe('test');
    expect(comparisons.map(({ arm, all }) => [arm, all.pairs])).toEqual([
      ['wide', 3],
      ['linear probe', 3],
    ]);
  });

  /** Another page, after the first run of four has ended and the second one has begun. */
  async function reloaded(): Promise<[Trainer, FakeClient, Queue]> {
    const [first, before] = await started({ steps: 20, depth: 1 });
    void first.compareArms(arms, [1, 2]);
    await settled();
    await playOne(before);
    await first.loadRuns();
    const runs: readonly ListedRun[] = savedRunsStore.getState().runs ?? [];
    const kept = queueOf(JSON.stringify(queueStore.getState().queue));
    if (kept === null) throw new Error('no queue was kept');
    emptyStores();
    const [trainer, client] = await started({ steps: 20, depth: 1, runs });
    setField('learningRate', '0.0123');
    queueStore.setState({ queue: kept });
    return [trainer, client, kept];
  }
  const opensOf = ({ sent }: FakeClient): unknown[] =>
    sent.filter(({ name }) => name === 'openRun').map(({ input }) => input);

  it('goes on after a reload on the open images, of which each seed draws another split, and leaves the form', async () => {
    const [trainer, client, kept] = await reloaded();
    const [form, images] = [recipeStore.getState().recipe, dataStore.getState().data];
    expect(form?.learningRate).toBe(0.0123);
    const rest = trainer.continueQueue();
    for (let i = 0; i < 4; i++) await playOne(client);
    await rest;
    expect(states()).toEqual(['done', 'done', 'done', 'done']);
    expect(opensOf(client)).toEqual([{ id: kept.items[1]?.id, then: 'train', beside: true }]);
    // Not what the reopened run was made of, which are those that it used; then what this one was.
    expect(startsOf(client).map(({ queued }) => queued?.again)).toEqual([false, true]);
    expect(recipeStore.getState().recipe).toEqual(form);
    expect(dataStore.getState().data).toBe(images);
  });

  it('goes on where the worker died on the images that were opened again, and leaves the form', async () => {
    const [trainer, client] = await started({ steps: 20, depth: 1 });
    const form = recipeStore.getState().recipe;
    const whole = trainer.compareArms(arms, [1, 2]);
    await settled();
    await playOne(client);
    const going = queueStore.getState().queue?.items[1]?.id ?? '';
    client.emit({ kind: 'saved', id: going, step: 1, busyMs: 0 });
    client.emit({ kind: 'fault', fault: { kind: 'worker-died', detail: 'silent', restarted: true } });
    for (let i = 0; i < 5; i++) await settled();
    for (let i = 0; i < 4; i++) await playOne(client);
    await whole;
    expect(opensOf(client)).toEqual([{ id: going, then: 'train', beside: true }]);
    expect(startsOf(client).map(({ queued }) => queued?.again)).toEqual([false, true, false, true]);
    expect(states()).toEqual(['done', 'done', 'done', 'done']);
    expect(recipeStore.getState().recipe).toEqual(form);
  });

  it('trains nothing on the images of a run that was opened, and asks for all of them', async () => {
    const [trainer, client, kept] = await reloaded();
    // Nothing was under way.
    queueStore.setState({ queue: { ...kept, items: kept.items.toSpliced(1, 1) } });
    await trainer.openRun(kept.items[0]?.id ?? '');
    expect(dataStore.getState().data?.title).toBe('Set');
    void trainer.continueQueue();
    for (let i = 0; i < 5; i++) await settled();
    expect(startsOf(client)).toEqual([]);
    expect(states()).toEqual(['done', 'waiting', 'waiting']);
    expect(runStore.getState().fault).toMatchObject({ kind: 'run-needs', what: 'images' });
    const [set] = dataStore.getState().bundled;
    if (set === undefined) throw new Error('no images ship');
    await trainer.openBundledData(set);
    const rest = trainer.continueQueue();
    await settled();
    for (let i = 0; i < 2; i++) await playOne(client);
    await rest;
    expect(startsOf(client).map(({ queued }) => queued?.again)).toEqual([false, true]);
    expect(states()).toEqual(['done', 'done', 'done']);
  });

  it('is kept over a reload with what each run is, and a queue from before there were any still goes on', async () => {
    const [trainer] = await started({ steps: 20, depth: 1 });
    void trainer.compareArms(arms, [1]);
    await settled();
    const { queue } = queueStore.getState();
    const kept = queueOf(JSON.stringify(queue));
    expect(kept?.items.map(({ trial }) => trial)).toEqual([
      { arm: 'as it is', seed: 1 },
      { arm: 'wide', seed: 1 },
    ]);
    const older = {
      ...queue,
      kind: 'folds',
      items: queue?.items.map((item) => ({ ...item, trial: undefined })),
    };
    expect(queueOf(JSON.stringify(older))?.items.map(({ trial }) => trial)).toEqual([null, null]);
  });
});
