// Minimises a smooth function of many variables: limited-memory BFGS (Nocedal and Wright, "Numerical
// Optimization", algorithms 7.4 and 7.5) with a backtracking line search, on coordinates that the caller may
// stretch. Knows nothing of what it minimises.

/** Value and gradient of a function at `at`; the gradient is written into `gradient`. */
export type Objective = (at: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  readonly iterations: number;
  /** Ends where the function is expected to fall by no more than this. */
  readonly tolerance: number;
  /** Replaces a vector by about the inverse Hessian times it; symmetric and positive, the same throughout. */
  readonly precondition?: (vector: Float64Array) => void;
  /** Called before each iteration, so that other work gets its turn. */
  readonly giveWay?: () => Promise<void>;
}

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
  /** What the preconditioner's length is off by along this step. */
  readonly scale: number;
}

/** Pairs of steps and gradient changes that stand for the curvature. */
const memory = 10;
/** Armijo's constant: the share of the predicted descent that a step must give. */
const sufficient = 1e-4;

/**
 * Where the function is smallest, searched from `start`; the best point found when the iterations run out.
 */
export async function minimise(
  objective: Objective,
  start: Float64Array,
  { iterations, tolerance, precondition, giveWay }: LbfgsOptions,
): Promise<Float64Array> {
  const size = start.length;
  let at: Float64Array = Float64Array.from(start);
  let gradient: Float64Array = new Float64Array(size);
  let value = objective(at, gradient);
  const pairs: Pair[] = [];
  for (let iteration = 0; iteration < iterations; iteration++) {
    await giveWay?.();
    const direction = descent(gradient, pairs, precondition);
    const slope = dot(direction, gradient);
    if (-slope / 2 <= tolerance) break; // along the way the function is about a parabola
    // The first step has no curvature to go by but the preconditioner's: without it, it is short.
    const isBlind = pairs.length === 0 && precondition === undefined;
    let length = isBlind ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    let next = moved(at, direction, length);
    const nextGradient = new Float64Array(size);
    let nextValue = objective(next, nextGradient);
    while (!(nextValue <= value + sufficient * length * slope) && length > 1e-10) {
      length /= 2;
      next = moved(at, direction, length);
      nextValue = objective(next, nextGradient);
    }
    if (!(nextValue < value)) break; // as far as the arithmetic goes
    const s = direction;
    scale(s, length);
    const y = nextGradient.slice();
    addScaled(y, gradient, -1);
    const curvature = dot(s, y);
    if (curvature > 1e-15) {
      const stretched = y.slice();
      precondition?.(stretched);
      pairs.push({ s, y, rho: 1 / curvature, scale: curvature / dot(stretched, y) });
    }
    if (pairs.length > memory) pairs.shift();
    [at, value, gradient] = [next, nextValue, nextGradient];
  }
  return at;
}

/** The two-loop recursion: minus the inverse Hessian's approximation times the gradient. */
function descent(
  gradient: Float64Array,
  pairs: readonly Pair[],
  precondition: LbfgsOptions['precondition'],
): Float64Array {
  const q = gradient.slice();
  scale(q, -1);
  const alphas: number[] = [];
  for (const { s, y, rho } of [...pairs].reverse()) {
    const alpha = rho * dot(s, q);
    alphas.unshift(alpha);
    addScaled(q, y, -alpha);
  }
  precondition?.(q);
  const last = pairs.at(-1);
  if (last !== undefined) scale(q, last.scale);
  pairs.forEach(({ s, y, rho }, i) => {
    addScaled(q, s, (alphas[i] ?? 0) - rho * dot(y, q));
  });
  return q;
}

/** Inner product. Four sums wait for nothing, and so are quicker than one. */
function dot(a: Float64Array, b: Float64Array): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < a.length; k += 4) {
    s0 += (a[k] ?? 0) * (b[k] ?? 0);
    s1 += (a[k + 1] ?? 0) * (b[k + 1] ?? 0);
    s2 += (a[k + 2] ?? 0) * (b[k + 2] ?? 0);
    s3 += (a[k + 3] ?? 0) * (b[k + 3] ?? 0);
  }
  for (; k < a.length; k++) s0 += (a[k] ?? 0) * (b[k] ?? 0);
  return s0 + s1 + (s2 + s3);
}

function scale(vector: Float64Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) * factor;
}

function addScaled(to: Float64Array, from: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] ?? 0) + factor * (from[i] ?? 0);
}

function moved(from: Float64Array, direction: Float64Array, length: number): Float64Array {
  const to = from.slice();
  addScaled(to, direction, length);
  return to;
}
