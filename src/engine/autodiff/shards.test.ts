// Parts of a step on other workers: the same bits as without them, also where a worker fails or dies. The
// workers' ends are message channels of this thread.
import { createRequire } from 'node:module';
import { afterEach, expect, test, vi } from 'vitest';
import { allOpen, parametersOf, type Adapter } from '../../dmlora/adapter.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { inBackground, lower, raise, respect, respectedHand } from '../../shared/hand.ts';
import { handTicker } from '../../shared/testing/hand-ticker.ts';
import { ndArray } from '../../shared/array.ts';
import { unwrap } from '../../shared/result.ts';
import {
  micro,
  plainNormalisation,
  randomAdapter,
  randomBatch,
  randomModel,
  randomValues,
  stage1,
} from '../checks/random-model.ts';
import { AutodiffEngine } from './autodiff-engine.ts';
import { startBackend } from './backend.ts';
import { serveShard, Shard, SpareArrays, type ShardPort } from './shards.ts';

const wasmBinary = createRequire(import.meta.url).resolve(
  '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
);

interface Heard {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** A channel whose other end serves a shard; what it is asked goes through `hear`, which may swallow it. */
function channel(
  hear: (name: string, close: () => void, input: Readonly<Record<string, unknown>>) => 'pass' | 'swallow',
): ShardPort {
  const { port1, port2 } = new MessageChannel();
  const inner: ShardPort = {
    postMessage: (message, given) => port2.postMessage(message, given ?? []),
    onmessage: null,
  };
  serveShard(inner, () => startBackend('wasm', wasmBinary));
  const outer: ShardPort = {
    postMessage: (message, given) => port1.postMessage(message, given ?? []),
    onmessage: null,
    onerror: null,
    terminate: () => port1.close(),
  };
  port1.onmessage = (event: MessageEvent) => outer.onmessage?.(event);
  port2.onmessage = (event: MessageEvent<Heard>) => {
    const die = (): void => outer.onerror?.(new Event('error') as ErrorEvent);
    if (hear(event.data.name, die, event.data.input) === 'pass') inner.onmessage?.(event);
  };
  return outer;
}

/** What three steps with a drop and an evaluation leave, and a step of another model on the same engine. */
async function outcome(openShard?: () => ShardPort): Promise<{ numbers: string; adapter: string }> {
  const engine = new AutodiffEngine(unwrap(await startBackend('wasm', wasmBinary)), openShard);
  const adapter = randomAdapter(micro, 3);
  unwrap(await engine.prepare(randomModel(micro), adapter, plainNormalisation, { batch: 20, classes: 3 }));
  const numbers: unknown[] = [];
  const step = async (index: number): Promise<void> => {
    const batch = randomBatch(micro, 20, 3, index);
    // Partners lie in other parts.
    const mix = { partners: Int32Array.from({ length: 20 }, (_, i) => (i + 11) % 20), share: 0.25 };
    const targets = randomValues(4, 60).map(Math.abs);
    engine.step(index === 2 ? { ...batch, mix, targets } : batch, { ...stage1, step: index });
    numbers.push((await engine.report()).steps);
  };
  await step(0);
  numbers.push([...unwrap(await engine.evaluate(randomBatch(micro, 27, 3, 9).pixels, allOpen)).data]);
  await step(1);
  const drops = new Map(adapter.modules.map(({ name }) => [name, 0]));
  unwrap(await engine.writeAdapter(dropBranches(unwrap(await engine.readAdapter()), drops)));
  await step(2);
  numbers.push([...unwrap(await engine.features(randomBatch(micro, 9, 3, 8).pixels, allOpen)).data]);
  const bits = (of: Adapter): string =>
    [...parametersOf(of)].map(([name, { data }]) => `${name} ${data.join()}`).join('\n');
  const left = bits(unwrap(await engine.readAdapter()));
  engine.release();
  unwrap(await engine.prepare(randomModel(micro, 2), adapter, plainNormalisation, { batch: 20, classes: 3 }));
  await step(0);
  engine.dispose();
  return { numbers: JSON.stringify(numbers), adapter: left };
}

const heard: string[] = [];
afterEach(() => {
  heard.splice(0);
  respect(null);
  vi.restoreAllMocks();
});

/** Cores are those of the machine that the tests run on; the shards that a run opens are at most so many. */
function withCores<T>(cores: number, work: () => Promise<T>): Promise<T> {
  const former = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', {
    value: { hardwareConcurrency: cores },
    configurable: true,
  });
  return work().finally(() => {
    if (former === undefined) Reflect.deleteProperty(globalThis, 'navigator');
    else Object.defineProperty(globalThis, 'navigator', former);
  });
}

