// What the result of an ended run answers to images: those of its own split, each part asked once and kept,
// and any other, beside the linear probe that the run began with; and where both look. Never touches the run.
// Loaded when somebody asks.
import type { ImageWorker } from '../data/image-work.ts';
import type { SplitName } from '../data/import-report.ts';
import type { Looked } from '../data/look-at.ts';
import { allOpen, type Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { readsClassToken } from '../engine/look.ts';
import type { NdArray } from '../shared/array.ts';
import { assert, present } from '../shared/assert.ts';
import { eachOf } from '../shared/concurrent.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { rowsOf } from '../train/evaluation.ts';
import { headLogitsInTurn } from '../train/linear-probe.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import { gridSize } from '../vit/vit-config.ts';
import type { LookMaps } from './answers.ts';
import type { ImageLooks, LookedAt, SetAnswers, SourceFile, Tried } from './protocol.ts';
import type { ResultEngine } from './result-engine.ts';

export class Asking {
  #beginning: Adapter | null = null;
  readonly #answers = new Map<SplitName, SetAnswers>();

  constructor(private readonly engine: ResultEngine) {}

  /** What it answers to each image of a part of the split, in the order of the split. */
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
    const ids = images.split[set];
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

  /** What it answers to images of any kind, prepared as its own were; each that cannot be read says why. */
  async tried(files: readonly SourceFile[], work: ImageWorker, signal: AbortSignal): Promise<Result<Tried>> {
    const begunAt = performance.now();
    const { preprocessing } = this.engine.ended.model;
    const made = new Map<number, Uint8Array<ArrayBuffer>>();
    const problems = new Map<number, string>();
    const prepare = async ({ blob }: SourceFile, index: number): Promise<void> => {
      const looked = await work.do('look', { content: blob, looksLikeImage: false }, { signal });
      if (!looked.ok) {
        problems.set(index, looked.fault.reason);
        return;
      }
      if (looked.value.kind !== 'image') {
        problems.set(index, whyNot(looked.value));
        return;
      }
      const { id, header } = looked.value;
      const pixels = await work.do('pixels', { content: blob, id, header, preprocessing }, { signal });
      if (pixels.ok) made.set(index, pixels.value);
      else problems.set(index, pixels.fault.reason);
    };
    await eachOf(files, work.width, prepare, signal);
    const preparedAt = performance.now();
    const places = [...made.keys()].sort((a, b) => a - b);
    const { classes } = this.engine.ended.data;
    const answers = await this.#answersTo(
      places.map((index) => present(made.get(index), 'pixels')),
      signal,
    );
    if (!answers.ok) return answers;
    const row = (logits: NdArray | null, index: number): Float32Array | null => {
      const at = places.indexOf(index);
      return logits === null || at < 0
        ? null
        : logits.data.slice(at * classes.length, (at + 1) * classes.length);
    };
    return ok({
      classes,
      images: files.map(({ path }, index) => ({
        path,
        logits: row(answers.value.result, index),
        probe: row(answers.value.probe, index),
        why: problems.get(index) ?? null,
      })),
      preparedMs: preparedAt - begunAt,
      askedMs: performance.now() - preparedAt,
    });
  }

  /** Logits [n, classes] of the result, and of the probe on the features that it was fitted on. */
  async #answersTo(
    pixels: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<Result<{ readonly result: NdArray | null; readonly probe: NdArray | null }>> {
    if (pixels.length === 0) return ok({ result: null, probe: null });
    const images = labelledPixels(pixels);
    const result = await this.engine.logits(images, signal);
    if (!result.ok) return result;
    const { run } = this.engine.ended;
    const probed = run.state.probe;
    if (probed === null) return ok({ result: result.value, probe: null });
    const probe = await this.engine.askWith((this.#beginning ??= run.beginning()), async (engine) => {
      const features = await rowsOf(engine, 'features', images, run.plan.batch, { signal });
      return features.ok
        ? ok(await headLogitsInTurn(features.value, probed.head, yieldToEventLoop))
        : features;
    });
    return probe.ok ? ok({ result: result.value, probe: probe.value }) : probe;
  }
}

/** A part of the split; a fault where it has no images. */
export function imagesOf(data: TrainingData, set: SplitName): Result<LabelledPixels> {
  const images = data[set];
  if (images !== null) return ok(images);
  const detail = 'No images were kept apart for a test.';
  return fail({ kind: 'bad-dataset', why: 'none-usable', detail });
}

/** Images without a class. */
function labelledPixels(pixels: readonly Uint8Array[]): LabelledPixels {
  return {
    labels: new Int32Array(pixels.length),
    slice(begin, end) {
      const some = pixels.slice(begin, end);
      const data = new Uint8Array(some.reduce((sum, { length }) => sum + length, 0)); // [n, height, width, 3]
      let at = 0;
      for (const image of some) {
        data.set(image, at);
        at += image.length;
      }
      return { kind: 'bytes', data };
    },
  };
}

function whyNot(looked: Exclude<Looked, { readonly kind: 'image' }>): string {
  switch (looked.kind) {
    case 'rejected':
    case 'ignored':
      return looked.reason;
    case 'foreign':
      return 'It is an archive: unpack it, and try the images in it.';
    default:
      return looked satisfies never;
  }
}
