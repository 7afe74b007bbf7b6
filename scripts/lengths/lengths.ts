// Runs of the app's own loop on subsets of several data sets, each beside its linear probe, and what they
// measure: on the run's validation images, and on images that the run does not have at all (the judge's).
// Images of test folders take no part.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseModelConfig } from '../../src/checkpoints/libraries.ts';
import { loadModel, readCheckpoint, withImageSize } from '../../src/checkpoints/checkpoint.ts';
import { batchIndices } from '../../src/data/batch-order.ts';
import type { Adapter } from '../../src/dmlora/adapter.ts';
import type { Engine, Normalisation, Pixels } from '../../src/engine/engine.ts';
import { readHeader } from '../../src/formats/safetensors.ts';
import { recipeDefaults } from '../../src/recipe/recipe.ts';
import { randomStream } from '../../src/shared/random.ts';
import { unwrap } from '../../src/shared/result.ts';
import { logitsOf, metricsOf, type Metrics } from '../../src/train/evaluation.ts';
import { train } from '../../src/train/loop.ts';
import { planRun } from '../../src/train/run-plan.ts';
import { initialState, type RunState, type RunTask } from '../../src/train/run-state.ts';
import { prepareOptions, type LabelledPixels, type TrainingData } from '../../src/train/training-data.ts';
import type { VitModel } from '../../src/vit/parameters.ts';
import { Torch, TorchEngine } from './torch-engine.ts';

/** One run of the grid. */
export interface Case {
  readonly set: string;
  /** Training images that are asked for; classes get equal numbers. */
  readonly n: number;
  readonly steps: number;
  readonly seed: number;
  readonly rate: number;
}

export interface Setting {
  /** Folder of the model. */
  readonly model: string;
  /** Side of the images; null for the model's own. */
  readonly imageSize: number | null;
  /** Zips by the name of the set. */
  readonly sets: Readonly<Record<string, string>>;
  readonly python: string;
  readonly backend: 'torch' | 'wasm';
  /** Validations between the first and the last step, evenly. */
  readonly validations: number;
  /** Most images that judge. */
  readonly judges: number;
  /** Awaited before each piece of work. */
  readonly mayGoOn: () => Promise<void>;
}

interface Point {
  readonly step: number;
  readonly validation: Metrics;
  readonly judge: Metrics | null;
}

export interface Measured extends Case {
  readonly images: { readonly train: number; readonly validation: number; readonly judge: number };
  /** In the order of the steps: the probe first. */
  readonly points: readonly Point[];
  /** What the run leaves: after stage 2, or without its scalars. */
  readonly result: Point;
  readonly scalarsKept: boolean | null;
  readonly strength: number | null;
  /** Of steps and evaluations. */
  readonly seconds: number;
}

interface Images {
  readonly pixels: Uint8Array;
  readonly classes: readonly string[];
  /** Places of the images of each class, those of test folders left out. */
  readonly byClass: readonly (readonly number[])[];
}

/** Loaded where it is asked for: tfjs reads in Node only what Vite has read before. */
async function wasmEngine(): Promise<Engine> {
  const { autodiffOn } = await import('../../src/engine/checks/node-backends.ts');
  return autodiffOn('wasm')();
}

export class Lengths {
  readonly #images = new Map<string, Images>();
  readonly #torch: Torch;

  private constructor(
    private readonly setting: Setting,
    private readonly model: VitModel,
    private readonly normalisation: Normalisation,
    private readonly shortest: number | null,
  ) {
    this.#torch = new Torch(setting.python);
  }

  static async open(setting: Setting): Promise<Lengths> {
    const read = async (name: string): Promise<Blob> =>
      new Blob([await readFile(path.join(setting.model, name))]);
    const config = unwrap(parseModelConfig(await (await read('config.json')).text(), 'config.json'));
    const file = await read('model.safetensors');
    const header = unwrap(await readHeader(file, 'model.safetensors'));
    const own = unwrap(readCheckpoint(header, config));
    const checkpoint = setting.imageSize === null ? own : unwrap(withImageSize(own, setting.imageSize));
    const model = unwrap(await loadModel(file, header, checkpoint));
    const words = JSON.parse(await (await read('preprocessor_config.json')).text()) as {
      image_mean: [number, number, number];
      image_std: [number, number, number];
      rescale_factor: number;
      size: { shortest_edge?: number };
    };
    const normalisation = { rescale: words.rescale_factor, mean: words.image_mean, std: words.image_std };
    return new Lengths(setting, model, normalisation, words.size.shortest_edge ?? null);
  }

