// What the result of an ended run answers to images: those of its own split, each part asked once and kept,
// and (trying.ts) any other, beside the linear probe that the run began with; and where both look. Never touches
// the run. Loaded when somebody asks.
import type { SplitName } from '../data/import-report.ts';
import { allOpen, type Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { readsClassToken } from '../engine/look.ts';
import { assert, present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import { gridSize } from '../vit/vit-config.ts';
import type { LookMaps } from './answers.ts';
import { learnedFrom } from './open-data.ts';
import type { ImageLooks, LookedAt, SetAnswers } from './protocol.ts';
import type { ResultEngine } from './result-engine.ts';
import { answersOf, type Answerer } from './trying.ts';

export class Asking {
  #beginning: Adapter | null = null;
  readonly #answers = new Map<SplitName, SetAnswers>();

  constructor(private readonly engine: ResultEngine) {}

  /** Answers to images of any kind, beside the linear probe. */
  get answerer(): Answerer {
    const { run, data, model } = this.engine.ended;
    return {
      classes: data.classes,
      preprocessing: model.preprocessing,
      answer: (images, signal) =>
        this.engine.ask((engine) =>
          answersOf(engine, run, run.state, (this.#beginning ??= run.beginning()), images, signal),
        ),
    };
  }

  /** What it answers to each image of a part of the split, in their order in the data of the run. */
  async answers(
    set: SplitName,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<Result<SetAnswers>> {
    const known = this.#answers.get(set);
    if (known !== undefined) return ok(known);
    const { data, images } = this.engine.ended;
    const part = imagesOf(data, set);
    if (!part.ok) return part;
    const asked = part.value;
    const total = asked.labels.length;
    let done = 0;
    onProgress(done, total);
    const logits = await this.engine.logits(asked, signal, (answered) => {
      done += answered;
      onProgress(done, total);
    });
    if (!logits.ok) return logits;
    const ids = set === 'train' ? learnedFrom(images) : images.split[set];
    assert(ids.length === total, `${total} answers are of ${ids.length} images`);
    const answers: SetAnswers = {
      set,
      classes: data.classes,
      labels: asked.labels,
      logits: logits.value.data,
      images: ids,
      paths: ids.map((id) => present(images.images[id], 'image').path),
    };
    this.#answers.set(set, answers);
    return ok(answers);
  }

  /** Where it, and the model that it began with, look in one of its images. */
  async looks({ set, row, class: classIndex }: LookedAt, signal: AbortSignal): Promise<Result<ImageLooks>> {
    const { run, data, model } = this.engine.ended;
    const { config } = model.model;
    const part = imagesOf(data, set);
    if (!part.ok) return part;
    const pixels = part.value.slice(row, row + 1);
    assert(pixels.kind === 'bytes', 'the images of a run are bytes');
    const maps = async (engine: Engine, isFitted: boolean): Promise<Result<LookMaps>> => {
      const look = await engine.look(pixels, classIndex, allOpen, signal);
      if (!look.ok) return look;
      const logits = await engine.evaluate(pixels, allOpen, signal);
      if (!logits.ok) return logits;
      const { attention, rollout, relevance } = look.value;
      const { heads, prefixTokens } = config;
      const tokens = rollout.data.length;
      const mean = Float32Array.from({ length: tokens }, (_, token) => {
        let sum = 0;
        for (let head = 0; head < heads; head++) sum += attention.data[head * tokens + token] ?? 0;
        return sum / heads;
      });
      return ok({
        attention: mean.slice(prefixTokens),
        rollout: rollout.data.slice(prefixTokens),
        relevance: isFitted ? relevance.data.slice(prefixTokens) : null,
        logits: isFitted ? logits.value.data : null,
      });
    };
    const after = await this.engine.ask((engine) => maps(engine, true));
    if (!after.ok) return after;
    // It began with the probe's head where there was one.
    const beginning = (this.#beginning ??= run.beginning());
    const probed = { ...beginning, head: run.state.probe?.head ?? beginning.head };
    const before = await this.engine.askWith(probed, (engine) => maps(engine, run.beganFitted));
    if (!before.ok) return before;
    return ok({
      grid: gridSize(config),
      side: config.imageSize,
      pixels: pixels.data.slice(),
      from: readsClassToken(config) ? 'class-token' : 'mean',
      before: before.value,
      after: after.value,
    });
  }
}

/** A part of the split; a fault where it has no images. */
export function imagesOf(data: TrainingData, set: SplitName): Result<LabelledPixels> {
  const images = data[set];
  if (images !== null) return ok(images);
  const detail = 'No images were kept apart for a test.';
  return fail({ kind: 'bad-dataset', why: 'none-usable', detail });
}
