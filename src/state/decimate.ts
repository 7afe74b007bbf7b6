// Which points of a long series are drawn: of each bucket the first, the smallest, the largest and the last,
// so that no spike is ever lost and nothing depends on chance.

/**
 * Indices into `values`, ascending, of the points that stand for values[begin, end): all of them when they
 * are few, otherwise the envelope of `buckets` equal parts.
 */
export function envelope(values: ArrayLike<number>, begin: number, end: number, buckets: number): number[] {
  const count = end - begin;
  if (count <= 4 * buckets) return Array.from({ length: Math.max(0, count) }, (_, i) => begin + i);
  const chosen: number[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const first = begin + Math.floor((bucket * count) / buckets);
    const last = begin + Math.floor(((bucket + 1) * count) / buckets) - 1;
    let least = first;
    let most = first;
    for (let i = first; i <= last; i++) {
      const value = values[i] ?? NaN;
      if (value < (values[least] ?? NaN) || Number.isNaN(values[least])) least = i;
      if (value > (values[most] ?? NaN) || Number.isNaN(values[most])) most = i;
    }
    for (const index of [first, Math.min(least, most), Math.max(least, most), last])
      if (index !== chosen.at(-1)) chosen.push(index);
  }
  return chosen;
}
