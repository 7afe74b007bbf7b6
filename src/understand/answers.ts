// What a model answered to labelled images: the class of the largest logit, how sure it was of that, and which
// answers were wrong. Pure functions of logits and labels; knows no images.

/** Logits of n images and the classes that they are of. */
export interface Asked {
  readonly classes: number;
  readonly logits: Float32Array; // [n, classes]
  readonly labels: Int32Array; // [n]
}

/** What follows for each image. */
export interface Answers {
  /** The class of the largest logit, the first of equal ones. */
  readonly answer: Int32Array; // [n]
  /** The probability of that class, and of the image's own. */
  readonly confidence: Float64Array; // [n]
  readonly own: Float64Array; // [n]
  readonly right: number;
}

/** softmax(logits / temperature) of one row, in float64. */
export function probabilitiesOf(logits: ArrayLike<number>, temperature = 1): Float64Array {
  const scaled = Float64Array.from(logits, (logit) => logit / temperature);
  const top = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = scaled.map((value) => Math.exp(value - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

export const rowOf = ({ logits, classes }: Asked, image: number): Float32Array =>
  logits.subarray(image * classes, (image + 1) * classes);

export function answersOf(asked: Asked, temperature = 1): Answers {
  const { labels } = asked;
  const answer = new Int32Array(labels.length);
  const confidence = new Float64Array(labels.length);
  const own = new Float64Array(labels.length);
  let right = 0;
  labels.forEach((label, i) => {
    const row = rowOf(asked, i);
    const probabilities = probabilitiesOf(row, temperature);
    const first = row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity));
    answer[i] = first;
    confidence[i] = probabilities[first] ?? NaN;
    own[i] = probabilities[label] ?? NaN;
    if (first === label) right += 1;
  });
  return { answer, confidence, own, right };
}

/** The images that were answered wrongly, the surest answer first. */
export function confidentMistakes({ labels }: Asked, { answer, confidence }: Answers): number[] {
  return wrongOf(labels, answer).sort((a, b) => (confidence[b] ?? 0) - (confidence[a] ?? 0) || a - b);
}

/**
 * Of images that were trained on, those that are answered wrongly all the same: the one whose own class is
 * thought least likely first. Their labels may be wrong (Northcutt et al. 2021, "Confident learning", order by
 * the same number).
 */
export function neverLearned({ labels }: Asked, { answer, own }: Answers): number[] {
  return wrongOf(labels, answer).sort((a, b) => (own[a] ?? 0) - (own[b] ?? 0) || a - b);
}

function wrongOf(labels: Int32Array, answer: Int32Array): number[] {
  return [...labels.keys()].filter((i) => answer[i] !== labels[i]);
}
