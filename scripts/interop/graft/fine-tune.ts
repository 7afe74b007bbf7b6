// A short fine-tuning in Node: the app's own loop and engine on images that are drawn, one colour a class and
// noise.
import { allOpen, type Adapter } from '../../../src/dmlora/adapter.ts';
import type { Pixels } from '../../../src/engine/engine.ts';
import { autodiffOn } from '../../../src/engine/checks/node-backends.ts';
import type { NdArray } from '../../../src/shared/array.ts';
import { present } from '../../../src/shared/assert.ts';
import { randomStream } from '../../../src/shared/random.ts';
import { ok, unwrap } from '../../../src/shared/result.ts';
import { Run } from '../../../src/train/run.ts';
import { readRecipe } from '../../../src/recipe/read-recipe.ts';
import type { LabelledPixels, TrainingData } from '../../../src/train/training-data.ts';
import { loadHead } from '../../../src/checkpoints/checkpoint.ts';
import type { OpenModel } from '../../../src/checkpoints/open-model.ts';

export interface FineTuned {
  readonly adapter: Adapter;
  readonly data: TrainingData;
  readonly batch: number;
  /** Logits of the adapted model on the validation images, [n, classes]. */
  readonly logits: NdArray;
  readonly losses: readonly number[];
}

const trainImages = 12;
const validationImages = 4;

/** Drawn pictures [n, side, side, 3] and their classes in turn. */
function drawn(count: number, side: number, classes: number, seed: number): LabelledPixels {
  const noise = randomStream(seed, 'augment');
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const bytes = Uint8Array.from({ length: count * side * side * 3 }, (_, at) => {
    const image = Math.floor(at / (3 * side * side));
    const colour = ((labels[image] ?? 0) * 67 + (at % 3) * 83) % 160;
    return colour + Math.floor(95 * noise.uniform(at));
  });
  const size = side * side * 3;
  return {
    labels,
    slice: (begin, end): Pixels => ({ kind: 'bytes', data: bytes.slice(begin * size, end * size) }),
  };
}

function trainingData(side: number, classes: readonly string[]): TrainingData {
  const train = drawn(trainImages, side, classes.length, 1);
  return {
    classes,
    trainImages,
    train,
    trainBatch: (step, batch) => {
      const begin = (step * batch) % (trainImages - batch + 1);
      return { pixels: train.slice(begin, begin + batch), labels: train.labels.slice(begin, begin + batch) };
    },
    validation: drawn(validationImages, side, classes.length, 2),
    test: null,
  };
}

const branches = {
  learningRate: 2e-2,
  dmlora: { branches: 3, branchesEnd: 2, rank: 2, targets: 'all', dropWindow: [0.2, 0.6], stage2: 0.7 },
} as const;

/** Drops and both stages, what of the backbone is tuned beside them, or all of it without branches. */
const ways = {
  branches,
  norms: { ...branches, backbone: { tune: 'norms' } },
  biases: { ...branches, backbone: { tune: 'biases' } },
  backbone: { learningRate: 2e-3, backbone: { tune: 'all' }, dmlora: { branches: 0 } },
} as const;
export type Way = keyof typeof ways;

/**
 * Trains some steps.
 *
 * @param keepHead whether the images have the checkpoint's classes, so that training starts from its head.
 */
export async function fineTune(
  source: OpenModel,
  keepHead: boolean,
  steps = 10,
  way: Way = 'branches',
): Promise<FineTuned> {
  const { model, preprocessing, checkpoint } = source;
  const classes = keepHead ? present(checkpoint.head, 'head').labels : ['ant', 'bee', 'cat'];
  const data = trainingData(model.config.imageSize, classes);
  const head = keepHead ? unwrap(await loadHead(source.file, source.header, checkpoint)) : null;
  const recipe = unwrap(
    readRecipe({
      ...{ seed: 3, steps, batch: 4, warmup: 0, headStart: 'random' },
      ...ways[way],
    }),
  );
  const losses: number[] = [];
  const run = new Run(
    {
      ...{ model, head, start: [], normalisation: preprocessing, data, recipe },
      makeEngine: async () => ok(await autodiffOn('wasm')()),
    },
    {
      phase: () => undefined,
      kept: () => undefined,
      wantsState: () => false,
      step: ({ loss }) => losses.push(loss),
      dropped: () => undefined,
      branches: () => undefined,
      evaluated: () => undefined,
      diverging: () => undefined,
      recovered: () => undefined,
    },
  );
  try {
    unwrap(await run.prepare());
    await run.train();
    const { phase } = run;
    if (phase.kind === 'failed') unwrap({ ok: false, fault: phase.fault });
    const logits = unwrap(await run.validationLogits());
    return { adapter: run.adapter, data, batch: run.plan.batch, logits, losses };
  } finally {
    run.dispose();
  }
}

/** Logits [n, classes] of a model with a head and nothing else, on normalised pixels [n, 3, side, side]. */
export async function logitsOfModel(
  { model, preprocessing }: OpenModel,
  head: Adapter['head'],
  pixels: NdArray,
): Promise<NdArray> {
  const engine = await autodiffOn('wasm')();
  try {
    const plain: Adapter = { modules: [], head, moments: new Map() };
    const classes = head.bias.data.length;
    unwrap(await engine.prepare(model, plain, preprocessing, { batch: pixels.shape[0] ?? 1, classes }));
    return unwrap(await engine.evaluate({ kind: 'normalised', data: pixels.data }, allOpen));
  } finally {
    engine.dispose();
  }
}

/** The head that the checkpoint brings along; null without one. */
export async function ownHead(source: OpenModel): Promise<Adapter['head'] | null> {
  return unwrap(await loadHead(source.file, source.header, source.checkpoint));
}
