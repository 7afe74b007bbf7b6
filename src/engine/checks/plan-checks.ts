// What every plan must give: the numbers of the plain one. Micro-batches, recomputed blocks, float16 storage,
// the program of stage 2 and the kept prefix against a step that does without. Functions that throw, run in
// Node and in a browser.
import { allOpen, parametersOf, withParameters, type Adapter } from '../../dmlora/adapter.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { ndArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import type { VitConfig } from '../../vit/vit-config.ts';
import { cropOf, sampleCrop, wholeImage, type Crop } from '../crop.ts';
import type { Batch, Engine, Gradients, Mix, Pixels, PrepareOptions } from '../engine.ts';
import {
  everyTile,
  gpuTuning,
  smallestTuning,
  subgroupTuning,
  type Tuning,
} from '../kernels/tuning/tuning.ts';
import type { Gpu } from '../gpu.ts';
import { KernelEngine } from '../kernels/kernels-engine.ts';
import { assertClose, largestDifference } from './close.ts';
import {
  micro,
  plainNormalisation,
  randomAdapter,
  randomBatch,
  randomModel,
  randomValues,
  stage1,
} from './random-model.ts';
import { unwrap } from '../../shared/result.ts';

/**
 * Tunings of a GPU, by what is special about them: each computes by kernels that no emulation would choose.
 * The first needs no subgroups.
 */
export const gpuVariants = {
  'every tile, a thread a row of attention': everyTile(gpuTuning),
  'four threads a row of attention': subgroupTuning,
  'two threads a row of attention': { ...subgroupTuning, attentionSplit: [2, 2] },
} as const satisfies Readonly<Record<string, Tuning>>;

/**
 * Makes an engine; `like-gpu`: pixels come through mapped buffers, and every step is believed to take long,
 * so that it is submitted in pieces.
 */
type MakeEngine = (way?: 'like-gpu') => Promise<Engine>;

const classes = 3;
/** Three blocks: two may be recomputed. */
const config: VitConfig = { ...micro, depth: 3 };
const model = randomModel(config);
const adapter = randomAdapter(config, classes, { targets: 'all', rank: 2, branches: 2 });
/** Five images: micro-batches of two leave a place empty. */
const images = 5;
const batch = randomBatch(config, images, classes);

/** An engine that does on any device what only a GPU asks for. */
export function likeGpu(gpu: Gpu): KernelEngine {
  let now = 0;
  const tuning = { ...smallestTuning, uploads: 2 };
  return new KernelEngine({ ...gpu, software: false }, tuning, undefined, () => (now += 10_000));
}

async function prepared(
  make: MakeEngine,
  shapes: Partial<PrepareOptions>,
  from: Adapter = adapter,
): Promise<Engine> {
  const engine = await make();
  unwrap(await engine.prepare(model, from, plainNormalisation, { batch: images, classes, ...shapes }));
  return engine;
}

async function gradientsWith(make: MakeEngine, shapes: Partial<PrepareOptions>): Promise<Gradients> {
  const engine = await prepared(make, shapes);
  const result = unwrap(await engine.gradients(batch, new Map()));
  engine.dispose();
  return result;
}

/** The gradients by tensor; those of the scalars, single numbers, as one. */
function tensorsOf({ gradients }: Gradients): Map<string, number[]> {
  const tensors = new Map<string, number[]>();
  for (const [name, { data }] of gradients) {
    const key = name.endsWith('.s') ? 'scalars' : name;
    tensors.set(key, [...(tensors.get(key) ?? []), ...data]);
  }
  return tensors;
}

/**
 * Largest difference of any gradient, as a share of the largest value of its tensor; throws beyond `allowed`.
 */
function compare(what: string, got: Gradients, expected: Gradients, allowed: number): number {
  let worst = 0;
  const values = tensorsOf(got);
  for (const [name, wanted] of tensorsOf(expected)) {
    const found = present(values.get(name), name);
    assertClose(`${what}: ${name}`, found, wanted, { abs: 0, rel: allowed });
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (scale > 0) worst = Math.max(worst, largestDifference(found, wanted) / scale);
  }
  return worst;
}

function bits(of: Adapter): string {
  return [...parametersOf(of)].map(([name, { data }]) => `${name} ${data.join()}`).join('\n');
}

