// The loop on the micro ViT and tfjs's cpu backend: phases, pause, single step, stop, drops, stages, leaks, resuming
// after a fault, and that it learns.
import { describe, expect, test } from 'vitest';
import { recipeDefaults, type Recipe } from './recipe.ts';
import { Run } from './loop.ts';
import type { RunInput, RunListener } from './run-input.ts';
import type { Phase } from './phase.ts';
import type { DropRecord, StepRow } from './run-record.ts';
import type { TrainingData } from './training-data.ts';
import { autodiffOn, readerOf } from '../engine/testing/node-backends.ts';
import { identityNormalisation, readMicroModel } from '../engine/testing/reference.ts';
import type { Engine, Memory, Pixels } from '../engine/engine.ts';
import { parametersOf, type Adapter } from '../dmlora/adapter.ts';
import { batchIndices } from '../data/batch-order.ts';
import { randomStream } from '../shared/random.ts';
import { ok, type Result } from '../shared/result.ts';
import path from 'node:path';

const model = await readMicroModel(readerOf(path.resolve(import.meta.dirname, '../../testdata/reference')));
const side = model.config.imageSize;
const size = 3 * side * side;
const bytesNormalisation = { rescale: 1 / 60, mean: [0.7, 0.7, 0.7], std: [1, 1, 1] } as const;

/** Images of noise with a bright corner of their class; `shuffled` gives them labels that mean nothing. */
function makeData(count: number, classes: number, seed = 1, shuffled = false): TrainingData {
  const noise = randomStream(seed, 'augment');
  const images = (from: number, n: number): { pixels: Float32Array; labels: Int32Array } => {
    const pixels = new Float32Array(n * size);
    const labels = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const id = from + i;
      const shown = id % classes;
      labels[i] = shuffled ? noise.bits(id, 999_999) % classes : shown;
      for (let p = 0; p < size; p++) {
        const [y, x] = [Math.floor((p % (side * side)) / side), p % side];
        const bright = Math.floor(x / 8) === shown % 4 && Math.floor(y / 8) === Math.floor(shown / 4);
        pixels[i * size + p] = (noise.uniform(id, p) - 0.5) * 0.3 + (bright ? 3 : 0);
      }
    }
    return { pixels, labels };
  };
  const train = images(0, count);
  const held = images(count, 12);
  const slice = (from: Float32Array, begin: number, end: number): Pixels => ({
    kind: 'normalised',
    data: from.subarray(begin * size, end * size),
  });
  return {
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    trainImages: count,
    train: { slice: (begin, end) => slice(train.pixels, begin, end), labels: train.labels },
    trainBatch(step, batch) {
      const rows = batchIndices(count, batch, step, seed);
      const data = new Float32Array(batch * size);
      rows.forEach((row, i) => data.set(train.pixels.subarray(row * size, (row + 1) * size), i * size));
      return {
        pixels: { kind: 'normalised', data },
        labels: Int32Array.from(rows, (row) => train.labels[row] ?? 0),
      };
    },
    validation: { slice: (begin, end) => slice(held.pixels, begin, end), labels: held.labels },
    test: null,
  };
}

/** The same images as bytes, as the app has them. */
function asBytes(data: TrainingData): TrainingData {
  const bytes = (pixels: Pixels): Pixels => {
    const images = pixels.data.length / size;
    const result = new Uint8Array(pixels.data.length);
    for (let i = 0; i < images; i++)
      for (let p = 0; p < size; p++) {
        const [channel, place] = [Math.floor(p / (side * side)), p % (side * side)];
        result[i * size + 3 * place + channel] = 40 + 60 * (pixels.data[i * size + p] ?? 0);
      }
    return { kind: 'bytes', data: result };
  };
  const { validation } = data;
  return {
    ...data,
    trainBatch: (step, batch) => {
      const made = data.trainBatch(step, batch);
      return { ...made, pixels: bytes(made.pixels) };
    },
    validation: { ...validation, slice: (begin, end) => bytes(validation.slice(begin, end)) },
  };
}

