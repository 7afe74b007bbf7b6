// What the kernel engine promises beyond the reference vectors: a faulty step changes nothing, nor do those
// behind it; the same run gives the same bits; odd shapes agree with the autodiff engine; a batch may be
// smaller than planned.
import { describe, expect, test, vi } from 'vitest';
import { parametersOf, paramNames, type Adapter } from '../../dmlora/adapter.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { tunedStart, withTuned, type Tune } from '../../dmlora/tuned.ts';
import { ndArray } from '../../shared/array.ts';
import { cropsOf } from '../../train/augment.ts';
import { withColours } from '../../train/colour-jitter.ts';
import type { Batch, Engine, Gradients, PrepareOptions } from '../engine.ts';
import { assertClose, largestDifference } from '../checks/close.ts';
import { autodiffOn } from '../checks/node-backends.ts';
import { countingGpu } from '../checks/counting-device.ts';
import { kernelEngine, missingGpu } from '../checks/node-gpu.ts';
import { KernelEngine } from './kernels-engine.ts';
import { checkVariant, families, type Variant } from '../checks/family-checks.ts';
import {
  micro,
  plainNormalisation,
  randomAdapter,
  randomBatch,
  randomModel,
  randomValues,
  stage1,
} from '../checks/random-model.ts';
import { unwrap } from '../../shared/result.ts';

const classes = 3;

const model = randomModel(micro);
const tuning = (tune: Tune): Adapter => ({ ...randomAdapter(micro, classes), ...tunedStart(model, tune) });

async function started(tune: Tune = 'none', options: Partial<PrepareOptions> = {}): Promise<Engine> {
  const engine = await kernelEngine()();
  const shapes = { batch: 2, classes, ...options };
  unwrap(await engine.prepare(model, tuning(tune), plainNormalisation, shapes));
  return engine;
}