/**
 * Gradients of other plans against the plain one. Micro-batches only change the order of float32 sums: 1e-6.
 * The same kernels in the same order give the same bits when blocks are recomputed. float16 keeps 11 bits, an
 * error of 5e-4 a value at most; through three blocks 2e-3 was measured, 5e-3 is allowed.
 */
async function checkOtherPlans(make: MakeEngine): Promise<Record<string, number>> {
  const plain = await gradientsWith(make, {});
  const parts = await gradientsWith(make, { microBatch: 2 });
  const micro = compare('micro-batches', parts, plain, 1e-6);
  compare('the same again', await gradientsWith(make, { microBatch: 2 }), parts, 0);
  compare('recomputed', await gradientsWith(make, { recomputedBlocks: 2 }), plain, 0);
  compare('recomputed in parts', await gradientsWith(make, { microBatch: 2, recomputedBlocks: 2 }), parts, 0);
  const memory = { budgetBytes: null, float16: 'always' } as const;
  const half = await gradientsWith(make, { memory, recomputedBlocks: 1 });
  const float16 = compare('float16', half, plain, 5e-3);
  if (!(float16 > 1e-6)) throw new Error('float16 changes nothing: this check proves nothing');
  return { micro, float16 };
}

/**
 * Gradients of products that multiply in float16, beside the plain ones: both factors and sums of four to
 * eight products have 11 bits; through three blocks 9e-3 was measured, where a gradient is small beside what
 * it is a difference of. And the loss along its own gradient. A device that does not offer it says so, and
 * its bits are those of float32.
 */
async function checkHalves(make: MakeEngine): Promise<Record<string, number>> {
  const plain = await gradientsWith(make, {});
  const memory = { budgetBytes: null, float16: 'never', arithmetic: 'float16' } as const;
  const engine = await prepared(make, { memory });
  const half = unwrap(await engine.gradients(batch, new Map()));
  const { arithmetic, note } = engine.memoryPlan() ?? {};
  const isOffered = engine.describe().gpu?.features.includes('shader-f16') === true;
  if (!isOffered) {
    engine.dispose();
    if (arithmetic !== 'float32' || !/float16.*float32/.test(note ?? '')) throw new Error(`unsaid: ${note}`);
    return { notOffered: compare('float16 that is not offered', half, plain, 0) };
  }
  const float16 = compare('multiplied in float16', half, plain, 2e-2);
  if (arithmetic !== 'float16' || !(float16 > 1e-5)) throw new Error('float16 changes nothing');
  const slope = await slopeError(engine, half);
  engine.dispose();
  return { float16, slope };
}

/**
 * How far the loss a little before and behind along the gradient is from what the gradient says, as a share;
 * throws beyond 2 %. The step is long enough for the difference to be far above the rounding of float16.
 */
async function slopeError(engine: Engine, { gradients }: Gradients): Promise<number> {
  const from = unwrap(await engine.readAdapter());
  const square = [...gradients.values()].reduce(
    (sum, { data }) => sum + data.reduce((s, g) => s + g * g, 0),
    0,
  );
  const lossAt = async (way: number): Promise<number> => {
    const moved = [...parametersOf(from)].map(([name, { shape, data }]) => {
      const direction = present(gradients.get(name), name).data;
      return [
        name,
        ndArray(
          shape,
          data.map((value, i) => value + (way * (direction[i] ?? NaN)) / square),
        ),
      ] as const;
    });
    unwrap(await engine.writeAdapter(withParameters(from, new Map(moved))));
    return unwrap(await engine.loss(batch, allOpen));
  };
  // A loss change of 0.1 in all, if the loss were straight.
  const reach = 0.05;
  const [behind, before] = [await lossAt(reach), await lossAt(-reach)];
  const error = Math.abs((behind - before) / (2 * reach) - 1);
  if (!(error < 0.02)) throw new Error(`the loss along the gradient is off by ${error} of what it says`);
  return error;
}

