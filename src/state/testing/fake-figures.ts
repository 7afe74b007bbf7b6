// Figures of saved runs that look like recorded ones, for the client without a worker.
import { fail, ok, type Result } from '../../shared/result.ts';
import type { Recipe } from '../../recipe/options.ts';
import type {
  DataSummary,
  ListedRun,
  QueuedRun,
  RunFigures,
  SetAnswers,
  SplitName,
} from '../../worker/protocol.ts';

/** A repeatable number in [0, 1) from two whole ones. */
export const noise = (a: number, b: number): number => {
  const x = Math.sin(a * 127.1 + b * 311.7) * 43758.5453;
  return x - Math.floor(x);
};

/** Of a run at a place of the list: the later, the worse. 200 validation images of two classes. */
export function fakeFigures(run: ListedRun, at: number, isSilent: boolean): RunFigures {
  const n = 200;
  const label = Int32Array.from({ length: n }, (_, i) => i % 2);
  const right = Uint8Array.from(label, (_, i) => (noise(i, 7) + 0.06 * at * noise(i, 8 + at) < 0.87 ? 1 : 0));
  const accuracy = right.reduce((a, b) => a + b, 0) / n;
  const lossAt = (step: number): number =>
    (2.2 + 0.2 * at) * Math.exp((-4 * step) / run.steps) + 0.3 + 0.03 * at;
  return {
    ...{ id: run.id, savedAt: run.savedAt, recipe: run.recipe, step: run.step, steps: run.steps },
    ...{ batch: 32, stepsPerEpoch: run.steps / 10, device: 'webgpu, nvidia ampere', build: 'fake' },
    model: { title: run.model, sha256: 'ab'.repeat(32), startSha256: null, imageSize: 64 },
    images: {
      ...{ title: run.images, classes: ['a', 'b'] },
      counts: { train: 800, validation: n, test: 1000 },
      keys: { train: run.images, validation: run.images, test: run.images },
    },
    losses: Float32Array.from({ length: run.step }, (_, i) => lossAt(i) + 0.4 * (noise(i, at) - 0.5)),
    correct: Float32Array.from({ length: run.step }, (_, i) =>
      Math.round(32 * Math.min(1, 1 - 0.8 * Math.exp((-4 * i) / run.steps) + 0.1 * (noise(i, at) - 0.5))),
    ),
    evaluations: Array.from({ length: 11 }, (_, k) => {
      const step = Math.round((k * run.step) / 10);
      return {
        step,
        validation: {
          loss: lossAt(step) + 0.1,
          accuracy: accuracy - 0.8 * Math.exp((-4 * step) / run.steps),
        },
      };
    }),
    keptStep: run.step,
    validation: { loss: 0.42 + 0.03 * at, accuracy },
    test: { loss: 0.5, accuracy: accuracy - 0.01 },
    probe: { validation: { loss: 0.6, accuracy: 0.7 }, test: { loss: 0.65, accuracy: 0.69 } },
    ...{ scalarsKept: true, diverged: false, seconds: 38 + at, stepSeconds: 30 + at, peakBytes: 111e6 },
    marks: isSilent
      ? null
      : {
          ...{ label, right },
          answer: label.map((id, i) => (right[i] === 1 ? id : 1 - id)),
          loss: Float32Array.from(
            right,
            (is, i) => (is === 1 ? 0.1 : 1.8) + (0.2 + 0.03 * at) * noise(i, 50 + at),
          ),
        },
  };
}

/** A run of several as the list has it once it has ended. */
export const listedLike = (
  { id, name }: QueuedRun,
  open: Pick<ListedRun, 'model' | 'images'>,
  { images, classes }: DataSummary,
  recipe: Recipe,
  steps: number,
): ListedRun => ({
  ...{ id, name, recipe, steps, step: steps, bytes: 3e6, deleted: false, finished: true, savedAt: 0 },
  ...{ ...open, imageCount: images, classes: classes.length },
  validation: { loss: 0.4, accuracy: 0.8 },
});

/** Of the run of that id in a list; the silent ones have no answers. */
export function figuresAmong(
  runs: readonly ListedRun[],
  id: string,
  silent: readonly string[] = [],
): Result<RunFigures> {
  const at = runs.findIndex((run) => run.id === id);
  const run = runs[at];
  return run === undefined
    ? fail({ kind: 'storage', why: 'unavailable', detail: 'It is gone.' })
    : ok(fakeFigures(run, at, silent.includes(id)));
}

/** Every fifth answer is wrong, and some of those are sure. */
export function answersOf(set: SplitName, classes: readonly string[] = ['a', 'b']): SetAnswers {
  const n = { train: 800, validation: 200, test: 1000 }[set];
  const labels = Int32Array.from({ length: n }, (_, i) => i % classes.length);
  const logits = Float32Array.from({ length: n * classes.length }, (_, at) => {
    const [i, id] = [Math.floor(at / classes.length), at % classes.length];
    const answer = noise(i, 7) < 0.2 ? Math.floor(noise(i, 8) * classes.length) : (labels[i] ?? 0);
    return (id === answer ? 1 + 4 * noise(i, 9) : 0) + noise(i, 10 + id);
  });
  const images = Array.from(labels, (_, i) => i);
  const paths = images.map((i) => `${classes[labels[i] ?? 0] ?? ''}/${i}.png`);
  return { set, classes, labels, logits, images, paths };
}
