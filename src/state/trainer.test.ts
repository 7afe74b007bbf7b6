// The trainer over a client without a worker: opening, a whole run through events, pausing, faults, export.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { cancelled } from '../shared/fault.ts';
import { fail } from '../shared/result.ts';
import type { Commands } from '../worker/protocol.ts';
import { dataStore } from './data-store.ts';
import { exportStore } from './export-store.ts';
import { hubStore } from './hub-store.ts';
import { modelStore } from './model-store.ts';
import { runStore } from './run-store.ts';
import { isKept, savedRunsStore } from './saved-runs-store.ts';
import { stepLog } from './step-log.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { emptyStores, settled, started } from './testing/started-trainer.ts';

beforeEach(emptyStores);

describe('trainer', () => {
  it('opens what ships with the app, so that the first click can start', async () => {
    const [, client] = await started();
    expect(modelStore.getState()).toMatchObject({ status: 'ready', bundledId: 'sprout' });
    expect(dataStore.getState()).toMatchObject({ status: 'ready', bundledId: 'set' });
    expect(client.sent.find(({ name }) => name === 'openModel')?.input).toEqual({
      title: 'Sprout',
      origin: { hubId: null, revision: null, licence: 'x' },
      source: {
        kind: 'bundled',
        files: [{ path: 'config.json', url: 'http://here/models/sprout/config.json' }],
      },
    });
  });

  it('says what is missing when the lists cannot be fetched', async () => {
    await started({}, (url) => Promise.resolve(fail({ kind: 'network', url, detail: 'offline' })));
    expect(modelStore.getState().fault?.kind).toBe('network');
    expect(dataStore.getState().fault?.kind).toBe('network');
  });

  it('asks for a model of the Hub with the address and token of the moment', async () => {
    const [trainer, client] = await started();
    hubStore.setState({ address: 'https://mirror.example', token: 'hf_x' });
    await trainer.openHubModel('ann/vit@v1');
    const source = { kind: 'hub', model: 'ann/vit@v1', address: 'https://mirror.example', token: 'hf_x' };
    expect(client.sent.findLast(({ name }) => name === 'openModel')?.input).toMatchObject({ source });
    expect(modelStore.getState()).toMatchObject({ status: 'ready', bundledId: null });
    expect(hubStore.getState()).toMatchObject({ opening: null, fault: null });
  });

  it('tells a fault of the Hub where the model was asked for, and keeps what was open', async () => {
    const hubFault = { kind: 'hub', why: 'gated', detail: 'x' } as const;
    const [trainer] = await started({ hubFault });
    await trainer.openHubModel('ann/vit');
    expect(hubStore.getState()).toMatchObject({ opening: null, fault: hubFault });
    expect(modelStore.getState()).toMatchObject({ status: 'ready', bundledId: 'sprout', fault: null });
  });

  it('shows no fault for a download that the user stopped', async () => {
    const [trainer] = await started({ hubFault: { kind: 'hub', why: 'cancelled', detail: 'x' } });
    await trainer.openHubModel('ann/vit');
    expect(hubStore.getState().fault).toBe(null);
    expect(modelStore.getState()).toMatchObject({ status: 'ready', fault: null });
  });

  it('routes a whole run into the stores', async () => {
    const [trainer, client] = await started({ steps: 100, depth: 2 });
    await trainer.start();
    client.play(100);
    await settled();
    const run = runStore.getState();
    expect(run.phase.kind).toBe('finished');
    expect(stepLog.length).toBe(100);
    expect(run.evaluations.length).toBeGreaterThan(9);
    expect(run.drops).toHaveLength(2 * 6 * 2);
    expect(run.modules.flatMap(({ branches }) => branches).filter((b) => b.droppedAt !== null)).toHaveLength(
      24,
    );
    expect(run.result?.steps).toBe(100);
    await trainer.exportModel();
    expect(exportStore.getState()).toMatchObject({ status: 'done', saved: false });
  });

  it('stops an export at once, and shows nothing of it but all of the next', async () => {
    const [trainer, client] = await started({ steps: 10 });
    await trainer.start();
    client.play(10);
    await settled();
    const asked = trainer.exportModel();
    expect(exportStore.getState().status).toBe('exporting');
    const stopped = trainer.cancelExport();
    expect(exportStore.getState()).toMatchObject({ status: 'none', fault: null });
    await Promise.all([asked, stopped]);
    expect(client.sent.filter(({ name }) => name === 'cancelExport')).toHaveLength(1);
    // The answer to what was stopped comes late and is no result.
    expect(exportStore.getState()).toMatchObject({ status: 'none', result: null, fault: null });
    await trainer.exportModel();
    expect(exportStore.getState()).toMatchObject({ status: 'done', fault: null });
    await trainer.cancelExport();
    expect(exportStore.getState()).toMatchObject({ status: 'done' });
    expect(client.sent.filter(({ name }) => name === 'cancelExport')).toHaveLength(1);
  });

  it('pauses, steps once, resumes', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.start();
    client.play(5);
    await trainer.pause();
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'paused', step: 5 }, pending: null });
    await trainer.step();
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'paused', step: 6 }, pending: null });
    await trainer.resume();
    expect(runStore.getState()).toMatchObject({ phase: { kind: 'training' }, pending: null });
  });

  it('starts with a single step', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.start('step');
    expect(client.sent.find(({ name }) => name === 'start')).toMatchObject({ input: { then: 'step' } });
  });

  it('keeps a pause pending until the phase shows it', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.start();
    const paused = trainer.pause();
    expect(runStore.getState().pending).toBe('pause');
    await paused;
    expect(runStore.getState().pending).toBeNull();
    client.emit({ kind: 'phase', phase: { kind: 'training', stage: 1, step: 1, steps: 50 } });
    expect(runStore.getState().phase.kind).toBe('training');
  });

  it('shows a fault in place and can go on from it', async () => {
    const [trainer, client] = await started({ steps: 50, failsAt: 7 });
    await trainer.start();
    client.play(50);
    expect(runStore.getState()).toMatchObject({ fault: { kind: 'device-lost' }, phase: { resumable: true } });
    await trainer.resume();
    expect(runStore.getState().fault).toBeNull();
  });

  it('keeps the run when a start is refused, and forgets it when one begins', async () => {
    const [trainer, client] = await started({ steps: 20 });
    await trainer.start();
    client.play(20);
    await settled();
    await trainer.pause();
    expect(runStore.getState().fault?.kind).toBe('wrong-phase');
    expect(runStore.getState().result).not.toBeNull();
    await trainer.start();
    expect(runStore.getState().result).toBeNull();
    expect(stepLog.length).toBe(0);
  });

  /** A client whose next start hangs in its preparation until it is stopped, as the worker's does. */
  function hanging(client: FakeClient, answered: boolean): void {
    const call = client.call.bind(client);
    const { summary } = runStore.getState();
    let started = false;
    client.call = async (name, input, signal) => {
      if (name === 'stop') {
        client.call = call;
        client.emit({ kind: 'undone' });
        return { ok: true, value: null } as never;
      }
      if (name !== 'start' || started) return call(name, input, signal);
      started = true;
      const phase = {
        kind: 'preparing',
        part: 'decode',
        what: 'Decoding images',
        done: 1,
        total: 9,
      } as const;
      client.emit({ kind: 'phase', phase });
      if (answered) return { ok: true, value: summary } as never;
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
      client.call = call;
      client.emit({ kind: 'undone' });
      return { ok: false, fault: cancelled('start') };
    };
  }

  it.each(['before', 'after'])(
    'a stop %s the start is answered leaves all as it was, the earlier result too',
    async (when) => {
      const [trainer, client] = await started({ steps: 20 });
      await trainer.start();
      client.play(20);
      await settled();
      await trainer.exportModel();
      client.emit({ kind: 'saved', id: 'x', step: 20, busyMs: 1 });
      const [run, exported, rows] = [runStore.getState(), exportStore.getState(), stepLog.length];
      const last = [...stepLog.column('loss').subarray(0, rows)];
      hanging(client, when === 'after');
      const starting = trainer.start();
      await settled();
      expect(runStore.getState()).toMatchObject({ phase: { kind: 'preparing' }, result: null });
      expect(exportStore.getState().result).toBeNull();
      expect(isKept(savedRunsStore.getState())).toBe(false);
      expect(stepLog.length).toBe(0);
      stepLog.append([{ step: 0, loss: 9, accuracy: 0, learningRate: 1, gradientNorm: 1 }], 1);
      await trainer.stop();
      await starting;
      await settled();
      const { logVersion } = runStore.getState();
      expect(logVersion).toBeGreaterThan(run.logVersion);
      expect(runStore.getState()).toEqual({ ...run, logVersion });
      expect(exportStore.getState()).toEqual(exported);
      expect(savedRunsStore.getState().saved).toEqual({ id: 'x', step: 20 });
      expect([...stepLog.column('loss').subarray(0, stepLog.length)]).toEqual(last);
      await trainer.start();
      expect(runStore.getState().phase.kind).toBe('training');
    },
  );

  it('opens the same model at another image size, and keeps the size when a worker died', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.resizeModel(96);
    expect(modelStore.getState().model?.config.imageSize).toBe(96);
    expect(modelStore.getState().bundledId).toBe('sprout');
    client.emit({ kind: 'fault', fault: { kind: 'worker-died', detail: 'out of memory', restarted: true } });
    await settled();
    const opened = client.sent.filter(({ name }) => name === 'openModel').map(({ input }) => input);
    expect(opened).toHaveLength(3);
    expect(opened[1]).toEqual({ ...(opened[0] as object), imageSize: 96 });
    expect(opened[2]).toEqual(opened[1]);
  });

  it('asks which of several models is meant, keeps what is open, and opens the chosen one', async () => {
    const choice = { path: 'a/model.safetensors', title: 'a', about: '9 kB' };
    const fault = { kind: 'which-model', detail: 'two', choices: [choice], byRule: null } as const;
    const [trainer, client] = await started();
    const call = client.call.bind(client);
    client.call = async (name, input) => {
      const asked = name === 'openModel' && !('weights' in (input as object));
      return asked ? { ok: false, fault } : call(name, input);
    };
    const before = modelStore.getState().model;
    await trainer.openModel({ kind: 'files', files: [] }, 'mine');
    expect(modelStore.getState()).toMatchObject({
      status: 'ready',
      fault: null,
      question: { title: 'mine' },
    });
    expect(modelStore.getState().model).toBe(before);
    await trainer.chooseWeights('a/model.safetensors');
    expect(modelStore.getState()).toMatchObject({
      model: { title: 'mine' },
      question: null,
      bundledId: null,
    });
    expect(client.sent.findLast(({ name }) => name === 'openModel')?.input).toMatchObject({
      title: 'mine',
      weights: 'a/model.safetensors',
    });
    await trainer.resizeModel(96);
    expect(client.sent.findLast(({ name }) => name === 'openModel')?.input).toMatchObject({
      weights: 'a/model.safetensors',
      imageSize: 96,
    });
    await trainer.openModel({ kind: 'files', files: [] }, 'other');
    await trainer.chooseWeights(null);
    expect(modelStore.getState()).toMatchObject({ model: { title: 'mine' }, question: null });
  });

  it('keeps an adapter that was opened alone, and takes it as it is asked to', async () => {
    const [trainer, client] = await started();
    const call = client.call.bind(client);
    client.call = async (name, input) =>
      name === 'openModel' && !('adapter' in (input as object))
        ? { ok: false, fault: { kind: 'adapter-alone', base: 'a/b' } }
        : call(name, input);
    const title = modelStore.getState().model?.title ?? '';
    await trainer.openModel({ kind: 'files', files: [] }, 'lora');
    expect(modelStore.getState()).toMatchObject({ fault: { base: 'a/b' }, adapter: { title: 'lora' } });
    await trainer.takeAdapter('merged');
    expect(modelStore.getState()).toMatchObject({
      model: { title: `${title} with lora` },
      fault: null,
      adapter: null,
      bundledId: null,
    });
    // Another one takes its place: it is for the same weights.
    await trainer.openModel({ kind: 'files', files: [] }, 'second');
    expect(modelStore.getState().adapter).toMatchObject({ offer: { kind: 'branches' } });
    await trainer.takeAdapter('branches');
    expect(modelStore.getState()).toMatchObject({ model: { title: `${title} started from second` } });
    await trainer.resizeModel(96);
    expect(client.sent.at(-1)?.input).toMatchObject({ imageSize: 96, adapter: { as: 'branches' } });
  });

  it('lets images that were moved be opened again, read as before, and forgets the fault', async () => {
    const [trainer, client] = await started();
    const source = { kind: 'files', files: [] } as const;
    await trainer.openData(source, 'mine', 'all');
    await trainer.reread('open', { classFolder: 'last' });
    client.emit({ kind: 'fault', fault: { kind: 'images-changed', paths: ['a/1.png'], of: 3 } });
    await trainer.openMoved(source, 'moved');
    expect(client.sent.at(-1)).toMatchObject({
      input: { title: 'moved', role: 'all', reading: { classFolder: 'last' } },
    });
    expect(runStore.getState().fault).toBeNull();
    expect(dataStore.getState().data?.title).toBe('moved');
  });

  it('shows what the run got over by itself', async () => {
    const [trainer, client] = await started({ steps: 50 });
    await trainer.start();
    client.play(12);
    const lost = { kind: 'device-lost', step: 12, kept: 10, detail: 'x' } as const;
    client.emit({ kind: 'recovered', fault: lost, memoryPlan: null });
    expect(runStore.getState()).toMatchObject({ recovered: lost, fault: null, phase: { kind: 'training' } });
  });

  it('keeps usable images when others cannot be used', async () => {
    const fault = { kind: 'bad-dataset', why: 'one-class', detail: 'Only one class.' } as const;
    const [trainer, client] = await started();
    const good = dataStore.getState().data;
    const call = client.call.bind(client);
    client.call = async (name, input) => {
      const reply = await call(name, input);
      return name === 'openData' && reply.ok
        ? { ok: true, value: Object.assign({}, reply.value, { fault }) }
        : reply;
    };
    await trainer.openData({ kind: 'files', files: [] }, 'bad', 'all');
    expect(dataStore.getState().data).toBe(good);
    expect(dataStore.getState().refused).toMatchObject({ title: 'bad', fault });
  });

  it('sorts folders that were dropped as an opening that can be stopped, after which all is as before', async () => {
    const [trainer, client] = await started();
    const { data } = dataStore.getState();
    const call = client.call.bind(client);
    client.call = (name, input, signal) =>
      name !== 'sortHandles'
        ? call(name, input, signal)
        : new Promise((resolve) => {
            expect(dataStore.getState().status).toBe('opening');
            const stop = (): void => resolve({ ok: false, fault: cancelled(name) });
            signal?.addEventListener('abort', stop);
          });
    const sorting = trainer.sortDropped([]);
    await vi.waitFor(() => expect(dataStore.getState().status).toBe('opening'));
    trainer.cancelOpening();
    expect(await sorting).toBeNull();
    expect(dataStore.getState()).toMatchObject({ status: 'ready', data, fault: null });

    const fault = { kind: 'bad-file', name: 'trees', why: 'unreadable', detail: 'gone' } as const;
    client.call = () => Promise.resolve({ ok: false, fault });
    expect(await trainer.sortDropped([])).toBeNull();
    expect(dataStore.getState()).toMatchObject({ status: 'ready', data, fault });
    client.call = call;
    expect(await trainer.sortDropped([])).toEqual({ model: [], images: { title: '' } });

    // Something that is opened meanwhile is not overtaken.
    const overtaken = trainer.sortDropped([]);
    await trainer.openData({ kind: 'files', files: [] }, 'newer', 'all');
    expect(await overtaken).toBeNull();
  });

  it('shows no pictures of images that are open no more', async () => {
    const [trainer, client] = await started();
    const blob = new Blob(['old']);
    let give = (): void => undefined;
    const call = client.call.bind(client);
    client.call = (name, input) =>
      name !== 'thumbnails'
        ? call(name, input)
        : new Promise((resolve) => {
            give = () => resolve({ ok: true, value: [{ image: 0, blob }] } as never);
          });
    const loading = trainer.loadThumbnails([0]);
    const { data } = dataStore.getState();
    dataStore.setState({ data: data && { ...data, edits: { ...data.edits, set: data.edits.set + 1 } } });
    give();
    await loading;
    expect(dataStore.getState().thumbnails.size).toBe(0);
  });

  it('reads the same files again in another way, and the validation set with them', async () => {
    const [trainer, client] = await started();
    const source = { kind: 'files', files: [] } as const;
    await trainer.openData(source, 'mine', 'all');
    await trainer.openData(source, 'held out', 'validation');
    const before = client.sent.length;
    await trainer.reread('open', { classFolder: 'last' });
    expect(client.sent.slice(before)).toMatchObject(
      [
        ['mine', 'all'],
        ['held out', 'validation'],
      ].map(([title, role]) => ({
        name: 'openData',
        input: { title, role, reading: { classFolder: 'last' } },
      })),
    );
    expect(dataStore.getState().validationTitle).toBe('held out');
  });

  it('reads what was refused in another way, and opens it', async () => {
    const fault = { kind: 'bad-dataset', why: 'one-class', detail: 'Only one class.' } as const;
    const [trainer, client] = await started();
    const call = client.call.bind(client);
    client.call = async (name, input) => {
      const reply = await call(name, input);
      const isAuto =
        name === 'openData' && !('classFolder' in (input as Commands['openData']['input']).reading);
      return isAuto && reply.ok ? { ok: true, value: Object.assign({}, reply.value, { fault }) } : reply;
    };
    await trainer.openData({ kind: 'files', files: [] }, 'nested', 'all');
    expect(dataStore.getState().refused).not.toBeNull();
    await trainer.reread('refused', { classFolder: 'last' });
    expect(dataStore.getState()).toMatchObject({ refused: null, data: { title: 'nested', fault: null } });
  });

  it('adds images that could not be decoded to the refused ones, once', async () => {
    const [, client] = await started();
    const files = [{ path: 'a/1.jpg', code: 'undecodable', reason: 'It is cut off.' }];
    client.emit({ kind: 'rejected', files });
    client.emit({ kind: 'rejected', files });
    expect(dataStore.getState().data?.rejected).toEqual(files);
  });
});