function bits(adapter: Adapter): string {
  const values = [...parametersOf(adapter)].map(([name, { data }]) => `${name} ${data.join()}`);
  const moments = [...adapter.moments].map(
    ([name, { m, v, steps }]) => `${name} ${m.join()} ${v.join()} ${steps}`,
  );
  return [...values, ...moments].join('\n');
}

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('kernel engine', () => {
  const refused = 'a step that is not finite is refused with all behind it, and the run goes on';
  test.each(['biases', 'all'] as const)(`${refused} from the last good one: %s`, async (tune) => {
    const engine = await started(tune);
    const good = randomBatch(micro, 2, classes);
    const size = 2 * 3 * micro.imageSize ** 2;
    const bad = {
      pixels: { kind: 'normalised', data: new Float32Array(size).fill(NaN) },
      labels: good.labels,
    } as const;
    engine.step(good, stage1);
    await engine.report();
    const before = bits(unwrap(await engine.readAdapter()));
    engine.step(bad, { ...stage1, step: 1 });
    engine.step(good, { ...stage1, step: 2 });
    const { steps, fault } = await engine.report();
    expect(steps).toEqual([]);
    expect(fault).toMatchObject({ kind: 'not-finite', step: 1 });
    expect(bits(unwrap(await engine.readAdapter()))).toBe(before);
    engine.step(good, { ...stage1, step: 1 });
    const again = await engine.report();
    expect(again.fault).toBeNull();
    expect(again.steps.map(({ step }) => step)).toEqual([1]);
    const straight = await started(tune);
    for (const step of [0, 1]) straight.step(good, { ...stage1, step });
    expect((await straight.report()).steps).toHaveLength(2);
    expect(bits(unwrap(await engine.readAdapter()))).toBe(bits(unwrap(await straight.readAdapter())));
    engine.dispose();
    straight.dispose();
  });

  test('two runs with a drop are equal bit for bit, memory falls at the drop and stays flat', async () => {
    const run = async (): Promise<string> => {
      const engine = await started('norms');
      for (let step = 0; step < 3; step++)
        engine.step(randomBatch(micro, 2, classes, step), { ...stage1, step });
      await engine.report();
      const before = engine.memory();
      const adapter = unwrap(await engine.readAdapter());
      unwrap(
        await engine.writeAdapter(
          dropBranches(adapter, new Map(adapter.modules.map(({ name }, i) => [name, i % 4]))),
        ),
      );
      const after = engine.memory();
      expect(after.bufferBytes).toBeLessThan(before.bufferBytes);
      for (let step = 3; step < 6; step++)
        engine.step(randomBatch(micro, 2, classes, step), { ...stage1, step });
      const { steps } = await engine.report();
      expect(steps).toHaveLength(3);
      expect(engine.memory()).toMatchObject({ bufferBytes: after.bufferBytes, count: after.count });
      const state = bits(unwrap(await engine.readAdapter()));
      engine.dispose();
      return state;
    };
    expect(await run()).toBe(await run());
  });

  test('stage 2 moves scalars and head and leaves branches and backbone as they are', async () => {
    const engine = await started('all');
    const before = unwrap(await engine.readAdapter());
    engine.step(randomBatch(micro, 2, classes), {
      ...stage1,
      trains: { branches: false, scalars: true, head: true },
    });
    expect((await engine.report()).fault).toBeNull();
    const after = unwrap(await engine.readAdapter());
    expect(after.backbone).toEqual(before.backbone);
    after.modules.forEach(({ branches, scalar }, i) => {
      expect(branches).toEqual(before.modules[i]?.branches);
      expect(scalar).not.toBe(before.modules[i]?.scalar);
    });
    engine.dispose();
  });

  const odd: [string, Variant][] = [
    [
      'widths that 4 does not divide, all targets, rank 1',
      {
        change: { dim: 15, heads: 3, mlpDim: 21, patchSize: 4 },
        options: { targets: 'all', rank: 1, branches: 3 },
        classes: 3,
      },
    ],
    [
      'one block, two classes, one branch',
      {
        change: { dim: 10, heads: 2, depth: 1, mlpDim: 12 },
        options: { targets: 'qkv+proj', rank: 3, branches: 1 },
        classes: 2,
      },
    ],
    ...Object.entries(families),
  ];

  test.each(odd)('agrees with the autodiff engine: %s', async (_, variant) => {
    await checkVariant(kernelEngine(), autodiffOn('cpu'), variant);
  });

  test('augmented: gradients agree with the autodiff engine, and differ from those of whole images', async () => {
    const config = { ...micro, imageSize: 24 };
    const adapter = randomAdapter(config, classes);
    const prepared = async (make: () => Promise<Engine>): Promise<Engine> => {
      const engine = await make();
      const augmented = { mixes: true, cuts: true, colours: true, erases: true, rotates: true } as const;
      const options = { batch: 4, classes, ...augmented };
      unwrap(await engine.prepare(randomModel(config), adapter, plainNormalisation, options));
      return engine;
    };
    const [mine, other] = [await prepared(kernelEngine()), await prepared(autodiffOn('cpu'))];
    const batch = randomBatch(config, 4, classes);
    const of = async (engine: Engine, given: Batch): Promise<Gradients> =>
      unwrap(await engine.gradients(given, new Map()));
    const whole = await of(mine, batch);
    const random = { randAugment: 3, randAugmentStrength: 0.5 } as const;
    const draws = {
      augment: 'crop+flip',
      smallestCrop: 0.35,
      upsideDown: 'yes',
      rotation: 25,
      ...random,
    } as const;
    const cropped: Batch = { ...batch, crops: cropsOf(draws, config.imageSize, 3, 5, 4) };
    const coloured = withColours(
      cropped,
      { colourJitter: 0.8, seed: 3, ...random },
      plainNormalisation,
      config.imageSize,
      5,
    );
    const erased: Batch = {
      ...coloured,
      erased: [null, { left: 3, top: 5, right: 20, bottom: 12 }, null, null],
    };
    const mix = { partners: Int32Array.of(1, 3, 2, 0), share: 0.7 };
    const box = { left: 7, top: 0, right: 19, bottom: 13 };
    // One engine, prepared for all: what a batch leaves out must change nothing.
    for (const given of [
      erased,
      { ...erased, mix },
      { ...erased, mix: { ...mix, box } },
      coloured,
      cropped,
    ]) {
      const [got, expected] = [await of(mine, given), await of(other, given)];
      assertClose('logits', got.logits.data, expected.logits.data, { abs: 1e-5, rel: 0 });
      for (const [name, { data }] of expected.gradients)
        assertClose(name, got.gradients.get(name)!.data, data, { abs: 1e-5, rel: 1e-4 });
      expect(largestDifference(whole.logits.data, got.logits.data)).toBeGreaterThan(0.01);
    }
    expect((await of(mine, batch)).logits.data).toEqual(whole.logits.data);
    for (const engine of [mine, other]) engine.dispose();
  });

  describe.each(['norms', 'biases', 'all'] as const)('what is tuned of the backbone: %s', (tune) => {
    test('is where the model has it: logits of other values are those of a model that has them', async () => {
      const engine = await started(tune);
      const { pixels } = randomBatch(micro, 2, classes);
      const adapter = tuning(tune);
      const moved = new Map(
        [...adapter.backbone!].map(([name, { shape, data }], i) => [
          name,
          ndArray(
            shape,
            randomValues(i, data.length).map((by, k) => data[k]! + 0.1 * by),
          ),
        ]),
      );
      const before = unwrap(await engine.evaluate(pixels, new Map()));
      unwrap(await engine.writeAdapter({ ...adapter, backbone: moved }));
      const got = unwrap(await engine.evaluate(pixels, new Map()));
      expect(unwrap(await engine.readAdapter()).backbone).toEqual(moved);
      const other = await kernelEngine()();
      const replaced = { ...model, weights: withTuned(model.weights, { backbone: moved }) };
      const shapes = { batch: 2, classes };
      unwrap(await other.prepare(replaced, randomAdapter(micro, classes), plainNormalisation, shapes));
      const expected = unwrap(await other.evaluate(pixels, new Map()));
      assertClose('logits', got.data, expected.data, { abs: 1e-6, rel: 0 });
      expect(largestDifference(before.data, got.data)).toBeGreaterThan(0.01);
      for (const each of [engine, other]) each.dispose();
    });

    test('has the slope of the loss as its gradient, in micro-batches and with a block computed twice', async () => {
      const engine = await started(tune, { batch: 4, microBatch: 2, recomputedBlocks: 1 });
      const whole = await started(tune, { batch: 4 });
      const adapter = tuning(tune);
      const batch = randomBatch(micro, 4, classes);
      const { gradients } = unwrap(await engine.gradients(batch, new Map()));
      const others = unwrap(await whole.gradients(batch, new Map())).gradients;
      for (const [name, values] of adapter.backbone!) {
        const { data } = gradients.get(paramNames.backbone(name))!;
        assertClose(name, others.get(paramNames.backbone(name))!.data, data, { abs: 1e-6, rel: 1e-4 });
        const length = Math.hypot(...data);
        // The same is added to every key's score: nothing changes.
        if (name.endsWith('.k.bias')) expect(length).toBeLessThan(1e-6);
        if (name.endsWith('.k.bias')) continue;
        const step = 0.01 / Math.max(1, 10 * length);
        const lossAt = async (steps: number): Promise<number> => {
          const at = values.data.map((value, i) => value + (steps * step * data[i]!) / length);
          const backbone = new Map([...adapter.backbone!, [name, ndArray(values.shape, at)]]);
          unwrap(await engine.writeAdapter({ ...adapter, backbone }));
          return unwrap(await engine.loss(batch, new Map()));
        };
        const [near, far] = [(await lossAt(1)) - (await lossAt(-1)), (await lossAt(2)) - (await lossAt(-2))];
        const slope = (8 * near - far) / (12 * step);
        expect(Math.abs(slope / length - 1), name).toBeLessThan(3e-3);
      }
      for (const each of [engine, whole]) each.dispose();
    });

    test('learns, and goes on from what was read of it as if nothing had been, bit for bit', async () => {
      const [straight, begun, resumed] = [await started(tune), await started(tune), await started(tune)];
      const step = (engine: Engine, at: number): void =>
        engine.step(randomBatch(micro, 2, classes, at), { ...stage1, step: at });
      for (const at of [0, 1, 2, 3]) step(straight, at);
      for (const at of [0, 1]) step(begun, at);
      for (const engine of [straight, begun]) expect((await engine.report()).fault).toBeNull();
      const middle = unwrap(await begun.readAdapter());
      for (const [name, { data }] of tuning(tune).backbone!)
        expect(largestDifference(middle.backbone!.get(name)!.data, data), name).toBeGreaterThan(1e-5);
      unwrap(await resumed.writeAdapter(middle));
      for (const at of [2, 3]) step(resumed, at);
      expect((await resumed.report()).fault).toBeNull();
      expect(bits(unwrap(await resumed.readAdapter()))).toBe(bits(unwrap(await straight.readAdapter())));
      for (const engine of [straight, begun, resumed]) engine.dispose();
    });
  });

  test('trains a head without branches', async () => {
    const engine = await kernelEngine()();
    const head = { ...randomAdapter(micro, classes), modules: [] };
    unwrap(await engine.prepare(model, head, plainNormalisation, { batch: 2, classes }));
    for (const branches of [true, false])
      engine.step(randomBatch(micro, 2, classes), {
        ...stage1,
        step: branches ? 0 : 1,
        trains: { branches, scalars: false, head: true },
      });
    const { steps, fault } = await engine.report();
    expect([fault, steps.length]).toEqual([null, 2]);
    const after = unwrap(await engine.readAdapter());
    expect(largestDifference(after.head.weight.data, head.head.weight.data)).toBeGreaterThan(1e-3);
    engine.dispose();
  });

  test('evaluates any number of images', async () => {
    const engine = await started();
    const five = randomBatch(micro, 5, classes);
    const all = unwrap(await engine.evaluate(five.pixels, new Map()));
    expect(all.shape).toEqual([5, classes]);
    const last = five.pixels.data.subarray(4 * 3 * micro.imageSize ** 2) as Uint8Array;
    const one = unwrap(await engine.evaluate({ kind: 'bytes', data: last }, new Map()));
    expect(Array.from(one.data)).toEqual(Array.from(all.data.subarray(4 * classes)));
    engine.dispose();
  });
});

