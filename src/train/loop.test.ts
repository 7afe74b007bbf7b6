// The loop on the micro ViT and tfjs's cpu backend: phases, pause, single step, stop, drops, stages, leaks,
// resuming after a fault, and that it learns.
import { describe, expect, test } from 'vitest';
import { allOpen, isOfSides, parametersOf, type Adapter, type Gates } from '../dmlora/adapter.ts';
import { stochasticGates } from '../dmlora/stochastic-gates.ts';
import type { Engine, Pixels } from '../engine/engine.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { fail, ok, unwrap, type Result } from '../shared/result.ts';
import type { LinearLora } from '../dmlora/lora-start.ts';
import { isBetter, logitsOf, metricsOf } from './evaluation.ts';
import { Run } from './run.ts';
import { initialState } from './run-state.ts';
import type { RunInput } from './run-input.ts';
import { prepareOptions, type LabelledPixels } from './training-data.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { losingEngine } from './testing/losing-engine.ts';
import { asBytes, bytesNormalisation, finished, inputOf, Log, makeData, model } from './testing/micro-run.ts';

const bytesOf = (adapter: Adapter): string =>
  [...parametersOf(adapter)].map(([name, { data }]) => `${name}:${data.join()}`).join('|');

describe('a run', () => {
  test('goes through drops and stage 2 to the end and records all of it', async () => {
    const { run, log } = await finished(inputOf({}));
    expect(run.phase).toMatchObject({ kind: 'finished', step: 20, end: 'all-steps' });
    expect(log.rows.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect([...new Set(log.drops.map(({ step }) => step))]).toEqual([2, 8]);
    expect(log.drops).toHaveLength(2 * 4); // two events, q and v of two blocks
    const record = run.record();
    expect(record?.drops).toEqual(log.drops);
    expect(run.adapter.modules.every(({ branches }) => branches.length === 2)).toBe(true);
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

  test('fades branches out step by step before they leave, and its record says when', async () => {
    const told: (readonly number[])[] = [];
    const dmlora = { ...inputOf({}).recipe.dmlora, dropEffect: 'fade', fadeSteps: 4 } as const;
    const input = inputOf({ dmlora });
    const makeEngine = async (): Promise<Result<Engine>> => {
      const engine = await autodiffOn('cpu')();
      const step = engine.step.bind(engine);
      engine.step = (batch, control): void => {
        const own = control.gates.get('blocks.0.q') ?? [];
        if (!isOfSides(own)) told.push(own.filter((gate) => gate < 1));
        step(batch, control);
      };
      return ok(engine);
    };
    const { run, log } = await finished({ ...input, makeEngine });
    expect(told).toEqual(
      Array.from(
        { length: 20 },
        (_, step) => ({ 3: [0.75], 4: [0.5], 5: [0.25], 9: [0.75], 10: [0.5], 11: [0.25] })[step] ?? [],
      ),
    );
    expect([...new Set(log.drops.map(({ step }) => step))]).toEqual([6, 12]);
    expect(run.adapter.modules.every(({ branches }) => branches.length <= 4)).toBe(true);
    expect(run.state.dropEvents).toBe(2);
    expect(run.state.dropped).toEqual([]);
    expect(log.drops.some(({ lossBefore, lossAfter }) => lossBefore !== lossAfter)).toBe(true);
    run.dispose();
  });

  test('draws the gates of each step of stage 1, and evaluates, learns scalars and ends with all branches in', async () => {
    const dmlora = { ...inputOf({}).recipe.dmlora, dropMode: 'stochastic', dropRate: 0.6 } as const;
    const input = inputOf({ dmlora });
    const [told, asked]: [Gates[], Gates[]] = [[], []];
    const makeEngine = async (): Promise<Result<Engine>> => {
      const engine = await autodiffOn('cpu')();
      const [step, evaluate] = [engine.step.bind(engine), engine.evaluate.bind(engine)];
      engine.step = (batch, control): void => {
        told.push(control.gates);
        step(batch, control);
      };
      engine.evaluate = (pixels, gates, signal) => {
        asked.push(gates);
        return evaluate(pixels, gates, signal);
      };
      return ok(engine);
    };
    const { run, log } = await finished({ ...input, makeEngine });
    const { seed } = input.recipe;
    told.forEach((gates, step) =>
      expect(gates).toEqual(step < 16 ? stochasticGates(run.adapter, dmlora, step, 20, seed) : allOpen),
    );
    expect(told.filter((gates) => gates.size > 0).length).toBeGreaterThan(10);
    expect(asked.every((gates) => gates === allOpen)).toBe(true);
    expect(log.drops).toEqual([]);
    expect(run.adapter.modules.every(({ branches }) => branches.length === 4)).toBe(true);
    run.dispose();
  });

  test('that is short makes the drops that fall on one step, all of them', async () => {
    const { run, log } = await finished(inputOf({ steps: 3 }));
    expect(run.plan.drops.map(({ step }) => step)).toEqual([1, 1]);
    expect(log.drops).toHaveLength(2 * 4);
    run.dispose();
  });

  test('stage 1 leaves the scalars, stage 2 leaves the branches; the best state is what stays', async () => {
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
    const best = log.evaluations.reduce((a, b) => (isBetter(b, a) ? b : a));
    const record = run.record();
    expect(record?.keptStep).toBe(best.step);
    expect(record?.validation).toEqual({ loss: best.loss, accuracy: best.accuracy });
    expect(record?.scalarsKept).toBe(best.step > 16);
    expect(Object.values(record?.learnedScalars ?? {})).toEqual(scalars(second!.at(-1)!.adapter));
    expect(scalars(run.adapter).every((value) => value === 1)).toBe(record?.scalarsKept === false);
    // What the engine holds is the result too, and so is what is kept of its answers.
    const { labels } = input.data.validation;
    expect(metricsOf(unwrap(await run.validationLogits()), labels)).toEqual(record?.validation);
    const { answer = [], loss = [] } = run.state.answers ?? {};
    expect([...labels].filter((label, i) => answer[i] === label).length / labels.length).toBe(best.accuracy);
    expect([...loss].reduce((a, b) => a + b, 0) / labels.length).toBeCloseTo(best.loss, 5);
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
    expect(run.phase).toEqual({ kind: 'finished', step: 8, steps: 20, end: 'stopped' });
    expect(log.evaluations.at(-1)?.step).toBe(8);
    run.dispose();
  });

  // Validations after every fourth step, drops at 2 and 8, stage 2 from 16; at such a rate nothing gets
  // better.
  test.each([
    ['after the last drop', 1, {}, 12],
    ['before stage 2, which is left out', 2, {}, 16],
    ['without drops', 2, { dmlora: { ...recipeDefaults.dmlora, targets: 'qv', dropMode: 'none' } }, 8],
  ] as const)('ends by itself when its patience is used up: %s', async (_, patience, changes, step) => {
    const input = inputOf({ learningRate: 1e-30, learningRateFloor: 0, ...changes, patience });
    const { run, log } = await finished(input);
    expect(run.phase).toEqual({ kind: 'finished', step, steps: 20, end: 'no-better' });
    expect(log.evaluations.at(-1)?.step).toBe(step);
    expect(run.record()).toMatchObject({ steps: step, end: 'no-better', keptStep: 0, scalarsKept: null });
    // The result is the best state, from before the drops, which all happened.
    expect(run.state.dropEvents).toBe(run.plan.drops.length);
    expect(run.adapter.modules.every(({ branches }) => branches.length === 4)).toBe(true);
    run.dispose();
  });

  test('that gets better in time ends as one without patience, bit for bit', async () => {
    const plain = await finished(inputOf({}));
    const patient = await finished(inputOf({ patience: 5 }));
    expect(patient.run.phase).toEqual(plain.run.phase);
    expect(patient.log.rows).toEqual(plain.log.rows);
    expect(bytesOf(patient.run.adapter)).toBe(bytesOf(plain.run.adapter));
    for (const { run } of [plain, patient]) run.dispose();
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
      expect(run.phase.kind).toBe('finished');
      expect(log.phases.some(({ kind }) => kind === 'failed')).toBe(false);
      expect(log.recoveries).toMatchObject([{ kind: 'device-lost', step: 11, kept: 11 }]);
      expect(bytesOf(run.adapter)).toBe(bytesOf(plain.run.adapter));
      expect(run.record()?.drops).toEqual(plain.run.record()?.drops);
      expect(crops.size).toBe('augment' in changes ? 20 : 1);
      run.dispose();
      plain.run.dispose();
    },
  );

  test('a device that is lost twice within a minute ends the run, kept; one lost later is made anew', async () => {
    const lostAt = async (clock: readonly number[]): Promise<{ run: Run; log: Log }> => {
      const times = [...clock];
      const left = [3, 5];
      const breaking = async (): Promise<Result<Engine>> => {
        const engine = await autodiffOn('cpu')();
        const report = engine.report.bind(engine);
        engine.report = async (): ReturnType<Engine['report']> => {
          const outcome = await report();
          const step = outcome.steps.at(-1)?.step ?? -1;
          if (step !== left[0]) return outcome;
          left.shift();
          return { steps: [], fault: { kind: 'device-lost', step, detail: 'taken away by the test' } };
        };
        return ok(engine);
      };
      const log = new Log();
      const input = { ...inputOf({}), makeEngine: breaking };
      const run = new Run(input, log, undefined, () => times.shift() ?? NaN);
      expect((await run.prepare()).ok).toBe(true);
      await run.train();
      return { run, log };
    };
    const soon = await lostAt([0, 59_999]);
    const fault = { kind: 'device-lost', step: 5, kept: 5, again: true };
    expect(soon.run.phase).toMatchObject({ kind: 'failed', resumable: true, step: 5, fault });
    expect(soon.log.recoveries).toHaveLength(1);
    expect((await soon.run.prepare()).ok).toBe(true);
    await soon.run.train();
    const later = await lostAt([0, 60_000]);
    expect(later.log.recoveries).toHaveLength(2);
    for (const { run } of [soon, later]) expect(run.phase.kind).toBe('finished');
    expect(bytesOf(soon.run.adapter)).toBe(bytesOf(later.run.adapter));
    for (const { run } of [soon, later]) run.dispose();
  });

  test('a loss that an evaluation meets is told at its step, and what cannot be got over ends the run there', async () => {
    let engines = 0;
    const breaking = async (): Promise<Result<Engine>> => {
      engines += 1;
      if (engines > 1) return fail({ kind: 'no-webgpu', why: 'no-adapter', detail: 'There is no adapter.' });
      const engine = await autodiffOn('cpu')();
      const evaluate = engine.evaluate.bind(engine);
      let asked = 0;
      engine.evaluate = (...given): ReturnType<Engine['evaluate']> => {
        asked += 1;
        if (asked <= 2) return evaluate(...given);
        return Promise.resolve(fail({ kind: 'device-lost', step: 0, detail: 'Taken away' }));
      };
      return ok(engine);
    };
    const run = new Run({ ...inputOf({}), makeEngine: breaking }, new Log());
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    const detail = 'Taken away. There is no adapter.';
    expect(run.phase).toMatchObject({ resumable: true, fault: { kind: 'device-lost', again: true, detail } });
    const { fault, step } = run.phase.kind === 'failed' ? run.phase : { fault: null, step: NaN };
    expect(step).toBeGreaterThan(0);
    expect(fault).toMatchObject({ step, kept: step });
    run.dispose();
  });

  test('ends on any engine where its own cannot be had any more, and goes on on its own alone', async () => {
    const asked: boolean[] = [];
    const makeEngine: RunInput['makeEngine'] = async (_, orAny = false) => {
      asked.push(orAny);
      if (asked.length > 1 && !orAny)
        return fail({ kind: 'no-webgpu', why: 'no-adapter', detail: 'There is no adapter.' });
      const engine = await autodiffOn('cpu')();
      const losing = losingEngine(engine, asked.length === 1 ? 6 : null);
      return ok(losing.engine);
    };
    const run = new Run({ ...inputOf({}), makeEngine }, new Log());
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'failed', resumable: true });
    run.resume();
    expect((await run.prepare()).ok).toBe(false);
    run.stop();
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'finished', end: 'stopped' });
    expect(asked).toEqual([false, false, false, true]);
    run.dispose();
  });

  test('takes smaller parts of a batch when memory runs out, with the same steps, and ends when none is smaller', async () => {
    const failing = (refuse: (microBatch: number | undefined, step: number) => boolean) => {
      const asked: (number | undefined)[] = [];
      const makeEngine = async (): Promise<Result<Engine>> => {
        const engine = await autodiffOn('cpu')();
        const [prepare, report] = [engine.prepare.bind(engine), engine.report.bind(engine)];
        let images: number | undefined;
        engine.prepare = (model, adapter, normalisation, options): ReturnType<Engine['prepare']> => {
          images = options.microBatch;
          asked.push(images);
          return prepare(model, adapter, normalisation, options);
        };
        engine.report = async (): ReturnType<Engine['report']> => {
          const outcome = await report();
          if (!refuse(images, outcome.steps.at(-1)?.step ?? -1)) return outcome;
          return { steps: [], fault: { kind: 'out-of-memory', askedBytes: 1, detail: 'by the test' } };
        };
        return ok(engine);
      };
      return { asked, makeEngine };
    };
    const plain = await finished(inputOf({}));
    const small = failing((images, step) => step === 4 && (images ?? 6) > 2);
    const { run, log } = await finished({ ...inputOf({}), makeEngine: small.makeEngine });
    expect(small.asked).toEqual([undefined, 3, 2]);
    expect(log.recoveries).toMatchObject([{ microBatch: 3 }, { microBatch: 2 }]);
    expect(run.phase.kind).toBe('finished');
    // The same images in the same steps; sums in another order differ in float32's last digits (F11).
    const rows = new Map(log.rows.map((row) => [row.step, row]));
    for (const { step, loss } of plain.log.rows)
      expect(Math.abs((rows.get(step)?.loss ?? NaN) / loss - 1)).toBeLessThan(1e-3);
    const none = failing((_, step) => step === 4);
    const ended = await finished({ ...inputOf({}), makeEngine: none.makeEngine });
    expect(none.asked).toEqual([undefined, 3, 2, 1]);
    expect(ended.run.phase).toMatchObject({ kind: 'failed', fault: { kind: 'out-of-memory' } });
    for (const each of [plain.run, run, ended.run]) each.dispose();
  });

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
    expect(record?.probe?.validation).toEqual(record?.initialValidation);
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

describe('before the first step', () => {
  /** How many images of which set a run looks at before its first step, by what; and after its last one. */
  async function asked(changes: Parameters<typeof inputOf>[0]): Promise<[object, object]> {
    const made = makeData(24, 3);
    const [before, after] = [new Map<string, number>(), new Map<string, number>()];
    let counts = before;
    let set = '';
    const noted = (name: string, images: LabelledPixels): LabelledPixels => ({
      labels: images.labels,
      slice: (begin, end) => {
        set = name;
        return images.slice(begin, end);
      },
    });
    const data = {
      ...made,
      train: noted('train', made.train),
      validation: noted('validation', made.validation),
      test: noted('test', makeData(20, 3, 9).train),
    };
    const makeEngine = async (): Promise<Engine> => {
      const engine = await autodiffOn('cpu')();
      const evaluate = engine.evaluate.bind(engine);
      const features = engine.features.bind(engine);
      const step = engine.step.bind(engine);
      const count = (what: string, { data: { length } }: Pixels): void => {
        const key = `${set} ${what}`;
        counts.set(key, (counts.get(key) ?? 0) + length / (3 * model.config.imageSize ** 2));
      };
      engine.evaluate = (pixels, gates): ReturnType<Engine['evaluate']> => {
        count('evaluated', pixels);
        return evaluate(pixels, gates);
      };
      engine.features = (pixels, gates): ReturnType<Engine['features']> => {
        count('features', pixels);
        return features(pixels, gates);
      };
      engine.step = (...given): void => {
        counts = after;
        step(...given);
      };
      return engine;
    };
    const { run } = await finished(inputOf({ steps: 2, ...changes }, data, makeEngine));
    run.dispose();
    return [Object.fromEntries(before), Object.fromEntries(after)];
  }

  test('no test image is looked at, and with a probe no image twice', async () => {
    const [before, after] = await asked({ headStart: 'probe' });
    expect(before).toEqual({ 'train features': 24, 'validation features': 12 });
    expect(after).toMatchObject({ 'test features': 20, 'test evaluated': 20 });
  });

  test('without a probe the start is evaluated', async () => {
    const [before, after] = await asked({ headStart: 'random' });
    expect(before).toEqual({ 'validation evaluated': 12 });
    expect(after).toMatchObject({ 'test evaluated': 20 });
  });

  const { dim } = model.config;
  const filled = (rows: number, columns: number): NdArray =>
    ndArray(
      [rows, columns],
      Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i)),
    );
  const lora: LinearLora = { block: 0, linear: 'q', scale: 1, A: filled(2, dim), B: filled(dim, 2) };

  test.each([
    ['of the frozen model', []],
    ['of base and adapter', [lora]],
  ])("the probe's test is that %s, though branches have learned and left", async (_, start) => {
    const data = { ...makeData(24, 3), test: makeData(20, 3, 9).train };
    const of = (steps: number): ReturnType<typeof finished> =>
      finished({ ...inputOf({ headStart: 'probe', steps }, data), start });
    const [long, short] = [await of(20), await of(1)];
    const record = long.run.record();
    expect(long.log.drops.length).toBeGreaterThan(0);
    expect(record?.probe?.test).toEqual(short.run.record()?.probe?.test);
    expect(record?.probe?.test?.loss).not.toBe(record?.test?.loss);
    // Asked of an engine that holds nothing but the start and the probe's head.
    const state = initialState({ ...inputOf({}, data), start });
    const engine = await autodiffOn('cpu')();
    const { model: frozen, normalisation, recipe } = inputOf({}, data);
    const options = prepareOptions(recipe, data, 6);
    const head = long.run.state.probe?.head ?? state.adapter.head;
    unwrap(await engine.prepare(frozen, { ...state.adapter, head }, normalisation, options));
    const { loss } = metricsOf(unwrap(await logitsOf(engine, data.test, 6)), data.test.labels);
    engine.dispose();
    expect(record?.probe?.test?.loss).toBeCloseTo(loss, 5);
    // The engine of the run holds the result again.
    const held = unwrap((await long.run.engine?.readAdapter()) ?? ok(state.adapter));
    expect(bytesOf(held)).toBe(bytesOf(long.run.adapter));
    for (const { run } of [long, short]) run.dispose();
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
