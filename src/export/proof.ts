// The proof of an export: the model that was read back runs on validation images, and its logits are compared
// with those of the branched model that was trained. How far they may differ depends on the type of the
// weights alone.
import { outputSizeOf, preparationWords, type Preprocessing } from '../data/preprocessing.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine, Pixels } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { logitsOf, metricsOf } from '../train/evaluation.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import type { ExportProof } from './export-types.ts';
import type { ReadBack, WrittenType } from './export-context.ts';

/** Images of a proof at most; validation sets may be large and formats many. */
export const proofImages = 64;

/**
 * Largest logit difference, relative to the largest logit. float32: the order of sums; float16: its rounding
 * of every weight, 2^-11; bfloat16: 2^-8, eight times as coarse, with a margin that is smaller since weights
 * round independently. Few bits change what is computed: a quarter, and `answersKept`.
 */
const proofTolerance: Readonly<Record<WrittenType, number>> = {
  F64: 1e-4,
  F32: 1e-4,
  F16: 2e-2,
  BF16: 1e-1,
  UINT8: 0.25,
  INT4: 0.25,
};

/** The share of images that a file in few bits must answer as the branched model does. */
export const answersKept = 0.95;

/** Images, and what the branched model says of them. */
export interface ProofSample {
  readonly images: LabelledPixels;
  readonly logits: NdArray; // [n, classes]
}

/** At most `most` images, evenly spaced, so that every class that fits is among them. */
export function proofSample(images: LabelledPixels, logits: NdArray, most = proofImages): ProofSample {
  const total = images.labels.length;
  if (total <= most) return { images, logits };
  const rows = Array.from({ length: most }, (_, i) => Math.floor((i * total) / most));
  const classes = logits.shape[1] ?? 0;
  const data = new Float32Array(most * classes);
  rows.forEach((row, i) => data.set(logits.data.subarray(row * classes, (row + 1) * classes), i * classes));
  return {
    images: {
      labels: Int32Array.from(rows, (row) => images.labels[row] ?? 0),
      slice: (begin, end) => joined(rows.slice(begin, end).map((row) => images.slice(row, row + 1))),
    },
    logits: ndArray([most, classes], data),
  };
}

function joined(parts: readonly Pixels[]): Pixels {
  const bytes = parts.flatMap((part) => (part.kind === 'bytes' ? [part.data] : []));
  if (bytes.length === parts.length) {
    const data = new Uint8Array(bytes.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of bytes) {
      data.set(part, at);
      at += part.length;
    }
    return { kind: 'bytes', data };
  }
  const values = parts.flatMap((part) => (part.kind === 'normalised' ? [part.data] : []));
  const data = new Float32Array(values.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of values) {
    data.set(part, at);
    at += part.length;
  }
  return { kind: 'normalised', data };
}

/** Pixels as the network takes them, [n, 3, side, side]. */
export function normalisedPixels(
  pixels: Pixels,
  side: number,
  { rescale, mean, std }: Pick<Preprocessing, 'rescale' | 'mean' | 'std'>,
): NdArray {
  const area = side * side;
  const count = pixels.data.length / (3 * area);
  if (pixels.kind === 'normalised') return ndArray([count, 3, side, side], pixels.data);
  const data = new Float32Array(pixels.data.length);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < area; i++)
        data[(n * 3 + c) * area + i] =
          ((pixels.data[(n * area + i) * 3 + c] ?? 0) * rescale - (mean[c] ?? 0)) / (std[c] ?? 1);
  return ndArray([count, 3, side, side], data);
}

/**
 * Runs a model that was read back and compares.
 *
 * @param makeEngine a fresh engine; no other may be open, since the engines of tfjs share a device.
 */
export async function prove(
  { model, head, preprocessing }: ReadBack,
  sample: ProofSample,
  type: WrittenType,
  batch: number,
  makeEngine: () => Promise<Result<Engine>>,
): Promise<Result<ExportProof>> {
  const engine = await makeEngine();
  if (!engine.ok) return engine;
  try {
    const plain: Adapter = { modules: [], head, moments: new Map() };
    const classes = head.bias.data.length;
    const prepared = await engine.value.prepare(model, plain, preprocessing, { batch, classes });
    if (!prepared.ok) return prepared;
    const logits = await logitsOf(engine.value, sample.images, batch);
    return logits.ok ? compare(logits.value, sample, type) : logits;
  } finally {
    engine.value.dispose();
  }
}

/** The verdict on logits [n, classes] against those of the sample. */
export function compare(logits: NdArray, sample: ProofSample, type: WrittenType): Result<ExportProof> {
  const largest = (values: Float32Array): number =>
    values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
  const differences = logits.data.map((value, i) => value - (sample.logits.data[i] ?? NaN));
  if (!differences.every((value) => Number.isFinite(value)))
    return fail({ kind: 'not-finite', where: 'a logit of the exported file', step: 0 });
  const maxLogit = largest(sample.logits.data);
  return ok({
    images: sample.images.labels.length,
    maxLogitDifference: largest(differences),
    maxLogit,
    sameAnswers: sameAnswers(logits, sample.logits),
    tolerance: proofTolerance[type] * Math.max(1, maxLogit),
    validation: metricsOf(logits, sample.images.labels),
  });
}

/** Rows whose largest value stands at the same place in both. */
function sameAnswers(a: NdArray, b: NdArray): number {
  const [rows = 0, classes = 0] = b.shape;
  const best = ({ data }: NdArray, row: number): number => {
    const values = data.subarray(row * classes, (row + 1) * classes);
    return values.indexOf(values.reduce((x, y) => Math.max(x, y), -Infinity));
  };
  return Array.from({ length: rows }, (_, row) => best(a, row) === best(b, row)).filter(Boolean).length;
}

/** What differs between two ways of preparing an image, beyond rounding; null when nothing does. */
export function preprocessingDifference(a: Preprocessing, b: Preprocessing): string | null {
  const words = (p: Preprocessing): string => {
    const { width, height } = outputSizeOf(p);
    return preparationWords({ ...p, crop: { width, height } });
  };
  if (words(a) !== words(b)) return `images are ${words(b)} instead of ${words(a)}`;
  // (v rescale - mean) / std at the two ends of the range.
  const ends = ({ rescale, mean, std }: Preprocessing): number[] =>
    [0, 255].flatMap((v) => mean.map((m, c) => (v * rescale - m) / (std[c] ?? 1)));
  const other = ends(b);
  return ends(a).every((value, i) => Math.abs(value - (other[i] ?? NaN)) < 1e-4)
    ? null
    : 'images are normalised by another mean and deviation';
}