describe('float16 arithmetic that is asked for', () => {
  const asked = { budgetBytes: null, float16: 'never', arithmetic: 'float16' } as const;
  const wrong = 'The graphics processor computes wrong results in float16.';

  test.each<[string, readonly string[], string | null, boolean, RegExp | null]>([
    ['runs where it is offered and right', ['shader-f16'], null, true, null],
    ['is refused where it is wrong', ['shader-f16'], wrong, false, /wrong results in float16.*in float32\.$/],
    ['is refused where there is none', [], null, false, /does not offer float16.*in float32\.$/],
  ])('%s', async (_, features, problem, runs, note) => {
    const gpu = countingGpu({});
    const codes: string[] = [];
    const make = gpu.device.createShaderModule.bind(gpu.device);
    gpu.device.createShaderModule = (descriptor) => {
      codes.push(descriptor.code);
      return make(descriptor);
    };
    const engine = new KernelEngine(
      { ...gpu, facts: { ...gpu.facts, features } },
      ...[undefined, undefined, undefined, () => Promise.resolve(problem)],
    );
    const shapes = { batch: 2, classes, memory: asked };
    unwrap(
      await engine.prepare(randomModel(micro), randomAdapter(micro, classes), plainNormalisation, shapes),
    );
    const plan = engine.memoryPlan();
    expect(plan.arithmetic).toBe(runs ? 'float16' : 'float32');
    if (note === null) expect(plan.note).toBeNull();
    else expect(plan.note).toMatch(note);
    // Two in each of the blocks and the patch embedding at least.
    const halves = codes.filter((code) => code.startsWith('enable f16;')).length;
    if (runs) expect(halves).toBeGreaterThan(5);
    else expect(halves).toBe(0);
  });
});
