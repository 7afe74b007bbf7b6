// The engine's promise in numbers, as gates: what one steady step of ViT-Tiny at 197 tokens (K = 4, q and v)
// asks of WebGPU, and the memory it needs, at any batch size. Counted on a device that computes nothing.
import { describe, expect, test } from 'vitest';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { sameColour } from '../augmentation.ts';
import { rotated, wholeImage } from '../crop.ts';
import type { Batch, PrepareOptions } from '../engine.ts';
import { totalBytes } from './device/device-memory.ts';
import { KernelEngine } from './kernels-engine.ts';
import { countingGpu, type Counts } from '../checks/counting-device.ts';
import { asCrossed } from '../checks/crossed-check.ts';
import { tunedStart } from '../../dmlora/tuned.ts';
import {
  plainNormalisation,
  randomAdapter,
  randomBatch,
  randomModel,
  stage1,
  tiny,
} from '../checks/random-model.ts';
import type { Phase } from './step/trace.ts';
import { gpuTuning, processorTuning, subgroupTuning } from './tuning/tuning.ts';

const model = randomModel(tiny);
const classes = 10;

/** The engine's clock: a device that computes nothing takes no time. */
const clock = { ms: 0 };

async function planned(
  batch: number,
  tuning = gpuTuning,
  more: Partial<PrepareOptions> = {},
): Promise<{ engine: KernelEngine; counts: Counts }> {
  const counts: Counts = {};
  const engine = new KernelEngine(countingGpu(counts), tuning, undefined, () => clock.ms);
  const done = await engine.prepare(model, randomAdapter(tiny, classes), plainNormalisation, {
    batch,
    classes,
    pixels: 'bytes',
    ...more,
  });
  if (!done.ok) throw new Error(JSON.stringify(done.fault));
  return { engine, counts };
}

async function countsOfStep(
  engine: KernelEngine,
  counts: Counts,
  batch: number,
  control = stage1,
  more: Partial<Batch> = {},
): Promise<Counts> {
  for (const key of Object.keys(counts)) if (key !== 'bytes') counts[key] = 0;
  engine.step({ ...randomBatch(tiny, batch, classes), ...more }, control);
  const { steps, fault } = await engine.report();
  expect(fault).toBeNull();
  expect(steps).toHaveLength(1);
  return { ...counts };
}

/** What a step asks for beside its dispatches with what each of them needs, and beside memory. */
const besideDispatches = (all: Counts): Counts => ({
  ...all,
  ...{ dispatches: 0, setPipeline: 0, setBindGroup: 0, bytes: 0 },
});

