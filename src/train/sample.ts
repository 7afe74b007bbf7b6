// A small part of a set of images that stands for all of it: as many of each class, spread evenly, the same for the
// same labels. What exports are proved on, and removals of branches measured on.
import type { Pixels } from '../engine/engine.ts';
import type { LabelledPixels } from './training-data.ts';

/** Images of a sample at most; all of them where there are fewer. */
export const sampleImages = 64;

/**
 * Rows of a sample of at most `most` images: as many of each class as of any other, where a class has them,
 * spread evenly over its images. Ascending, and the same for the same labels.
 */
export function sampleRows(labels: Int32Array, most = sampleImages): readonly number[] {
  const byLabel = new Map<number, number[]>();
  labels.forEach((label, row) => byLabel.set(label, [...(byLabel.get(label) ?? []), row]));
  const classes = [...byLabel].sort(([a], [b]) => a - b).map(([, rows]) => ({ rows, taken: 0 }));
  for (let left = Math.min(most, labels.length); left > 0;) {
    // One more of each; where that is too many, of classes that are spread evenly.
    const open = classes.filter(({ rows, taken }) => taken < rows.length);
    const given = Math.min(left, open.length);
    for (const { item } of spread(open, given)) item.taken += 1;
    left -= given;
  }
  return classes
    .flatMap(({ rows, taken }) => spread(rows, taken).map(({ item }) => item))
    .sort((a, b) => a - b);
}

/** `count` of the items, evenly spaced. */
function spread<T>(items: readonly T[], count: number): readonly { readonly item: T }[] {
  const places = new Set(Array.from({ length: count }, (_, i) => Math.floor((i * items.length) / count)));
  return items.flatMap((item, place) => (places.has(place) ? [{ item }] : []));
}

/** The images of some rows. */
export function imagesOf(images: LabelledPixels, rows: readonly number[]): LabelledPixels {
  return {
    labels: Int32Array.from(rows, (row) => images.labels[row] ?? 0),
    slice: (begin, end) => joined(rows.slice(begin, end).map((row) => images.slice(row, row + 1))),
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
