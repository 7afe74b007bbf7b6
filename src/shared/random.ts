// Counter-based random numbers: a hash of (seed, purpose, two counters). Nothing is remembered, so nothing
// has to be saved, the order of calls does not matter, and a resumed run draws what an uninterrupted one
// draws. The hash is pcg4d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 2020): integer
// operations only, so a shader computes the same bits.

/** What a draw is for; each purpose is a stream of its own. */
const purposes = {
  split: 1,
  order: 2,
  branchInit: 3,
  headInit: 4,
  drop: 5,
  dropout: 6,
  augment: 7,
  calibration: 8,
  mixup: 9,
  gates: 10,
  dropPath: 11,
  upGates: 12,
} as const;
export type Purpose = keyof typeof purposes;

export type Uint4 = readonly [number, number, number, number];

/** pcg4d: four uint32 in, four uint32 out. */
export function pcg4d(x: number, y: number, z: number, w: number): Uint4 {
  let a = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  let b = (Math.imul(y, 1664525) + 1013904223) >>> 0;
  let c = (Math.imul(z, 1664525) + 1013904223) >>> 0;
  let d = (Math.imul(w, 1664525) + 1013904223) >>> 0;
  const mix = (): void => {
    a = (a + Math.imul(b, d)) >>> 0;
    b = (b + Math.imul(c, a)) >>> 0;
    c = (c + Math.imul(a, b)) >>> 0;
    d = (d + Math.imul(b, c)) >>> 0;
  };
  mix();
  a = (a ^ (a >>> 16)) >>> 0;
  b = (b ^ (b >>> 16)) >>> 0;
  c = (c ^ (c >>> 16)) >>> 0;
  d = (d ^ (d >>> 16)) >>> 0;
  mix();
  return [a, b, c, d];
}

/** A stream of draws for one seed and purpose; `at(i, j)` depends on its arguments alone. */
export interface RandomStream {
  /** A uint32. */
  bits(i: number, j?: number): number;
  /** Uniform in [0, 1), a multiple of 2^-32. */
  uniform(i: number, j?: number): number;
  /** Standard normal, by Box and Muller. */
  normal(i: number, j?: number): number;
  /** A permutation of 0 .. n-1 by Fisher and Yates; `round` picks one of many. */
  permutation(n: number, round?: number): Uint32Array;
}

/** The second word of the hash: the purpose, which `index` splits further (a branch, a layer). */
export function streamKey(purpose: Purpose, index = 0): number {
  return (purposes[purpose] * 0x9e3779b1 + index) >>> 0;
}

/** The stream for a seed (uint32) and purpose; `index` splits a purpose further. */
export function randomStream(seed: number, purpose: Purpose, index = 0): RandomStream {
  const key = streamKey(purpose, index);
  const draw = (i: number, j: number): Uint4 => pcg4d(seed >>> 0, key, i >>> 0, j >>> 0);
  const uniform = (i: number, j = 0): number => draw(i, j)[0] / 2 ** 32;
  return {
    bits: (i, j = 0) => draw(i, j)[0],
    uniform,
    normal(i, j = 0) {
      const [a, b] = draw(i, j);
      return Math.sqrt(-2 * Math.log((a + 1) / (2 ** 32 + 1))) * Math.cos((2 * Math.PI * b) / 2 ** 32);
    },
    permutation(n, round = 0) {
      const order = Uint32Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(uniform(round, i) * (i + 1));
        const kept = order[i] ?? 0;
        order[i] = order[j] ?? 0;
        order[j] = kept;
      }
      return order;
    },
  };
}
