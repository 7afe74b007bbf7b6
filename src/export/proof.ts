// What an export is proved on and by what measure: a named sample of the validation images, the branched
// model's logits on it, and how far those of a format may lie from them, which depends on the type of its
// weights alone.
import { outputSizeOf, preparationWords, type Preprocessing } from '../data/preprocessing.ts';
import type { Pixels } from '../engine/engine.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { metricsOf } from '../train/evaluation.ts';
import { imagesOf, sampleRows } from '../train/sample.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import type { Measured } from './export-types.ts';
import type { WrittenType } from './export-context.ts';

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

/** A sample of the validation images, and what the branched model says of it. */
export interface ProofSample {
  readonly images: LabelledPixels;
  readonly logits: NdArray; // [n, classes]
  /** Validation images that it was drawn from. */
  readonly of: number;
}

/** A sample of a sample, drawn by the same rule. */
export function smallerSample({ images, logits, of }: ProofSample, most: number): ProofSample {
  const rows = sampleRows(images.labels, most);
  const classes = logits.shape[1] ?? 0;
  const data = new Float32Array(rows.length * classes);
  rows.forEach((row, i) => data.set(logits.data.subarray(row * classes, (row + 1) * classes), i * classes));
  return { images: imagesOf(images, rows), logits: ndArray([rows.length, classes], data), of };
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

/** The verdict on logits [n, classes] against those of the sample. */
export function compare(logits: NdArray, sample: ProofSample, type: WrittenType): Result<Measured> {
  const largest = (values: Float32Array): number =>
    values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
  const differences = logits.data.map((value, i) => value - (sample.logits.data[i] ?? NaN));
  if (!differences.every((value) => Number.isFinite(value)))
    return fail({ kind: 'not-finite', where: 'a logit of the exported file', step: 0 });
  const maxLogit = largest(sample.logits.data);
  return ok({
    images: sample.images.labels.length,
    of: sample.of,
    maxLogitDifference: largest(differences),
    maxLogit,
    sameAnswers: sameAnswers(logits, sample.logits),
    tolerance: proofTolerance[type] * Math.max(1, maxLogit),
    onSample: metricsOf(logits, sample.images.labels),
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