test('a step, a drop and an evaluation have the same bits on one, two and three cores', async () => {
  const alone = await outcome();
  for (const cores of [2, 3, 16]) {
    heard.splice(0);
    let opened = 0;
    const shared = await withCores(cores, () =>
      outcome(() => {
        opened++;
        return channel((name) => {
          heard.push(name);
          return 'pass';
        });
      }),
    );
    expect(shared).toEqual(alone);
    // A batch of 20 has three parts of eight: more workers than two would have nothing to do.
    expect(opened).toBe(Math.min(2, cores - 1));
    expect(heard.filter((name) => name === 'part').length).toBe(4 * Math.min(2, cores - 1));
    expect(heard).toContain('infer');
  }
});

test('the arrays in which values come leave again with the gradients, and go on with the next values', async () => {
  const came: Float32Array[] = [];
  const answered = new Set<unknown>();
  const goOn: boolean[] = [];
  await withCores(2, () =>
    outcome(() => {
      const port = channel((name, _close, input) => {
        if (name === 'values') came.push(input['branches'] as Float32Array);
        return 'pass';
      });
      const send = port.postMessage.bind(port);
      port.postMessage = (message, given) => {
        const { name, input } = message as Heard;
        if (name === 'values') goOn.push(answered.has(input['branches']));
        send(message, given);
      };
      let hear: ShardPort['onmessage'] = null;
      return Object.defineProperty(port, 'onmessage', {
        set: (to: ShardPort['onmessage']) => (hear = to),
        get: () => (event: MessageEvent<{ result?: { value?: { gradients?: { branches: unknown } } } }>) => {
          answered.add(event.data.result?.value?.gradients?.branches);
          hear?.(event);
        },
      });
    }),
  );
  // Before the third a drop made them smaller, before the last another run began.
  expect(goOn).toEqual([false, true, false, true, false]);
  // An array whose memory went with a message has none. The fourth is of features alone, after the last step.
  expect(came.map(({ length }) => length > 0)).toEqual([false, false, false, true, false]);
});

test('a spare array is taken once, by its length', () => {
  const spares = new SpareArrays();
  const [short, long] = [new Float32Array(2), new Float32Array(3)];
  spares.replace([short, long]);
  expect([spares.take(4), spares.take(3), spares.take(3)]).toEqual([undefined, long, undefined]);
  expect(spares.take(2)).toBe(short);
  spares.replace([long]);
  spares.replace([]);
  expect(spares.take(3)).toBeUndefined();
});

