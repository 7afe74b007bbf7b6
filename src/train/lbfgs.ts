// Minimises a smooth function of many variables: limited-memory BFGS (Nocedal and Wright, "Numerical
// Optimization", algorithms 7.4 and 7.5) with a backtracking line search. Knows nothing of what it minimises.

/** Value and gradient of a function at `at`; the gradient is written into `gradient`. */
export type Objective = (at: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  readonly iterations: number;
  /** Ends when no element of the gradient is larger. */
  readonly tolerance: number;
}

/** Pairs of steps and gradient changes that stand for the curvature. */
const memory = 10;
/** Armijo's constant: the share of the predicted descent that a step must give. */
const sufficient = 1e-4;

/**
 * Where the function is smallest, searched from `start`; the best point found when the iterations run out.
 */
export function minimise(objective: Objective, start: Float64Array, options: LbfgsOptions): Float64Array {
  const size = start.length;
  let at: Float64Array = Float64Array.from(start);
  let gradient: Float64Array = new Float64Array(size);
  let value = objective(at, gradient);
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let iteration = 0; iteration < options.iterations; iteration++) {
    if (gradient.every((g) => Math.abs(g) <= options.tolerance)) break;
    const direction = descent(gradient, pairs);
    const slope = dot(direction, gradient);
    // The first step has no curvature to go by: its length is that of a unit step at most.
    let length = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    let next = moved(at, direction, length);
    const nextGradient = new Float64Array(size);
    let nextValue = objective(next, nextGradient);
    while (!(nextValue <= value + sufficient * length * slope) && length > 1e-10) {
      length /= 2;
      next = moved(at, direction, length);
      nextValue = objective(next, nextGradient);
    }
    if (!(nextValue < value)) break; // as far as the arithmetic goes
    const s = direction.map((d) => d * length);
    const y = nextGradient.map((g, i) => g - (gradient[i] ?? 0));
    const curvature = dot(s, y);
    if (curvature > 1e-12) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    [at, value, gradient] = [next, nextValue, nextGradient];
  }
  return at;
}

/** The two-loop recursion: minus the inverse Hessian's approximation times the gradient. */
function descent(
  gradient: Float64Array,
  pairs: readonly { s: Float64Array; y: Float64Array; rho: number }[],
): Float64Array {
  const q = gradient.map((g) => -g);
  const alphas = new Float64Array(pairs.length);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const pair = pairs[i];
    if (pair === undefined) continue;
    const alpha = pair.rho * dot(pair.s, q);
    alphas[i] = alpha;
    addScaled(q, pair.y, -alpha);
  }
  const last = pairs.at(-1);
  if (last !== undefined) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let i = 0; i < q.length; i++) q[i] = (q[i] ?? 0) * scale;
  }
  pairs.forEach(({ s, y, rho }, i) => {
    addScaled(q, s, (alphas[i] ?? 0) - rho * dot(y, q));
  });
  return q;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

function addScaled(to: Float64Array, from: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] ?? 0) + factor * (from[i] ?? 0);
}

function moved(from: Float64Array, direction: Float64Array, length: number): Float64Array {
  return from.map((value, i) => value + length * (direction[i] ?? 0));
}