/** The first moments after one step of stage 2, over 0.1 clip, are the full program's gradients. */
async function checkStage2(make: MakeEngine): Promise<Record<string, number>> {
  const plain = await gradientsWith(make, {});
  let worst = 0;
  for (const microBatch of [images, 2]) {
    const engine = await prepared(make, { microBatch });
    engine.step(batch, { ...stage1, trains: { branches: false, scalars: true, head: true } });
    const { steps, fault } = await engine.report();
    if (fault !== null) throw new Error(JSON.stringify(fault));
    const clip = present(steps[0], 'report').clipScale;
    const { moments } = unwrap(await engine.readAdapter());
    for (const [name, { data }] of plain.gradients) {
      if (!/\.s$|^head/.test(name)) continue;
      const m = present(moments.get(name), `moments of ${name}`).m;
      const got = m.map((value) => value / (0.1 * clip));
      // A scalar's gradient is one number, a sum over all rows whose terms cancel: relative to the terms, not
      // to it.
      worst = Math.max(worst, assertClose(`stage 2: ${name}`, got, data, { abs: 2e-6, rel: 1e-5 }));
    }
    engine.dispose();
  }
  return { worst };
}

/** Steps that take the frozen prefix from what was kept give the bits of steps that compute it. */
async function checkPrefixCache(make: MakeEngine): Promise<Record<string, number>> {
  const upper = { ...adapter, modules: adapter.modules.filter(({ name }) => !name.startsWith('blocks.0.')) };
  const after = async (places: Int32Array | undefined): Promise<{ state: string; losses: number[] }> => {
    const engine = await prepared(make, { microBatch: 2, images: 8 }, upper);
    const given: Batch = { ...batch, images: places };
    for (let step = 0; step < 3; step++) engine.step(given, { ...stage1, step });
    const { steps, fault } = await engine.report();
    if (fault !== null) throw new Error(JSON.stringify(fault));
    const state = bits(unwrap(await engine.readAdapter()));
    engine.dispose();
    return { state, losses: steps.map(({ loss }) => loss) };
  };
  const computed = await after(undefined);
  const kept = await after(Int32Array.of(7, 0, 3, 2, 5));
  if (kept.state !== computed.state) throw new Error('kept: the adapter after three steps is another one');
  const [first = NaN, , third = NaN] = kept.losses;
  if (!(third < first)) throw new Error('kept: the loss does not fall');
  return { first, third };
}