test('every worker gives way to the hand in the background, and computes the same', async () => {
  const alone = await outcome();
  const hand = new Int32Array(new SharedArrayBuffer(8));
  const prepared: boolean[] = [];
  const rests = vi.spyOn(Atomics, 'wait').mockReturnValue('timed-out');
  respect(hand);
  raise(hand, 1);
  const raised = await inBackground(() =>
    withCores(3, () =>
      outcome(() =>
        channel((name, _, input) => {
          if (name === 'prepare') {
            // As in a worker, which has heard of no hand yet.
            prepared.push(input['hand'] instanceof Int32Array);
            respect(null);
          }
          return 'pass';
        }),
      ),
    ),
  );
  expect(raised).toEqual(alone);
  expect(new Set(prepared)).toEqual(new Set([true]));
  expect(respectedHand()?.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(rests.mock.calls.length).toBeGreaterThan(100);
  rests.mockClear();
  // What answers the hand does not wait for it.
  await outcome();
  lower(respectedHand() ?? hand);
  await inBackground(() => outcome());
  expect(rests).not.toHaveBeenCalled();
});

test('an evaluation that is stopped ends after the part under way, and the next has the bits of any other', async () => {
  const plain = await outcome();
  const engine = new AutodiffEngine(unwrap(await startBackend('wasm', wasmBinary)));
  const adapter = randomAdapter(micro, 3);
  unwrap(await engine.prepare(randomModel(micro), adapter, plainNormalisation, { batch: 20, classes: 3 }));
  const { pixels } = randomBatch(micro, 27, 3, 9);
  const stop = new AbortController();
  const stopped = engine.evaluate(pixels, allOpen, stop.signal);
  stop.abort();
  expect(await stopped).toMatchObject({ ok: false, fault: { phase: 'cancelled' } });
  engine.step(randomBatch(micro, 20, 3, 0), { ...stage1, step: 0 });
  const numbers: unknown[] = [(await engine.report()).steps];
  numbers.push([...unwrap(await engine.evaluate(pixels, allOpen, new AbortController().signal)).data]);
  engine.dispose();
  expect(numbers).toEqual((JSON.parse(plain.numbers) as unknown[]).slice(0, 2));
});

test('of an evaluation that is stopped a worker computes what it was asked for, which is never much', async () => {
  for (const stops of [false, true]) {
    heard.splice(0);
    const stop = new AbortController();
    const engine = new AutodiffEngine(unwrap(await startBackend('wasm', wasmBinary)), () =>
      channel((name) => {
        heard.push(name);
        if (stops && name === 'infer') stop.abort();
        return 'pass';
      }),
    );
    const evaluated = await withCores(2, async () => {
      const adapter = randomAdapter(micro, 3);
      const options = { batch: 16, classes: 3 };
      unwrap(await engine.prepare(randomModel(micro), adapter, plainNormalisation, options));
      return engine.evaluate(randomBatch(micro, 160, 3, 9).pixels, allOpen, stop.signal);
    });
    expect(evaluated.ok).toBe(!stops);
    engine.dispose();
    // 20 parts of eight images, half of them the worker's.
    const asked = heard.filter((name) => name === 'infer').length;
    if (stops) expect(asked).toBeLessThanOrEqual(3);
    else expect(asked).toBe(10);
  }
});

test.each(['prepare', 'values', 'part', 'infer', 'adapter'])(
  'a worker that dies at its first "%s" changes nothing but who computes',
  async (fatal) => {
    const alone = await outcome();
    const shared = await withCores(3, () =>
      outcome(() =>
        channel((name, die) => {
          heard.push(name);
          if (name !== fatal) return 'pass';
          die();
          return 'swallow';
        }),
      ),
    );
    expect(heard).toContain(fatal);
    expect(shared).toEqual(alone);
  },
);

test('a worker that falls silent is left like one that dies, and one that only is slow is not', async () => {
  const { ticker, tick, running } = handTicker();
  const port: ShardPort = { postMessage: () => undefined, onmessage: null };
  const say = (data: unknown): void => port.onmessage?.({ data } as MessageEvent);
  const shard = new Shard(port, ticker);
  const adapter = { ...randomAdapter(micro, 3), moments: new Map() };
  const first = shard.ask('adapter', adapter);
  tick(6);
  say('beat');
  tick(6);
  say({ id: 0, bytes: 1, result: { ok: true, value: 'done' } });
  expect(await first).toBe('done');
  expect(running()).toBe(0);
  const second = shard.ask('adapter', adapter);
  tick(7);
  expect(await second).toBe(null);
  expect(shard.isAlive).toBe(false);
  expect(running()).toBe(0);
});

test.each([
  { what: 'owes nothing', asks: 0, bytes: 2 ** 28, left: ['release'] },
  { what: 'owes an answer', asks: 1, bytes: 0, left: ['terminate'] },
  { what: 'has a large heap', asks: 0, bytes: 2 ** 28 + 1, left: ['terminate'] },
])('a worker that $what is left by $left', async ({ asks, bytes, left }) => {
  const calls: string[] = [];
  const port: ShardPort = {
    postMessage: () => undefined,
    onmessage: null,
    release: () => void calls.push('release'),
    terminate: () => void calls.push('terminate'),
  };
  const shard = new Shard(port);
  port.onmessage?.(
    new MessageEvent('message', { data: { id: -1, result: { ok: true, value: null }, bytes } }),
  );
  const asked = Array.from({ length: asks }, () =>
    shard.ask('weight', { name: 'blocks.0.q', weight: ndArray([1, 1], new Float32Array(1)) }),
  );
  shard.release();
  expect(calls).toEqual(left);
  expect(shard.isAlive).toBe(false);
  expect(await Promise.all(asked)).toEqual(asked.map(() => null));
  // It may serve another engine by now.
  shard.release();
  shard.close();
  expect(calls).toEqual(left);
});
