// What later starts take of earlier ones: features computed alike, and a probe fitted to the very same.
import { expect, test } from 'vitest';
import type { Engine, MemoryPlan } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { ok, unwrap } from '../shared/result.ts';
import type { Probe } from './linear-probe.ts';
import { probeStart } from './probe-start.ts';
import { makeData } from './testing/micro-run.ts';
import type { KnownFeatures, LabelledPixels, TrainingData } from './training-data.ts';

const made = makeData(24, 3);

/** An engine of which only the features are asked: the mean of each third of an image. */
function featuresOnly(arithmetic: MemoryPlan['arithmetic']): { engine: Engine; asked: () => number } {
  let asked = 0;
  const engine = {
    describe: () => ({ engine: 'kernels', backend: 'webgpu', adapter: 'a fake', stepsInFlight: 1 }),
    memoryPlan: () => ({ microBatch: 4, storage: 'float32', arithmetic }),
    features({ data }: { data: ArrayLike<number> }) {
      asked += 1;
      const values = made.train.slice(0, 1).data.length;
      const images = data.length / values;
      const means = Float32Array.from({ length: 3 * images }, (_, i) => {
        const third = Array.from({ length: values / 3 }, (_x, k) => data[(i * values) / 3 + k] ?? 0);
        return third.reduce((sum, value) => sum + value, 0) / third.length;
      });
      return Promise.resolve(ok(ndArray([images, 3], means)));
    },
  } as unknown as Engine;
  return { engine, asked: () => asked };
}

function known(): KnownFeatures {
  const kept = new Map<string, NdArray>();
  return { known: (how) => kept.get(how) ?? null, keep: (how, rows) => kept.set(how, rows) };
}

const shared = (set: LabelledPixels): LabelledPixels => ({ ...set, features: known() });
const watch = { onProgress: () => undefined };

test('features are taken over from the same arithmetic alone', async () => {
  const data = { ...made, train: shared(made.train), validation: shared(made.validation) };
  const [exact, halves] = [featuresOnly('float32'), featuresOnly('float16')];
  unwrap(await probeStart(exact.engine, data, 6, watch));
  const first = exact.asked();
  unwrap(await probeStart(exact.engine, data, 6, watch));
  expect([exact.asked(), first > 0]).toEqual([first, true]);
  unwrap(await probeStart(halves.engine, data, 6, watch));
  expect(halves.asked()).toBe(first);
});

test('a probe is taken over where all that it was fitted to is the same', async () => {
  const fits: string[] = [];
  let last: { fittedTo: string; probe: Probe } | null = null;
  const probe = {
    known: (fittedTo: string) => (last?.fittedTo === fittedTo ? last.probe : null),
    keep: (fittedTo: string, fitted: Probe) => (last = { fittedTo, probe: fitted }),
  };
  const started = async (data: TrainingData): Promise<Probe> => {
    const { engine } = featuresOnly('float32');
    const parts: string[] = [];
    const start = await probeStart(engine, { ...data, probe }, 6, { onProgress: (part) => parts.push(part) });
    fits.push(parts.includes('probe') ? 'fitted' : 'taken over');
    return unwrap(start);
  };
  const { weight, bias, strength } = await started(made);
  expect(await started(made)).toMatchObject({ weight, bias, strength });
  const { labels } = made.validation;
  await started({
    ...made,
    validation: { ...made.validation, labels: labels.map((label) => (label + 1) % 3) },
  });
  await started(made);
  await started({ ...made, classes: [...made.classes, 'one more'] });
  expect(fits).toEqual(['fitted', 'taken over', 'fitted', 'fitted', 'fitted']);
});