class Log implements RunListener {
  readonly phases: Phase[] = [];
  readonly rows: StepRow[] = [];
  readonly drops: DropRecord[] = [];
  readonly memories: Memory[] = [];
  readonly evaluations: { step: number; loss: number; accuracy: number }[] = [];
  onPhase: (phase: Phase) => void = () => undefined;
  phase(phase: Phase): void {
    this.phases.push(phase);
    this.onPhase(phase);
  }
  step(row: StepRow, _pace: unknown, memory: Memory): void {
    this.rows.push(row);
    this.memories.push(memory);
  }
  dropped(drops: readonly DropRecord[]): void {
    this.drops.push(...drops);
  }
  branches(): void {
    // The picture of the branches is tested in run-record's own terms below.
  }
  evaluated(step: number, metrics: { loss: number; accuracy: number }): void {
    this.evaluations.push({ step, ...metrics });
  }
}

function inputOf(changes: Partial<Recipe>, data = makeData(24, 3), makeEngine = autodiffOn('cpu')): RunInput {
  const recipe: Recipe = {
    ...recipeDefaults,
    steps: 20,
    batch: 6,
    learningRate: 1e-2,
    headStart: 'random',
    augment: 'none', // its pixels are numbers, not bytes
    dmlora: { ...recipeDefaults.dmlora, targets: 'qv' },
    ...changes,
  };
  return {
    model,
    head: null,
    normalisation: identityNormalisation,
    data,
    recipe,
    makeEngine: async (): Promise<Result<Engine>> => ok(await makeEngine()),
  };
}

async function finished(input: RunInput, log = new Log()): Promise<{ run: Run; log: Log }> {
  const run = new Run(input, log);
  expect((await run.prepare()).ok).toBe(true);
  await run.train();
  return { run, log };
}

const bytesOf = (adapter: Adapter): string =>
  [...parametersOf(adapter)].map(([name, { data }]) => `${name}:${data.join()}`).join('|');