  async measure(wanted: Case): Promise<Measured> {
    const { data, judge } = await this.#dataOf(wanted);
    const { steps, seed, rate } = wanted;
    const recipe = { ...recipeDefaults, steps, seed, learningRate: rate };
    const plan = planRun(recipe, this.model.config, data.trainImages);
    const between = Array.from({ length: this.setting.validations + 1 }, (_, i) =>
      Math.round((steps * i) / this.setting.validations),
    );
    const { model, normalisation } = this;
    const engine: Engine =
      this.setting.backend === 'torch' ? new TorchEngine(this.#torch) : await wasmEngine();
    const input = { model, head: null, start: [], normalisation, data, recipe };
    const task: RunTask = {
      ...input,
      makeEngine: () => Promise.reject(new Error('one engine serves a run')),
      plan: { ...plan, validations: new Set(between) },
    };
    const state = initialState(task);
    const options = prepareOptions(recipe, data, plan.batch);
    unwrap(await engine.prepare(model, state.adapter, normalisation, options));
    const never = new AbortController().signal;
    const validated: RunState[] = [];
    const end = await train(task, state, engine, {
      phase: () => undefined,
      keep: (kept) => {
        if (kept.evaluations.length > validated.length) validated.push(kept);
        return kept;
      },
      stepped: () => undefined,
      evaluated: () => undefined,
      mayGoOn: async () => {
        await this.setting.mayGoOn();
        return true;
      },
      isUndisturbed: () => true,
      isEnding: () => false,
      signals: () => ({ ending: never, hurry: never }),
    });
    const point = async (step: number, validation: Metrics | undefined, adapter: Adapter): Promise<Point> => {
      if (validation === undefined) throw new Error('the state was not validated');
      if (judge === null) return { step, validation, judge: null };
      await this.setting.mayGoOn();
      unwrap(await engine.writeAdapter(adapter));
      return { step, validation, judge: metricsOf(unwrap(await logitsOf(engine, judge, 50)), judge.labels) };
    };
    const points: Point[] = [];
    for (const { step, evaluations, adapter } of validated)
      points.push(await point(step, evaluations.at(-1)?.validation, adapter));
    const result = await point(end.step, end.validation ?? undefined, end.adapter);
    engine.dispose();
    return {
      ...wanted,
      images: {
        train: data.trainImages,
        validation: data.validation.labels.length,
        judge: judge?.labels.length ?? 0,
      },
      points,
      result,
      scalarsKept: end.verdict?.scalarsKept ?? null,
      strength: end.probe?.strength ?? null,
      seconds: end.seconds,
    };
  }

  close(): void {
    this.#torch.close();
  }

  async #imagesOf(set: string): Promise<Images> {
    const known = this.#images.get(set);
    if (known !== undefined) return known;
    const zip = this.setting.sets[set];
    if (zip === undefined) throw new Error(`no zip is named for ${set}`);
    const size = this.model.config.imageSize;
    const { told, body } = await this.#torch.ask({ what: 'images', zip, size, shortest: this.shortest });
    const folders = (told['paths'] as string[]).map((name) => name.split('/').slice(0, -1));
    const used = folders.map((names) => !names.includes('test'));
    const classes = [...new Set(folders.map((names) => names.at(-1) ?? ''))].sort();
    const byClass = classes.map((name) =>
      folders.flatMap((names, i) => (names.at(-1) === name && used[i] === true ? [i] : [])),
    );
    const images = { pixels: body, classes, byClass };
    this.#images.set(set, images);
    return images;
  }

  /** As the app splits: a fifth of the images validates, the rest trains; what is left over judges. */
  async #dataOf({
    set,
    n,
    seed,
  }: Case): Promise<{ readonly data: TrainingData; readonly judge: LabelledPixels | null }> {
    const { pixels, classes, byClass } = await this.#imagesOf(set);
    const [train, validation, judge]: [number[], number[], number[]] = [[], [], []];
    const wanted = Math.round((1.25 * n) / classes.length);
    const mostJudges = Math.floor(this.setting.judges / classes.length);
    byClass.forEach((places, id) => {
      const order = randomStream(seed, 'split', id).permutation(places.length);
      const shuffled = Array.from(order, (i) => places[i] ?? 0);
      const pool = shuffled.slice(0, wanted);
      const held = Math.max(1, Math.round(0.2 * pool.length));
      validation.push(...pool.slice(0, held));
      train.push(...pool.slice(held));
      judge.push(...shuffled.slice(wanted, wanted + mostJudges));
    });
    const labelOf = new Map(byClass.flatMap((places, id) => places.map((place) => [place, id] as const)));
    const size = 3 * this.model.config.imageSize ** 2;
    const gathered = (list: readonly number[]): LabelledPixels & { readonly all: Uint8Array } => {
      const all = new Uint8Array(list.length * size);
      list.forEach((place, i) => all.set(pixels.subarray(place * size, (place + 1) * size), i * size));
      const slice = (begin: number, end: number): Pixels => ({
        kind: 'bytes',
        data: all.subarray(begin * size, end * size),
      });
      return { all, slice, labels: Int32Array.from(list, (place) => labelOf.get(place) ?? 0) };
    };
    const learned = gathered(train);
    return {
      data: {
        classes,
        trainImages: train.length,
        train: learned,
        trainBatch: (step, batch) => {
          const rows = batchIndices(train.length, batch, step, seed);
          const taken = gathered(Array.from(rows, (row) => train[row] ?? 0));
          return { pixels: taken.slice(0, batch), labels: taken.labels, images: Int32Array.from(rows) };
        },
        validation: gathered(validation),
        test: null,
      },
      judge: judge.length === 0 ? null : gathered(judge),
    };
  }
}
