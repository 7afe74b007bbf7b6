// Images that belong to no set, put to whoever answers: prepared as the model's own were; each that cannot be read
// says why.
import type { ImageWorker } from '../data/image-work.ts';
import type { Looked } from '../data/look-at.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { imagesAtOnce } from '../export/proof-engine.ts';
import type { NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { eachOf } from '../shared/concurrent.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { ok, type Result } from '../shared/result.ts';
import { logitsOf, rowsOf } from '../train/evaluation.ts';
import { headLogitsInTurn } from '../train/linear-probe.ts';
import { askedWith } from '../train/questions.ts';
import type { Run } from '../train/run.ts';
import type { RunState } from '../train/run-state.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import type { SourceFile, Tried } from './protocol.ts';
import type { EndedRun } from './result-engine.ts';

/** What was answered to some images, and by which state of a run; null for a model that no run changes. */
export interface Answers {
  readonly result: NdArray; // [n, classes]
  /** Null where there is no linear probe to compare with. */
  readonly probe: NdArray | null; // [n, classes]
  readonly step: number | null;
}

/** Does a piece of work when the commands before it are done. */
export type InTurn = <T>(work: () => Promise<Result<T>>) => Promise<Result<T>>;

/** Who answers. */
export interface Answerer {
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly answer: (images: LabelledPixels, signal: AbortSignal) => Promise<Result<Answers>>;
}

/** What it answers to images of any kind. */
export async function tryImages(
  files: readonly SourceFile[],
  { classes, preprocessing, answer }: Answerer,
  work: ImageWorker,
  signal: AbortSignal,
): Promise<Result<Tried>> {
  const begunAt = performance.now();
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
  const pixels = places.map((index) => present(made.get(index), 'pixels'));
  const answers = pixels.length === 0 ? ok(null) : await answer(labelledPixels(pixels), signal);
  if (!answers.ok) return answers;
  const row = (logits: NdArray | null | undefined, index: number): Float32Array | null => {
    const at = places.indexOf(index);
    return logits == null || at < 0
      ? null
      : logits.data.slice(at * classes.length, (at + 1) * classes.length);
  };
  return ok({
    classes,
    images: files.map(({ path }, index) => ({
      path,
      logits: row(answers.value?.result, index),
      probe: row(answers.value?.probe, index),
      why: problems.get(index) ?? null,
    })),
    step: answers.value?.step ?? null,
    preparedMs: preparedAt - begunAt,
    askedMs: performance.now() - preparedAt,
  });
}

/**
 * A run under way, as it stands between two steps.
 *
 * @param ended answers where the run ended before it did.
 */
export function answererOf(
  { run, data, model }: Pick<EndedRun, 'run' | 'data' | 'model'>,
  beginning: Adapter,
  ended: Answerer['answer'],
): Answerer {
  return {
    classes: data.classes,
    preprocessing: model.preprocessing,
    answer: async (images, signal) => {
      const answers = await run.ask(
        (engine, state) => answersOf(engine, run, state, beginning, images, signal),
        signal,
      );
      return answers ?? ended(images, signal);
    },
  };
}

/**
 * What a run's model answers as it stands in a state, and its linear probe on the features that it was fitted
 * on.
 *
 * @param engine holds the state's adapter, and holds it again afterwards.
 */
export async function answersOf(
  engine: Engine,
  run: Run,
  state: RunState,
  beginning: Adapter,
  images: LabelledPixels,
  signal: AbortSignal,
): Promise<Result<Answers>> {
  const classes = state.adapter.head.bias.data.length;
  const atOnce = imagesAtOnce(engine, run.model.config, classes, run.plan.batch);
  const watch = { between: yieldToEventLoop, signal };
  const result = await logitsOf(engine, images, atOnce, watch);
  if (!result.ok) return result;
  const step = state.verdict?.keptStep ?? state.step;
  const { probe: probed } = state;
  if (probed === null) return ok({ result: result.value, probe: null, step });
  return askedWith(engine, beginning, state.adapter, async () => {
    const features = await rowsOf(engine, 'features', images, atOnce, watch);
    if (!features.ok) return features;
    const probe = await headLogitsInTurn(features.value, probed.head, yieldToEventLoop);
    return ok({ result: result.value, probe, step });
  });
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
