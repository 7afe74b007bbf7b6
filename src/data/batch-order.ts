// The order in which a run visits its training images: a pure function of (n, batchSize, step, seed), so that
// a resumed run sees what an uninterrupted one sees. Knows indices only.
import { randomStream } from '../shared/random.ts';
import { assert } from '../shared/assert.ts';

const cachedEpochs = 4;
const cache = new Map<string, Uint32Array>();

/** The permutation of 0 .. n-1 in which epoch `epoch` (from 0) visits the images. */
function epochOrder(n: number, epoch: number, seed: number): Uint32Array {
  const key = `${n} ${epoch} ${seed}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const order = randomStream(seed, 'order').permutation(n, epoch);
  const [oldest] = cache.keys();
  if (cache.size >= cachedEpochs && oldest !== undefined) cache.delete(oldest);
  cache.set(key, order);
  return order;
}

/**
 * Indices (0 .. n-1) of the images in the batch of `step` (from 0): positions step * batchSize onwards of the
 * run, where position p is place p mod n of epoch floor(p / n). Every batch is full; one that reaches the end
 * of an epoch goes on in the next.
 */
export function batchIndices(n: number, batchSize: number, step: number, seed: number): Uint32Array {
  assert(Number.isInteger(n) && n > 0, () => `a run over ${n} images`);
  assert(Number.isInteger(batchSize) && batchSize > 0, () => `a batch of ${batchSize} images`);
  assert(Number.isSafeInteger(step) && step >= 0, () => `step ${step}`);
  const batch = new Uint32Array(batchSize); // [batchSize]
  for (let k = 0; k < batchSize; k++) {
    const position = step * batchSize + k;
    batch[k] = epochOrder(n, Math.floor(position / n), seed)[position % n] ?? 0;
  }
  return batch;
}
