// A worker that dies: another one gets what was open, and the run is where it was saved, doing what it did.
import { beforeEach, describe, expect, it } from 'vitest';
import { recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { ListedRun } from '../worker/protocol.ts';
import { exportStore } from './export-store.ts';
import { modelStore } from './model-store.ts';
import { runStore } from './run-store.ts';
import { savedRunsStore } from './saved-runs-store.ts';
import type { FakeClient, FakeOptions } from './testing/fake-client.ts';
import { emptyStores, settled, started } from './testing/started-trainer.ts';
import type { Trainer } from './trainer.ts';

beforeEach(emptyStores);

describe('a worker that dies', () => {
  const died = { kind: 'worker-died', detail: 'silent', restarted: true } as const;
  const listed: ListedRun = {
    ...{ id: 'a', name: 'Leaves', bytes: 1, deleted: false, model: 'm', images: 'i', imageCount: 9 },
    ...{ classes: 2, recipe: recipeDefaults, step: 7, steps: 50, finished: false, validation: null },
    savedAt: 0,
  };
  const ended = { ...listed, step: 50, finished: true };

  /** A run at step 9 that was saved at step 7. */
  async function saved(options: FakeOptions = {}): Promise<[Trainer, FakeClient]> {
    const [trainer, client] = await started({ steps: 50, runs: [listed], ...options });
    await trainer.start();
    client.play(9);
    client.emit({ kind: 'saved', id: 'a', step: 7, busyMs: 1 });
    return [trainer, client];
  }

  async function die(client: FakeClient): Promise<void> {
    client.emit({ kind: 'fault', fault: died });
    await settled();
  }

  const opened = (client: FakeClient): unknown[] =>
    client.sent.filter(({ name }) => name === 'openRun').map(({ input }) => input);

  it('while a run trains is replaced, and the run goes on where it was saved', async () => {
    const [, client] = await saved();
    await die(client);
    expect(opened(client)).toEqual([{ id: 'a', then: 'train' }]);
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'training', step: 7 }, fault: null });
    expect(runStore.getState().recovered).toMatchObject({ kind: 'worker-died', run: 'reopened' });
  });

  it('while a run is paused is replaced, and the run waits where it was saved', async () => {
    const [trainer, client] = await saved();
    await trainer.pause();
    await die(client);
    expect(opened(client)).toEqual([{ id: 'a', then: 'pause' }]);
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'paused', step: 7 }, fault: null });
    await trainer.resume();
    expect(runStore.getState().phase.kind).toBe('training');
  });

  it.each([
    ['pause', 'pause', 'paused'],
    ['stop', 'end', 'finished'],
  ] as const)(
    'before it did what was asked (%s) is replaced, and that is done',
    async (asked, then, phase) => {
      const [trainer, client] = await saved();
      const call = client.call.bind(client);
      client.call = (name, input) => (name === asked ? new Promise(() => undefined) : call(name, input));
      void trainer[asked]();
      expect(runStore.getState().pending).toBe(asked);
      await die(client);
      expect(opened(client)).toEqual([{ id: 'a', then }]);
      expect(runStore.getState()).toMatchObject({ phase: { kind: phase }, pending: null, fault: null });
    },
  );

  it.each(['savedRuns', 'result'] as const)(
    'while the page asks for something by itself (%s) is told once, and it is there after all',
    async (asked) => {
      const [, client] = await saved({ runs: [asked === 'result' ? ended : listed, { ...listed, id: 'b' }] });
      const call = client.call.bind(client);
      let die: (() => void) | null = null;
      client.call = (name, input) =>
        name === asked && die === null
          ? new Promise((resolve) => {
              die = () => {
                resolve({ ok: false, fault: died });
                client.emit({ kind: 'fault', fault: died });
              };
            })
          : call(name, input);
      savedRunsStore.setState({ runs: [] });
      if (asked === 'result') client.play(50);
      else client.emit({ kind: 'saved', id: 'b', step: 8, busyMs: 1 });
      await settled();
      expect(die).not.toBeNull();
      (die as (() => void) | null)?.();
      await settled();
      expect(savedRunsStore.getState().listFault).toBeNull();
      expect(savedRunsStore.getState().runs).toHaveLength(2);
      expect(runStore.getState().fault).toBeNull();
      if (asked === 'result') expect(runStore.getState().result?.steps).toBe(50);
    },
  );

  it('after a fault that the run can go on from is replaced, and the run waits', async () => {
    const [, client] = await saved({ failsAt: 12 });
    client.play(50);
    await die(client);
    expect(opened(client)).toEqual([{ id: 'a', then: 'pause' }]);
    expect(runStore.getState().phase.kind).toBe('paused');
  });

  it('after the end of a run is replaced, and result and export are there', async () => {
    const [trainer, client] = await saved({ runs: [ended] });
    client.play(50);
    await settled();
    await trainer.exportModel();
    const exported = exportStore.getState();
    await die(client);
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'finished' }, fault: null });
    expect(runStore.getState().result?.steps).toBe(50);
    expect(exportStore.getState()).toEqual(exported);
  });

  it('again before anything more was saved leaves the run to the user, who finds it', async () => {
    const [, client] = await saved();
    await die(client);
    await die(client);
    expect(opened(client)).toHaveLength(1);
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'failed' }, fault: { run: 'saved' } });
    expect(savedRunsStore.getState()).toMatchObject({ opened: null, runs: [{ id: 'a' }] });
  });

  it('at a later step is replaced again', async () => {
    const [, client] = await saved();
    await die(client);
    client.emit({ kind: 'saved', id: 'a', step: 7, busyMs: 1 });
    client.play(12);
    await die(client);
    expect(opened(client)).toHaveLength(2);
  });

  it('leaves a run that cannot be opened again to the user', async () => {
    const [, client] = await saved({ runs: [] });
    await die(client);
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'failed' }, fault: { run: 'saved' } });
  });
  it('loses no run that there was not when a worker dies between runs', async () => {
    const [, client] = await started();
    client.emit({ kind: 'fault', fault: { kind: 'worker-died', detail: 'silent', restarted: true } });
    await settled();
    const { phase, fault } = runStore.getState();
    expect(phase.kind).toBe('idle');
    expect(describeFault(fault ?? { kind: 'bug', message: '' }).advice).not.toContain('run');
    expect(modelStore.getState().status).toBe('ready');
  });

  it('opens everything again in a new worker when one died', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.start();
    client.play(9);
    const before = client.sent.length;
    client.emit({ kind: 'fault', fault: { kind: 'worker-died', detail: 'out of memory', restarted: true } });
    await settled();
    expect(client.sent.slice(before).map(({ name }) => name)).toEqual([
      ...['hello', 'openModel', 'openData'],
      ...['suggestedModels', 'savedRuns', 'cachedModels'],
    ]);
    expect(runStore.getState()).toMatchObject({
      phase: { kind: 'failed', resumable: false },
      fault: { kind: 'worker-died', run: 'lost' },
      pending: null,
    });
  });
});