describe('a run', () => {
  test('goes through drops and stage 2 to the end and records all of it', async () => {
    const { run, log } = await finished(inputOf({}));
    expect(run.phase).toMatchObject({ kind: 'finished', step: 20, early: false });
    expect(log.rows.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect([...new Set(log.drops.map(({ step }) => step))]).toEqual([2, 8]);
    expect(log.drops).toHaveLength(2 * 4); // two events, q and v of two blocks
    expect(run.adapter.modules.every(({ branches }) => branches.length === 2)).toBe(true);
    const record = run.record();
    expect(record?.drops).toEqual(log.drops);
    expect(record?.scalarsKept).not.toBeNull();
    for (const { module, branches } of run.modules) {
      expect(branches.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      const gone = log.drops.filter((drop) => drop.module === module);
      for (const { index, droppedAt, strength } of branches) {
        expect(droppedAt).toBe(gone.find(({ branch }) => branch === index)?.step ?? null);
        expect(strength).toBeGreaterThan(0);
      }
    }
    run.dispose();
  });

  test('stage 1 leaves the scalars, stage 2 leaves the branches; a worse stage 2 is thrown away', async () => {
    const seen: { stage: number; adapter: Adapter }[] = [];
    const input = inputOf({ scalarRate: 0.5 });
    const watching = async (): Promise<Result<Engine>> => {
      const engine = await autodiffOn('cpu')();
      const [step, report] = [engine.step.bind(engine), engine.report.bind(engine)];
      let stage = 1;
      engine.step = (batch, control): void => {
        stage = control.trains.scalars ? 2 : 1;
        step(batch, control);
      };
      engine.report = async (): ReturnType<Engine['report']> => {
        const outcome = await report();
        const adapter = await engine.readAdapter();
        if (adapter.ok) seen.push({ stage, adapter: adapter.value });
        return outcome;
      };
      return ok(engine);
    };
    const { run, log } = await finished({ ...input, makeEngine: watching });
    const scalars = (adapter: Adapter): number[] => adapter.modules.map(({ scalar }) => scalar);
    const branches = (adapter: Adapter): string =>
      JSON.stringify(adapter.modules.map((module) => module.branches));
    const [first, second] = [1, 2].map((stage) => seen.filter((entry) => entry.stage === stage));
    expect(first!.every(({ adapter }) => scalars(adapter).every((value) => value === 1))).toBe(true);
    expect(new Set(second!.map(({ adapter }) => branches(adapter))).size).toBe(1);
    expect(scalars(second!.at(-1)!.adapter)).not.toEqual(scalars(first!.at(-1)!.adapter));
    const atStage2 = log.evaluations.find(({ step }) => step === 16);
    const end = log.evaluations.filter(({ step }) => step === 20)[0];
    const kept = run.record()?.scalarsKept;
    expect(kept).toBe(end!.loss <= atStage2!.loss);
    const learned = Object.values(run.record()?.learnedScalars ?? {});
    expect(learned).toEqual(scalars(second!.at(-1)!.adapter));
    if (kept !== true) {
      expect(scalars(run.adapter)).toEqual([1, 1, 1, 1]);
      expect(run.record()?.validation.loss).toBe(atStage2!.loss);
    }
    run.dispose();
  });

  test('pauses, makes single steps, resumes and ends as an undisturbed run does, bit for bit', async () => {
    const plain = await finished(inputOf({}));
    const log = new Log();
    const run = new Run(inputOf({}), log);
    let pauses = 0;
    log.onPhase = (phase): void => {
      if (phase.kind === 'training' && phase.step === 5) run.pause();
      if (phase.kind !== 'paused') return;
      pauses += 1;
      expect(phase.step).toBe(5 + pauses);
      setTimeout(() => (pauses < 4 ? run.single() : run.resume()), 1);
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(pauses).toBe(4);
    expect(log.rows).toEqual(plain.log.rows);
    expect(bytesOf(run.adapter)).toBe(bytesOf(plain.run.adapter));
    run.dispose();
    plain.run.dispose();
  });

  test('stops early with what it has learned, evaluated', async () => {
    const log = new Log();
    const run = new Run(inputOf({}), log);
    log.onPhase = (phase): void => {
      if (phase.kind === 'training' && phase.step === 7) run.stop();
    };
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toEqual({ kind: 'finished', step: 8, steps: 20, early: true });
    expect(log.evaluations.at(-1)?.step).toBe(8);
    run.dispose();
  });

  test.each([
    ['', {}],
    [', with augmentation', { augment: 'crop+flip' }],
  ] as const)(
    'goes on after a fault from its last snapshot and ends as an undisturbed run does%s',
    async (_, changes) => {
      const input = { ...inputOf(changes, asBytes(makeData(24, 3))), normalisation: bytesNormalisation };
      const plain = await finished(input);
      const crops = new Set<string>();
      let failures = 1;
      const breaking = async (): Promise<Result<Engine>> => {
        const engine = await autodiffOn('cpu')();
        const report = engine.report.bind(engine);
        let step = -1;
        const enqueue = engine.step.bind(engine);
        engine.step = (batch, control): void => {
          step = control.step;
          crops.add(JSON.stringify(batch.crops ?? 'none'));
          enqueue(batch, control);
        };
        engine.report = async (): ReturnType<Engine['report']> => {
          const outcome = await report();
          if (step !== 11 || failures === 0) return outcome;
          failures -= 1;
          return { steps: [], fault: { kind: 'device-lost', step, detail: 'taken away by the test' } };
        };
        return ok(engine);
      };
      const log = new Log();
      const run = new Run({ ...input, makeEngine: breaking }, log);
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      expect(run.phase).toMatchObject({ kind: 'failed', resumable: true, fault: { kind: 'device-lost' } });
      const from = run.phase.kind === 'failed' ? run.phase.step : NaN;
      expect(from).toBeGreaterThan(0);
      expect(from).toBeLessThanOrEqual(11);
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      expect(run.phase.kind).toBe('finished');
      expect(bytesOf(run.adapter)).toBe(bytesOf(plain.run.adapter));
      expect(run.record()?.drops).toEqual(plain.run.record()?.drops);
      expect(crops.size).toBe('augment' in changes ? 20 : 1);
      run.dispose();
      plain.run.dispose();
    },
  );

  test('a learning rate that explodes ends before the weights do', async () => {
    const { run } = await finished(inputOf({ learningRate: 1e30, learningRateFloor: 0 }));
    expect(run.phase).toMatchObject({ kind: 'failed', fault: { kind: 'not-finite' } });
    for (const { data } of parametersOf(run.adapter).values())
      expect(data.every((value) => Number.isFinite(value))).toBe(true);
    run.dispose();
  });
});

describe('a linear probe as the start', () => {
  test('gives the head, is recorded as the baseline, and is left out where the checkpoint brings a head', async () => {
    const { run } = await finished(inputOf({ headStart: 'probe', steps: 2 }));
    const record = run.record();
    expect(record?.probe?.validation.accuracy).toBe(record?.initialValidation.accuracy);
    expect(record?.probe?.validation.loss).toBeCloseTo(record?.initialValidation.loss ?? NaN, 4);
    const cold = await finished(inputOf({ steps: 2 }));
    expect(cold.run.record()?.probe).toBeNull();
    expect(record!.initialValidation.loss).toBeLessThan(cold.run.record()!.initialValidation.loss);
    const own = await finished({
      ...inputOf({ headStart: 'probe', steps: 2 }),
      head: cold.run.adapter.head,
    });
    expect(own.run.record()?.probe).toBeNull();
    for (const one of [run, cold.run, own.run]) one.dispose();
  });
});

describe('seeds', () => {
  test('the same seed gives the same run, another seed another', async () => {
    const [a, b, c] = [
      await finished(inputOf({ steps: 6 })),
      await finished(inputOf({ steps: 6 })),
      await finished(inputOf({ steps: 6, seed: 2 })),
    ];
    expect(a.log.rows).toEqual(b.log.rows);
    expect(bytesOf(a.run.adapter)).toBe(bytesOf(b.run.adapter));
    expect(a.log.rows).not.toEqual(c.log.rows);
    for (const { run } of [a, b, c]) run.dispose();
  });
});

describe('memory', () => {
  test('the tensor count after step 200 equals that after step 10', async () => {
    const { run, log } = await finished(
      inputOf(
        { steps: 201, dmlora: { ...recipeDefaults.dmlora, dropWindow: [0, 0.01] } },
        makeData(24, 3),
        autodiffOn('wasm'),
      ),
    );
    expect(log.memories).toHaveLength(201);
    expect(log.memories[199]?.count).toBe(log.memories[9]?.count);
    run.dispose();
  });
});

describe('learning', () => {
  test('overfits 16 images', async () => {
    const { run, log } = await finished(
      inputOf(
        { steps: 80, batch: 16, learningRate: 2e-2, dmlora: { ...recipeDefaults.dmlora, targets: 'all' } },
        makeData(16, 4, 3, true),
        autodiffOn('wasm'),
      ),
    );
    expect(Math.max(...log.rows.slice(-10).map(({ accuracy }) => accuracy))).toBe(1);
    run.dispose();
  });

  test('generalises where there is something to learn, and stays at chance where labels mean nothing', async () => {
    const settings = { steps: 100, batch: 16, learningRate: 1e-2 };
    const real = await finished(inputOf(settings, makeData(96, 4), autodiffOn('wasm')));
    const random = await finished(inputOf(settings, makeData(96, 4, 1, true), autodiffOn('wasm')));
    expect(real.run.record()?.validation.accuracy).toBeGreaterThan(0.9);
    // Twelve images, chance 1/4: nine or more right would happen by luck once in 2,500 runs.
    expect(random.run.record()?.validation.accuracy).toBeLessThan(0.75);
    real.run.dispose();
    random.run.dispose();
  });
});

test('an engine that takes several steps at once is given no step beyond an event', async () => {
  const bursts: number[][] = [];
  const eager = async (): Promise<Result<Engine>> => {
    const engine = await autodiffOn('cpu')();
    const [step, report, describe] = [
      engine.step.bind(engine),
      engine.report.bind(engine),
      engine.describe.bind(engine),
    ];
    let burst: number[] = [];
    engine.describe = (): ReturnType<Engine['describe']> => ({ ...describe(), stepsInFlight: 4 });
    engine.step = (batch, control): void => {
      burst.push(control.step);
      step(batch, control);
    };
    engine.report = (): ReturnType<Engine['report']> => {
      bursts.push(burst);
      burst = [];
      return report();
    };
    return ok(engine);
  };
  const { run, log } = await finished({ ...inputOf({ steps: 100, batch: 2 }), makeEngine: eager });
  expect(bursts.flat()).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(Math.max(...bursts.map((burst) => burst.length))).toBe(2); // looks come after every second step here
  expect(log.rows.map(({ step }) => step)).toEqual(bursts.flat());
  const events = new Set([10, 40, 80]); // two drops and stage 2
  for (const burst of bursts) expect(burst.slice(1).some((step) => events.has(step))).toBe(false);
  run.dispose();
});
