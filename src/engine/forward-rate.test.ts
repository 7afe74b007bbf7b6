// The quick measurement, with a clock that the test moves: operations over time, on an engine that can then
// be thrown away.
import { expect, test, vi } from 'vitest';
import { isCancelled } from '../shared/fault.ts';
import { stepFlops, noBranches } from '../vit/step-flops.ts';
import { micro } from './checks/random-model.ts';
import { autodiffOn } from './checks/node-backends.ts';
import { measureForward } from './forward-rate.ts';

const wanted = { config: micro, batch: 4, cores: 1, arithmetic: 'float16' } as const;

async function counted() {
  const engine = await autodiffOn('cpu')();
  const prepare = vi.spyOn(engine, 'prepare');
  const features = engine.features.bind(engine);
  let images = 0;
  engine.features = (pixels, ...given) => {
    images += pixels.data.length / (3 * micro.imageSize ** 2);
    return features(pixels, ...given);
  };
  return { engine, prepare, images: () => images };
}

test('is the operations of a batch over what they took, after a batch that does not count, in the arithmetic of the run', async () => {
  const { engine, prepare, images } = await counted();
  let clock = 0;
  const now = (): number => (clock += 2);
  const rate = await measureForward(engine, wanted, now, new AbortController().signal);
  const { forward } = stepFlops({ ...micro, depth: 1 }, 2, noBranches);
  expect(rate).toEqual({ ok: true, value: (4 * forward) / 2 });
  expect(images()).toBe(8);
  expect(prepare.mock.calls[0]?.[3].memory?.arithmetic).toBe('float16');
  engine.dispose();
});

test('ends where it is stopped', async () => {
  const { engine } = await counted();
  const stop = new AbortController();
  stop.abort();
  const rate = await measureForward(engine, wanted, () => 0, stop.signal);
  expect(!rate.ok && isCancelled(rate.fault)).toBe(true);
  engine.dispose();
});