/** The pixels of the batch as the network takes them, sampled by crops and mixed, on the host. */
function mixedPixels(crops: readonly Crop[] | undefined, { partners, share, box }: Mix): Pixels {
  const [side, area] = [config.imageSize, config.imageSize ** 2];
  const { rescale, mean, std } = plainNormalisation;
  const bytes = Uint8Array.from(batch.pixels.data);
  const sampled = Array.from(partners, (_, i) =>
    sampleCrop(bytes.subarray(i * 3 * area, (i + 1) * 3 * area), side, crops?.[i] ?? wholeImage),
  );
  const value = (image: number, channel: number, place: number): number =>
    ((sampled[image]?.[3 * place + channel] ?? NaN) * rescale - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  const data = Float32Array.from({ length: images * 3 * area }, (_, i) => {
    const [image, rest] = [Math.floor(i / (3 * area)), i % (3 * area)];
    const [channel, place] = [Math.floor(rest / area), rest % area];
    const [y, x] = [Math.floor(place / side), place % side];
    const isIn = box && x >= box.left && x < box.right && y >= box.top && y < box.bottom;
    if (box !== undefined) return value(isIn ? (partners[image] ?? -1) : image, channel, place);
    return share * value(image, channel, place) + (1 - share) * value(partners[image] ?? -1, channel, place);
  });
  return { kind: 'normalised', data };
}

/**
 * Gradients of images that the engine crops and mixes in pairs, or cuts into one another, to targets, against
 * those of images that were mixed before: whole and in micro-batches that need partners from others.
 */
export async function checkMixes(make: MakeEngine): Promise<Record<string, number>> {
  const blend: Mix = { partners: Int32Array.of(2, 4, 1, 0, 3), share: Math.fround(0.3) };
  const targets = randomValues(9, images * classes).map(Math.abs);
  const side = config.imageSize;
  const box = { left: 3, top: 0, right: side - 5, bottom: side - 2 };
  const some = Array.from({ length: images }, (_, i) =>
    cropOf(side, i / 2, 1.3, side - 4, side - 3, i % 2 === 0),
  );
  const plain = await prepared(make, { targets: true });
  const mixing = await prepared(make, { targets: true, mixes: true, cuts: true, microBatch: 2 });
  let worst = 0;
  for (const [crops, mix] of [
    [undefined, blend],
    [some, blend],
    [some, { ...blend, box }],
  ] as const) {
    const of = async (engine: Engine, given: Batch): Promise<Gradients> =>
      unwrap(await engine.gradients({ ...given, targets }, new Map()));
    const expected = await of(plain, { labels: batch.labels, pixels: mixedPixels(crops, mix) });
    const got = await of(mixing, { ...batch, crops, mix });
    // Pixels are blended in float32, and gradients of few images are small beside what they are sums of.
    worst = Math.max(worst, compare('mixed', got, expected, 2e-4));
    assertClose('loss of a mix', [got.loss], [expected.loss], { abs: 0, rel: 1e-5 });
    const other = await of(plain, { ...batch, crops });
    if (!(largestDifference(other.logits.data, expected.logits.data) > 1e-3))
      throw new Error('mixing changes nothing');
  }
  plain.dispose();
  mixing.dispose();
  return { worst };
}

/** A drop leaves the survivors' values and moments as they are, bit for bit. */
async function checkDrop(make: MakeEngine): Promise<Record<string, number>> {
  const engine = await prepared(make, { microBatch: 2 });
  for (let step = 0; step < 2; step++) engine.step(batch, { ...stage1, step });
  if ((await engine.report()).fault !== null) throw new Error('a step failed');
  const before = unwrap(await engine.readAdapter());
  const dropped = dropBranches(before, new Map(before.modules.map(({ name }, i) => [name, i % 2])));
  const startedAt = performance.now();
  unwrap(await engine.writeAdapter(dropped));
  const ms = performance.now() - startedAt;
  const after = unwrap(await engine.readAdapter());
  if (bits(after) !== bits(dropped)) throw new Error('drop: a surviving value changed');
  if (after.moments.size !== dropped.moments.size) throw new Error('drop: moments came or went');
  for (const [name, { m, v, steps }] of dropped.moments) {
    const now = present(after.moments.get(name), `moments of ${name}`);
    if (now.steps !== steps || largestDifference(now.m, m) !== 0 || largestDifference(now.v, v) !== 0)
      throw new Error(`drop: the moments of ${name} changed`);
  }
  engine.step(batch, { ...stage1, step: 2 });
  if ((await engine.report()).fault !== null) throw new Error('the step after the drop failed');
  engine.dispose();
  return { ms };
}

/**
 * Mapped buffers and a submit for nearly every dispatch change no bit: steps one by one, then more in flight
 * than there are buffers, each with other images.
 */
async function checkWays(make: MakeEngine): Promise<Record<string, number>> {
  const state = async (way?: 'like-gpu'): Promise<string> => {
    const engine = await make(way);
    const options = { batch: images, classes, pixels: 'bytes', microBatch: 2 } as const;
    unwrap(await engine.prepare(model, adapter, plainNormalisation, options));
    let step = 0;
    for (const inFlight of [1, 1, 1, 4, 1]) {
      for (let i = 0; i < inFlight; i++, step++)
        engine.step(randomBatch(config, images, classes, step), { ...stage1, step });
      const { steps, fault } = await engine.report();
      if (fault !== null || steps.length !== inFlight) throw new Error(JSON.stringify(fault));
    }
    const { data } = unwrap(await engine.evaluate(batch.pixels, allOpen));
    const result = `${bits(unwrap(await engine.readAdapter()))} ${data.join()}`;
    engine.dispose();
    return result;
  };
  const plain = await state();
  if ((await state('like-gpu')) !== plain)
    throw new Error('ways: mapped buffers or submits change the state');
  return { values: plain.length };
}

export const planChecks = {
  'other plans': checkOtherPlans,
  'float16 arithmetic': checkHalves,
  'stage 2': checkStage2,
  'prefix cache': checkPrefixCache,
  'mixed in pairs': checkMixes,
  drop: checkDrop,
  'mapped buffers, many submits': checkWays,
} as const;
