// What of a saved run is compared with others: its recipe, curves and results, what made it, and of each validation
// image whether it was answered right and how likely its class was thought. Small enough for the page.
import { digestOf } from '../shared/sha256.ts';
import type { Recipe } from '../recipe/options.ts';
import type { Evaluated } from '../train/divergence.ts';
import type { Metrics } from '../train/evaluation.ts';
import type { SavedRun } from './saved-run.ts';

/** Validation images in an order that is theirs alone: two runs with the same `key` have the same rows. */
export interface ImageMarks {
  readonly label: Int32Array; // [images]
  readonly answer: Int32Array; // [images]
  readonly right: Uint8Array; // [images] 1 where it is
  readonly loss: Float32Array; // [images] cross entropy of the image's own class
}

export interface RunFigures {
  readonly id: string;
  readonly savedAt: number;
  readonly recipe: Recipe;
  /** Done steps, and those of the plan. */
  readonly step: number;
  readonly steps: number;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  readonly model: {
    readonly title: string;
    readonly sha256: string;
    readonly startSha256: string | null;
    readonly imageSize: number;
  };
  readonly images: {
    readonly title: string;
    readonly classes: readonly string[];
    readonly counts: { readonly train: number; readonly validation: number; readonly test: number };
    /** Digest of the images of a part and their classes, in whatever order they stand. */
    readonly keys: { readonly train: string; readonly validation: string; readonly test: string };
  };
  /** "webgpu, nvidia ampere", and the build that saved it. */
  readonly device: string;
  readonly build: string;
  readonly losses: Float32Array; // [step]
  /** Images of each batch that were right. */
  readonly correct: Float32Array; // [step]
  readonly evaluations: readonly Evaluated[];
  readonly keptStep: number;
  readonly validation: Metrics | null;
  readonly test: Metrics | null;
  /** Of the linear probe that it began with; null where its head began otherwise. */
  readonly probe: { readonly validation: Metrics; readonly test: Metrics | null } | null;
  /** Whether the result has scalars of a stage 2; null without one. */
  readonly scalarsKept: boolean | null;
  readonly diverged: boolean;
  readonly seconds: number;
  /** Of them, those of the steps. */
  readonly stepSeconds: number;
  /** The most that its engine held at once. */
  readonly peakBytes: number;
  /** Of the result; null in a run that was saved before it was kept. */
  readonly marks: ImageMarks | null;
}

export async function figuresOf(id: string, { facts, state }: SavedRun): Promise<RunFigures> {
  const { images, model, device } = facts;
  const { train, validation, test } = images.counts;
  const part = (from: number, count: number): Promise<Part> => partOf(facts.images, from, count);
  const [learned, held, apart] = [
    await part(0, train),
    await part(train, validation),
    await part(train + validation, test),
  ];
  return {
    id,
    savedAt: facts.savedAt,
    recipe: facts.recipe,
    step: state.step,
    ...{ steps: facts.plan.steps, batch: facts.plan.batch, stepsPerEpoch: facts.plan.stepsPerEpoch },
    model: {
      ...{ title: model.title, sha256: model.sha256 },
      ...{ startSha256: model.startSha256, imageSize: model.imageSize },
    },
    images: {
      ...{ title: images.title, classes: images.classes, counts: images.counts },
      keys: { train: learned.key, validation: held.key, test: apart.key },
    },
    device: `${device.backend}, ${device.adapter}`,
    build: facts.build,
    losses: state.losses,
    correct: state.correct,
    evaluations: state.evaluations,
    keptStep: state.verdict?.keptStep ?? state.step,
    validation: state.validation ?? state.evaluations.at(-1)?.validation ?? null,
    test: state.test,
    probe: state.probe === null ? null : { validation: state.probe.validation, test: state.probe.test },
    scalarsKept: state.verdict?.scalarsKept ?? null,
    diverged: state.verdict !== null && state.verdict.diverged !== null,
    ...{ seconds: state.seconds, stepSeconds: state.stepSeconds, peakBytes: state.peakBufferBytes },
    marks: marksOf(state.answers, images.labels.subarray(train, train + validation), held.order),
  };
}

interface Part {
  readonly key: string;
  /** Places of its images in the order of their digests; of equal ones in that of their classes. */
  readonly order: readonly number[];
}

async function partOf(
  { ids, labels, classes }: SavedRun['facts']['images'],
  from: number,
  count: number,
): Promise<Part> {
  const names = Array.from({ length: count }, (_, i) => {
    const name = classes[labels[from + i] ?? 0] ?? '';
    return `${ids[from + i] ?? ''} ${JSON.stringify(name)}`;
  });
  const order = [...names.keys()].sort((a, b) => compareText(names[a] ?? '', names[b] ?? '') || a - b);
  const text = order.map((i) => names[i] ?? '').join('\n');
  return { key: await digestOf(new Blob([text])), order };
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function marksOf(
  answers: SavedRun['state']['answers'],
  labels: Int32Array,
  order: readonly number[],
): ImageMarks | null {
  if (answers === null) return null;
  return {
    label: Int32Array.from(order, (i) => labels[i] ?? 0),
    answer: Int32Array.from(order, (i) => answers.answer[i] ?? 0),
    right: Uint8Array.from(order, (i) => (answers.answer[i] === labels[i] ? 1 : 0)),
    loss: Float32Array.from(order, (i) => answers.loss[i] ?? NaN),
  };
}
