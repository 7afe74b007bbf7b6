// The page's side of the border with workers made up for the test: what becomes of open calls when one ends,
// falls silent or throws, and that it is looked after.
import { expect, test, vi } from 'vitest';
import { handTicker } from '../shared/testing/hand-ticker.ts';
import { startClient } from './client.ts';
import type { Message, ToWorker, TrainerEvent } from './protocol.ts';

type Handler<E> = ((event: E) => void) | null;

class FakeWorker {
  onmessage: Handler<{ data: Message }> = null;
  onerror: Handler<{ message: string; preventDefault(): void }> = null;
  ended = false;
  readonly heard: ToWorker[] = [];

  postMessage(message: ToWorker): void {
    this.heard.push(message);
  }
  terminate(): void {
    this.ended = true;
  }
  say(data: Message): void {
    this.onmessage?.({ data });
  }
  throw(message: string): void {
    this.onerror?.({ message, preventDefault: () => undefined });
  }
}

function started() {
  const workers: FakeWorker[] = [];
  const events: TrainerEvent[] = [];
  const { ticker, tick, running } = handTicker();
  const make = (): Worker => {
    const worker = new FakeWorker();
    workers.push(worker);
    return worker as unknown as Worker;
  };
  const client = startClient(make, (event) => events.push(event), ticker);
  const worker = (at: number): FakeWorker => {
    const found = workers[at];
    if (found === undefined) throw new Error(`worker ${at} was not made`);
    return found;
  };
  return { client, worker, workers, events, tick, running };
}

const sign: Message = { kind: 'events', events: [{ kind: 'phase', phase: { kind: 'idle' } }] };

test('a worker that falls silent is replaced, and every open call ends with a fault', async () => {
  const { client, worker, workers, events, tick } = started();
  worker(0).say(sign);
  const stop = client.call('stop', null);
  const opened = client.call('openModel', { source: { kind: 'files', files: [] }, title: 'a' });
  tick(6);
  expect(worker(0).heard.filter(({ kind }) => kind === 'ping')).toHaveLength(6);
  expect(workers).toHaveLength(1);
  tick();
  expect(worker(0).ended).toBe(true);
  expect(await stop).toMatchObject({ ok: false, fault: { kind: 'worker-died', restarted: true } });
  expect(await opened).toMatchObject({ ok: false, fault: { kind: 'worker-died' } });
  expect(events.at(-1)).toMatchObject({ kind: 'fault', fault: { kind: 'worker-died', restarted: true } });
  // The next one works, and is looked after from its first message on.
  const again = client.call('stop', null);
  tick(20);
  const request = worker(1).heard.find(({ kind }) => kind === 'request');
  if (request?.kind !== 'request') throw new Error('nothing was asked of the second worker');
  worker(1).say({ kind: 'reply', id: request.id, name: 'stop', result: { ok: true, value: null } });
  expect(await again).toEqual({ ok: true, value: null });
  tick(7);
  expect(workers).toHaveLength(3);
});

test('one that answers, by whatever message, is left in peace', () => {
  const { worker, workers, tick } = started();
  worker(0).say(sign);
  for (let i = 0; i < 50; i++) {
    tick(6);
    worker(0).say(i % 2 === 0 ? { kind: 'beat' } : sign);
  }
  expect(workers).toHaveLength(1);
});

test('an error that nobody caught is told, and ends nothing', async () => {
  const { client, worker, workers, events } = started();
  worker(0).say(sign);
  const stop = client.call('stop', null);
  worker(0).throw('Uncaught RangeError: too far');
  expect(workers).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ fault: { kind: 'bug', uncaught: true } });
  const request = worker(0).heard.find(({ kind }) => kind === 'request');
  if (request?.kind !== 'request') throw new Error('nothing was asked');
  worker(0).say({ kind: 'reply', id: request.id, name: 'stop', result: { ok: true, value: null } });
  expect(await stop).toEqual({ ok: true, value: null });
});

test('an event that a part of the page fails on leaves the others of its message to be heard', () => {
  const reported: unknown[] = [];
  vi.stubGlobal('reportError', (thrown: unknown) => reported.push(thrown));
  try {
    const heard: string[] = [];
    const worker = new FakeWorker();
    startClient(
      () => worker as unknown as Worker,
      ({ kind }) => {
        if (kind === 'measured') throw new RangeError('too far');
        heard.push(kind);
      },
      handTicker().ticker,
    );
    worker.say({ kind: 'events', events: [{ kind: 'undone' }, { kind: 'measured' }, { kind: 'undone' }] });
    expect(heard).toEqual(['undone', 'undone']);
    expect(reported).toEqual([new RangeError('too far')]);
  } finally {
    vi.unstubAllGlobals();
  }
});

test('a script that does not load ends the client: another try would end like it', async () => {
  const { client, worker, workers, events, running } = started();
  worker(0).throw('');
  expect(workers).toHaveLength(1);
  expect(events).toMatchObject([{ fault: { kind: 'worker-died', restarted: false } }]);
  expect(await client.call('stop', null)).toMatchObject({ ok: false });
  expect(running()).toBe(0);
});

test('a client that is closed looks after nobody', () => {
  const { client, worker, running } = started();
  worker(0).say(sign);
  expect(running()).toBe(1);
  client.close();
  expect(running()).toBe(0);
});