describe('one step of ViT-Tiny, 197 tokens, K = 4, q and v', () => {
  test.each([
    ['gpu', gpuTuning],
    ['subgroup', subgroupTuning],
    ['processor', processorTuning],
  ] as const)('asks little of WebGPU (%s tuning), the same at every batch size', async (_, tuning) => {
    const seen = new Map<number, Counts>();
    for (const batch of [1, 2, 3, 8]) {
      const { engine, counts } = await planned(batch, tuning);
      await countsOfStep(engine, counts, batch);
      seen.set(batch, await countsOfStep(engine, counts, batch));
    }
    const dispatches = (batch: number): number => seen.get(batch)?.['dispatches'] ?? 0;
    // Beyond 256 rows the gradients are summed in chunks, which takes one dispatch more; one image has 197.
    expect(dispatches(2) - dispatches(1)).toBe(1);
    expect([dispatches(3), dispatches(8)]).toEqual([dispatches(2), dispatches(2)]);
    // Without shared rows the gradient of attention is two dispatches.
    expect(dispatches(8)).toBe(tuning === subgroupTuning ? 200 : 212);
    for (const counts of seen.values()) {
      // Pixels come through mapped buffers where there is a GPU to wait for them.
      const writeBuffer = tuning.uploads > 0 ? 1 : 2;
      expect(counts).toMatchObject({ submits: 1, passes: 1, mapAsync: 1, writeBuffer });
      expect(counts['mapWrite'] ?? 0).toBe(tuning.uploads > 0 ? 1 : 0);
      expect([counts['createBuffer'], counts['createBindGroup'], counts['pipelines']]).toEqual([0, 0, 0]);
      // Three calls a dispatch at most: each binds other tensors.
      expect(counts['setBindGroup']).toBe(counts['dispatches']);
    }
  });

  test('a pipeline that is set is not set again for the next dispatch', async () => {
    const { engine, counts } = await planned(1);
    await countsOfStep(engine, counts, 1);
    const { setPipeline, dispatches } = await countsOfStep(engine, counts, 1);
    const left = new Set<Phase>(['cropped', 'mixed', 'normalised', 'keep', 'kept', 'targets']);
    const { trace } = engine.inspect().programs.training;
    const codes = trace.dispatches.filter(({ phase }) => !left.has(phase)).map(({ kernel }) => kernel.code);
    expect(dispatches).toBe(codes.length);
    expect(setPipeline).toBe(codes.filter((code, i) => code !== codes[i - 1]).length);
  });

  test('two hundred steps ask for the same, and no byte more', async () => {
    const { engine, counts } = await planned(1);
    const batch = randomBatch(tiny, 1, classes);
    const step = async (at: number): Promise<Counts> => {
      for (const key of Object.keys(counts)) if (key !== 'bytes') counts[key] = 0;
      engine.step(batch, { ...stage1, step: at });
      const { steps, fault } = await engine.report();
      expect([fault, steps.length]).toEqual([null, 1]);
      return { ...counts };
    };
    const first = await step(0);
    const seen = new Set<string>();
    for (let at = 1; at <= 200; at++) seen.add(JSON.stringify(await step(at)));
    expect([...seen]).toEqual([JSON.stringify(first)]);
    expect(first['bytes']).toBe(engine.memory().bufferBytes);
    // The peak is the plan's: it has room for reading the adapter back.
    expect(engine.memory().peakBufferBytes).toBe(engine.memoryPlan().totalBytes);
  });

  test('a step that takes long is submitted in pieces of about 50 ms, the first one as if on a slow GPU', async () => {
    clock.ms = 0;
    const { engine, counts } = await planned(8);
    // 8 images of ViT-Tiny are 45 GFLOP: a quarter of a second where nothing is known.
    const first = await countsOfStep(engine, counts, 8);
    expect(first['submits']).toBeGreaterThanOrEqual(4);
    expect(first['submits']).toBeLessThanOrEqual(8);
    /** Submits of the step after one that took so long. */
    const submitsAfter = async (ms: number): Promise<number> => {
      engine.step(randomBatch(tiny, 8, classes), stage1);
      clock.ms += ms;
      await engine.report();
      return (await countsOfStep(engine, counts, 8))['submits'] ?? 0;
    };
    expect(await submitsAfter(10)).toBe(1);
    expect(await submitsAfter(104)).toBe(3);
    expect([20, 21]).toContain(await submitsAfter(1000));
    expect(await submitsAfter(10)).toBe(1);
    clock.ms = 0;
  });

  test('where every dispatch is a piece, all that a decision changes is in the piece that decides, the last one', async () => {
    const counts: Counts = {};
    const pieces: (readonly string[])[] = [];
    const gpu = countingGpu(counts, { onSubmit: (kernels) => pieces.push(kernels) });
    const engine = new KernelEngine(gpu, gpuTuning, undefined, () => clock.ms);
    const adapter = { ...randomAdapter(tiny, classes), ...tunedStart(model, 'all') };
    const options = { batch: 2, classes, pixels: 'bytes' } as const;
    expect((await engine.prepare(model, adapter, plainNormalisation, options)).ok).toBe(true);
    engine.step(randomBatch(tiny, 2, classes), stage1);
    clock.ms += 1e6;
    await engine.report();
    pieces.length = 0;
    await countsOfStep(engine, counts, 2);
    clock.ms = 0;
    const update = engine
      .inspect()
      .programs.training.trace.dispatches.filter(({ phase }) => phase === 'update');
    const of = pieces.filter(({ length }) => length > 0);
    expect(of.at(-1)).toEqual(update.map(({ kernel }) => kernel.name));
    expect(update.map(({ kernel }) => kernel.name)).toEqual(
      expect.arrayContaining(['decide', 'adamw', 'matrix-adamw']),
    );
    expect(of.slice(0, -1).every(({ length }) => length === 1)).toBe(true);
  });

  test('an augmented step asks for what a plain one asks for; room for it is planned where it is wanted', async () => {
    const { engine, counts } = await planned(2);
    const wanted = { mixes: true, cuts: true, colours: true, erases: true, rotates: true };
    const { engine: augmenting, counts: augmented } = await planned(2, gpuTuning, wanted);
    const given = {
      crops: [wholeImage, rotated(wholeImage, 10, 224)],
      colours: [sameColour, sameColour],
      erased: [null, { left: 1, top: 2, right: 9, bottom: 8 }],
      mix: { partners: Int32Array.of(1, 0), share: 0.5, box: { left: 0, top: 0, right: 112, bottom: 224 } },
    };
    const [plain, all] = [counts['bytes'] ?? 0, augmented['bytes'] ?? 0];
    // Pairs, colours, rectangles and rotations of two images, with what aligns them.
    expect(all - plain).toBeGreaterThan(0);
    expect(all - plain).toBeLessThanOrEqual(5 * 256);
    const before = await countsOfStep(engine, counts, 2);
    const after = await countsOfStep(augmenting, augmented, 2, stage1, given);
    expect({ ...after, bytes: plain }).toEqual({ ...before, bytes: plain });
  });

  test('noise costs two dispatches a residual branch and three an adapted site, where it is wanted', async () => {
    const { engine, counts } = await planned(2);
    const noise = { seed: 1, step: 0, path: 0.1, input: 0.1 };
    const { engine: noisy, counts: more } = await planned(2, gpuTuning, {
      noise: { path: true, input: true },
    });
    const before = await countsOfStep(engine, counts, 2);
    const after = await countsOfStep(noisy, more, 2, stage1, { noise });
    // Of 12 blocks both residual branches, forward and backward; of the first none below its adapted site.
    const [paths, sites] = [4 * 12, 3 * 12 - 1];
    expect((after['dispatches'] ?? 0) - (before['dispatches'] ?? 0)).toBe(paths + sites);
    expect(besideDispatches(after)).toEqual(besideDispatches(before));
    const { evaluation } = noisy.inspect().programs;
    expect(evaluation.trace.dispatches.length).toBe(
      engine.inspect().programs.evaluation.trace.dispatches.length,
    );
  });

  test('crossed branches take the sums of their matrices and their gradients: a dispatch each', async () => {
    const { engine, counts } = await planned(2);
    const more: Counts = {};
    const crossed = new KernelEngine(countingGpu(more), gpuTuning, undefined, () => clock.ms);
    const adapter = asCrossed(randomAdapter(tiny, classes));
    const options = { batch: 2, classes, pixels: 'bytes' } as const;
    expect((await crossed.prepare(model, adapter, plainNormalisation, options)).ok).toBe(true);
    const before = await countsOfStep(engine, counts, 2);
    const after = await countsOfStep(crossed, more, 2);
    expect((after['dispatches'] ?? 0) - (before['dispatches'] ?? 0)).toBe(2);
    expect(besideDispatches(after)).toEqual(besideDispatches(before));
    expect(more['bytes']).toBe(crossed.memory().bufferBytes);
    expect(crossed.memory().peakBufferBytes).toBe(crossed.memoryPlan().totalBytes);
  });

  test.each([
    // Of 25 LayerNorms; the head in parts, whose LayerNorm learns; what leads to the first block's.
    ['norms', 25 + 4 + 1, 0],
    // Of their biases, of four linears a block and of the patches, with the table that it is in; to the
    // embedding.
    ['biases', 25 + 4 * 12 + 2 + 4 + 2, 1],
  ] as const)('what is tuned of the backbone costs a dispatch each: %s', async (tune, first, second) => {
    const { engine, counts } = await planned(2, subgroupTuning);
    const more: Counts = {};
    const tuned = new KernelEngine(countingGpu(more), subgroupTuning, undefined, () => clock.ms);
    const adapter = { ...randomAdapter(tiny, classes), ...tunedStart(model, tune) };
    const options = { batch: 2, classes, pixels: 'bytes' } as const;
    expect((await tuned.prepare(model, adapter, plainNormalisation, options)).ok).toBe(true);
    // Stage 2 leaves them alone, and reads the table.
    for (const [branches, expected] of [
      [true, first],
      [false, second],
    ] as const) {
      const control = { ...stage1, trains: { branches, scalars: !branches, head: true } };
      const before = await countsOfStep(engine, counts, 2, control);
      const after = await countsOfStep(tuned, more, 2, control);
      expect((after['dispatches'] ?? 0) - (before['dispatches'] ?? 0)).toBe(expected);
      expect(besideDispatches(after)).toEqual(besideDispatches(before));
    }
    expect(more['bytes']).toBe(tuned.memory().bufferBytes);
    expect(tuned.memory().peakBufferBytes).toBe(tuned.memoryPlan().totalBytes);
    // Values, both moments and gradients in two chunks; where biases learn, the weights beside them and the
    // table.
    const values = [...(adapter.backbone?.values() ?? [])].reduce((sum, { data }) => sum + data.length, 0);
    const adapterBytes = (one: KernelEngine): number => one.memoryPlan().bytes.adapter;
    expect((adapterBytes(tuned) - adapterBytes(engine)) / values / 4).toBeLessThanOrEqual(
      tune === 'norms' ? 5 : 7.5,
    );
  });

  test('several steps in flight share one mapAsync', async () => {
    const { engine, counts } = await planned(1);
    counts['mapAsync'] = 0;
    for (let i = 0; i < 8; i++) engine.step(randomBatch(tiny, 1, classes), { ...stage1, step: i });
    const { steps } = await engine.report();
    expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(counts['mapAsync']).toBe(1);
  });

  test('a report waits for its own step, not for those behind it', async () => {
    const counts: Counts = {};
    const gpu = countingGpu(counts);
    const waiting = new Map<string, () => void>();
    const create = gpu.device.createBuffer.bind(gpu.device);
    gpu.device.createBuffer = (descriptor): GPUBuffer => {
      const buffer = create(descriptor);
      const { label = '' } = descriptor;
      const map = buffer.mapAsync.bind(buffer);
      if (label.startsWith('report'))
        buffer.mapAsync = async (mode): Promise<undefined> => {
          await new Promise<void>((resolve) => waiting.set(label, resolve));
          return map(mode);
        };
      return buffer;
    };
    const engine = new KernelEngine(gpu, gpuTuning, undefined, () => clock.ms);
    const adapter = randomAdapter(tiny, classes);
    const shapes = { batch: 1, classes, pixels: 'bytes' } as const;
    expect((await engine.prepare(model, adapter, plainNormalisation, shapes)).ok).toBe(true);
    const batch = randomBatch(tiny, 1, classes);
    const enqueue = (step: number): void => engine.step(batch, { ...stage1, step });
    for (let step = 0; step < 4; step++) enqueue(step);
    const [before, rounds] = [counts['submits'] ?? 0, 40];
    for (let step = 0; step < rounds; step++) {
      const report = engine.report(3);
      expect([...waiting.keys()]).toEqual([`report ${step % 16}`]);
      for (const [label, resolve] of waiting) if (waiting.delete(label)) resolve();
      expect((await report).steps.map((one) => one.step)).toEqual([step]);
      enqueue(step + 4);
    }
    expect(counts['submits']).toBe(before + rounds);
    const rest = engine.report();
    expect([...waiting.keys()]).toEqual([`report ${(rounds + 3) % 16}`]);
    waiting.forEach((resolve) => resolve());
    expect((await rest).steps.map((one) => one.step)).toEqual([40, 41, 42, 43]);
    expect(counts['mapAsync']).toBe(rounds + 1);
  });

  test('buffers beyond weights, adapters and moments: at most 20 MB an image', async () => {
    for (const batch of [1, 8]) {
      const { engine } = await planned(batch);
      const arenaBytes = totalBytes(engine.inspect().slots);
      const adapter = 4 * 12 * 2 * 4 * 4 * (192 + 192); // A and B of 12 blocks, q and v, K = 4, r = 4
      const { weights, readBack } = engine.memoryPlan().bytes;
      expect(readBack).toBeLessThanOrEqual(3.1 * adapter); // the host's copies of adapter and moments
      const beyond = engine.memory().bufferBytes - weights - 3 * adapter - readBack;
      expect(beyond / batch).toBeLessThanOrEqual(20e6);
      expect(arenaBytes / batch).toBeLessThanOrEqual(19e6);
    }
  });

  test('a drop plans again without compiling, and memory falls', async () => {
    const { engine, counts } = await planned(2);
    const before = engine.memory().bufferBytes;
    const pipelines = counts['pipelines'];
    const adapter = randomAdapter(tiny, classes);
    const dropped = dropBranches(adapter, new Map(adapter.modules.map(({ name }) => [name, 1])));
    expect((await engine.writeAdapter(dropped)).ok).toBe(true);
    expect(engine.inspect().pipelines).toBe(pipelines);
    expect(engine.memory().bufferBytes).toBeLessThan(before);
    expect(counts['bytes']).toBe(engine.memory().bufferBytes);
  });

  test('a look goes out and comes back once, on less than an image of a run takes, and leaves nothing', async () => {
    const { engine, counts } = await planned(1, processorTuning);
    const before = engine.memory();
    const { pixels } = randomBatch(tiny, 1, classes);
    Object.assign(counts, { submits: 0, mapAsync: 0, dispatches: 0 });
    expect((await engine.look(pixels, 3, new Map())).ok).toBe(true);
    expect(counts).toMatchObject({ submits: 2, mapAsync: 1 }); // the second copies for the host
    // Two maps and their sums a block more than a forward and a backward pass, no gradients of A and B.
    expect(counts['dispatches']).toBeLessThanOrEqual(253);
    const { peakBufferBytes, ...after } = engine.memory();
    expect(after).toEqual({ bufferBytes: before.bufferBytes, count: before.count });
    expect(peakBufferBytes - before.bufferBytes).toBeLessThanOrEqual(40e6);
    expect(counts['bytes']).toBe(before.bufferBytes);
  });

  test('stage 2 has a program of its own: no gradients of A and B, no sums over them', async () => {
    const { engine } = await planned(8);
    const { training, scalars } = engine.inspect().programs;
    const kinds = ({ trace }: typeof training): Map<string, number> => {
      const counted = new Map<string, number>();
      for (const { kernel, phase } of trace.dispatches) {
        const kind = `${phase}: ${kernel.name.replace(/ [\dx ]+$/, '')}`;
        counted.set(kind, (counted.get(kind) ?? 0) + 1);
      }
      return counted;
    };
    const [all, few] = [kinds(training), kinds(scalars)];
    const change = new Map(
      [...new Set([...all.keys(), ...few.keys()])]
        .map((kind) => [kind, (few.get(kind) ?? 0) - (all.get(kind) ?? 0)] as const)
        .filter(([, by]) => by !== 0),
    );
    expect(Object.fromEntries(change)).toEqual({
      'backward: column-product': -12,
      'backward: gradient-sum': -1,
      'reduce: scalar-gradient': -1,
      'backward: scalar-sums': 1,
    });
  });

  test('stage 2 dispatches fewer than stage 1', async () => {
    const { engine, counts } = await planned(1);
    const first = await countsOfStep(engine, counts, 1);
    const stage2 = { ...stage1, trains: { branches: false, scalars: true, head: true } };
    const second = await countsOfStep(engine, counts, 1, stage2);
    expect(second['dispatches']).toBeLessThanOrEqual((first['dispatches'] ?? 0) - 12);
  });
});
