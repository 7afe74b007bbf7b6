// Labels that the frozen features of a model contradict: images whose nearest neighbours agree on another class.
// Knows features and labels; no image and no model.
import type { FoundImage } from './check-images.ts';

/** Neighbours that are asked. */
const neighbours = 10;
/** A label is doubted when so little of the vote is for it, and so much for one other class. */
const mostOwn = 0.05;
const leastOther = 0.7;

export interface LabelDoubt {
  /** Row of the features. */
  readonly row: number;
  /** The class that its neighbours have. */
  readonly says: number;
  /** Share of their vote for it, 0 to 1. */
  readonly share: number;
}

/** An image whose label is doubted. */
export interface DoubtedLabel extends FoundImage {
  /** The class of its nearest neighbours, and their vote for it, 0 to 1. */
  readonly says: string;
  readonly share: number;
}

export interface LabelCheck {
  /** Images that could be decoded. */
  readonly checked: number;
  /** The surest first. */
  readonly doubts: readonly DoubtedLabel[];
}

/**
 * The labels that are doubted, the surest first: each image's 10 nearest others by the cosine of their
 * standardised features vote for their own classes, each with its cosine. Bounds were chosen on four sets with
 * 3 % of the labels made wrong (docs/decisions/data-check.md).
 *
 * @param features [n, width]
 * @param labels [n] class indices
 * @param between is awaited again and again with the rows that are done
 */
export async function labelDoubts(
  features: Float32Array,
  width: number,
  labels: Int32Array,
  classes: number,
  between: (done: number) => Promise<void>,
): Promise<LabelDoubt[]> {
  const n = labels.length;
  const rows = directions(features, width, n);
  const doubts: LabelDoubt[] = [];
  const cosines = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    if (i % 32 === 0) await between(i);
    const own = rows.subarray(i * width, (i + 1) * width);
    for (let j = 0; j < n; j++) cosines[j] = j === i ? -Infinity : dot(own, rows, j * width);
    const votes = votesOf(cosines, labels, classes);
    const label = labels[i] ?? 0;
    let says = 0;
    votes.forEach((vote, at) => {
      if (vote > (votes[says] ?? 0)) says = at;
    });
    const share = votes[says] ?? 0;
    if (says !== label && share >= leastOther && (votes[label] ?? 0) <= mostOwn)
      doubts.push({ row: i, says, share });
  }
  return doubts.sort((a, b) => b.share - a.share || a.row - b.row);
}

/** Features less their means, by their deviations, each row of length one. */
function directions(features: Float32Array, width: number, n: number): Float32Array {
  const rows = new Float32Array(n * width);
  for (let column = 0; column < width; column++) {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < n; i++) {
      const value = features[i * width + column] ?? 0;
      sum += value;
      squares += value * value;
    }
    const mean = sum / n;
    const deviation = Math.sqrt(Math.max(0, squares / n - mean * mean));
    if (deviation === 0) continue;
    for (let i = 0; i < n; i++)
      rows[i * width + column] = ((features[i * width + column] ?? 0) - mean) / deviation;
  }
  for (let i = 0; i < n; i++) {
    const row = rows.subarray(i * width, (i + 1) * width);
    const length = Math.sqrt(dot(row, row, 0));
    if (length > 0) for (let column = 0; column < width; column++) row[column] = (row[column] ?? 0) / length;
  }
  return rows;
}

function dot(a: Float32Array, rows: Float32Array, from: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (rows[from + i] ?? 0);
  return sum;
}

/** [classes] shares of the vote of the nearest; a neighbour that points the other way has none. */
function votesOf(cosines: Float32Array, labels: Int32Array, classes: number): Float64Array {
  const nearest: number[] = [];
  for (let j = 0; j < cosines.length; j++) {
    const cosine = cosines[j] ?? 0;
    if (nearest.length === neighbours && cosine <= (cosines[nearest[neighbours - 1] ?? 0] ?? 0)) continue;
    let at = nearest.length;
    while (at > 0 && (cosines[nearest[at - 1] ?? 0] ?? 0) < cosine) at -= 1;
    nearest.splice(at, 0, j);
    if (nearest.length > neighbours) nearest.pop();
  }
  const votes = new Float64Array(classes);
  let total = 0;
  for (const j of nearest) {
    const vote = Math.max(0, cosines[j] ?? 0);
    const label = labels[j] ?? 0;
    votes[label] = (votes[label] ?? 0) + vote;
    total += vote;
  }
  return total === 0 ? votes : votes.map((vote) => vote / total);
}
