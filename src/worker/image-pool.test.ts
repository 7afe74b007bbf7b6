// The pool with workers made up for the test: how many are in flight, what goes first, and what becomes of
// work when it is stopped or a worker ends.
import { expect, test } from 'vitest';
import { localImageWorker, type ImageWorker } from '../data/image-work.ts';
import { fail, ok } from '../shared/result.ts';
import { handTicker } from '../shared/testing/hand-ticker.ts';
import { ImagePool, type PoolRequest, type PoolWorker } from './image-pool.ts';

class FakeWorker implements PoolWorker {
  onmessage: Worker['onmessage'] = null;
  onerror: Worker['onerror'] = null;
  ended = false;
  pings = 0;
  readonly requests: PoolRequest[] = [];

  postMessage(request: PoolRequest | 'ping'): void {
    if (request === 'ping') this.pings += 1;
    else this.requests.push(request);
  }

  terminate(): void {
    this.ended = true;
  }

  say(data: unknown): void {
    (this.onmessage as ((event: unknown) => void) | null)?.({ data });
  }

  answer(value: number): void {
    const result = ok(new Uint8Array([value]));
    this.say({ result });
  }

  fail(): void {
    (this.onerror as ((event: unknown) => void) | null)?.({ preventDefault: () => undefined });
  }
}

const here: ImageWorker = localImageWorker(() =>
  Promise.resolve(fail({ kind: 'bad-file', name: '', why: 'unreadable', detail: 'Here.' })),
);

function poolOf(size: number) {
  const workers: FakeWorker[] = [];
  const make = (): PoolWorker => {
    const worker = new FakeWorker();
    workers.push(worker);
    return worker;
  };
  const { ticker, tick, running } = handTicker();
  const pool = new ImagePool(make, size, () => Promise.resolve(here), ticker);
  return { workers, pool, tick, running };
}

const text = (name: string): { content: Uint8Array<ArrayBuffer>; looksLikeImage: boolean } => ({
  content: new TextEncoder().encode(name),
  looksLikeImage: false,
});

const asked = ({ requests }: FakeWorker): string[] =>
  requests.map(({ input }) =>
    'content' in input && input.content instanceof Uint8Array ? new TextDecoder().decode(input.content) : '',
  );

test('has at most one image in each worker, and what somebody waits for goes first', async () => {
  const { workers, pool } = poolOf(2);
  const order: string[] = [];
  const work = (name: string, background: boolean): Promise<unknown> =>
    pool.do('look', text(name), { background }).then(() => order.push(name));
  const all = [work('a', true), work('b', true), work('c', true), work('d', false)];
  expect(workers.map(asked)).toEqual([['a'], ['b']]);
  workers[0]!.answer(1);
  expect(asked(workers[0]!)).toEqual(['a', 'd']);
  workers[0]!.answer(2);
  workers[0]!.answer(3);
  workers[1]!.answer(4);
  await Promise.all(all);
  expect(asked(workers[0]!)).toEqual(['a', 'd', 'c']);
  expect(order).toEqual(['a', 'd', 'c', 'b']);
  expect(workers).toHaveLength(2);
});

test('stopping is answered at once, work that waits is never begun, and the pool goes on', async () => {
  const { workers, pool } = poolOf(1);
  const stop = new AbortController();
  const begun = pool.do('look', text('begun'), { signal: stop.signal });
  const waiting = pool.do('look', text('waiting'), { signal: stop.signal });
  const other = pool.do('look', text('other'));
  stop.abort();
  await expect(begun).rejects.toMatchObject({ name: 'AbortError' });
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  await expect(pool.do('look', text('late'), { signal: stop.signal })).rejects.toBeDefined();
  workers[0]!.answer(1);
  workers[0]!.answer(2);
  expect(await other).toEqual(ok(new Uint8Array([2])));
  expect(asked(workers[0]!)).toEqual(['begun', 'other']);
});

test('where no worker can be made the work is done on this thread', async () => {
  const { workers, pool } = poolOf(2);
  const looked = [pool.do('look', text('a')), pool.do('look', text('b')), pool.do('look', text('c'))];
  for (const worker of workers) worker.fail();
  expect((await Promise.all(looked)).map((result) => result.ok && result.value.kind)).toEqual([
    'ignored',
    'ignored',
    'ignored',
  ]);
  expect(pool.width).toBe(1);
  expect(await pool.do('look', text('d'))).toMatchObject({ value: { kind: 'ignored' } });
  const throwing = new ImagePool(
    () => {
      throw new Error('no workers here');
    },
    2,
    () => Promise.resolve(here),
  );
  expect(await throwing.do('look', text('e'))).toMatchObject({ value: { kind: 'ignored' } });
});

test('a worker that ends later takes its image with it, and no other', async () => {
  const { workers, pool } = poolOf(1);
  const [first, second, third] = ['a', 'b', 'c'].map((name) => pool.do('look', text(name)));
  workers[0]!.answer(1);
  await first;
  workers[0]!.fail();
  expect(await second).toMatchObject({ ok: false, fault: { code: 'undecodable' } });
  workers[1]!.answer(3);
  expect(await third).toEqual(ok(new Uint8Array([3])));
});

test('a worker that falls silent over an image is left, and only that image is refused', async () => {
  const { workers, pool, tick, running } = poolOf(1);
  const first = pool.do('look', text('first'));
  workers[0]!.answer(1);
  await first;
  expect(running()).toBe(0); // without work nobody is looked after
  const bad = pool.do('look', text('bad'));
  const next = pool.do('look', text('next'));
  tick(6);
  expect(workers[0]!.pings).toBe(6);
  workers[0]!.say('beat'); // slow, not dead
  tick(6);
  expect(workers).toHaveLength(1);
  tick();
  expect(workers[0]!.ended).toBe(true);
  expect(await bad).toMatchObject({ ok: false });
  expect(asked(workers[1]!)).toEqual(['next']);
  workers[1]!.answer(2);
  expect(await next).toEqual(ok(new Uint8Array([2])));
  expect(running()).toBe(0);
});
