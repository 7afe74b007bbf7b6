// Draws of a beta distribution, for the shares in which images are mixed: a function of a stream and a step.
import type { RandomStream } from '../shared/random.ts';

/** A draw of Beta(alpha, alpha), as x / (x + y) of two of Gamma(alpha): by logarithms, as small ones underflow. */
export function betaDraw(stream: RandomStream, alpha: number, step: number): number {
  const [x, y] = [logGammaDraw(stream, alpha, step, 0), logGammaDraw(stream, alpha, step, drawsOfOne)];
  return 1 / (1 + Math.exp(y - x));
}

/** Draws kept for one of the two; the chance that so many are refused is below 1e-80. */
const drawsOfOne = 256;

/**
 * The logarithm of a draw of Gamma(alpha), from that of Gamma(alpha + 1) (Marsaglia and Tsang, "A Simple Method
 * for Generating Gamma Variables", 2000).
 */
function logGammaDraw(stream: RandomStream, alpha: number, step: number, from: number): number {
  const d = alpha + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  const least = 2 ** -33; // the middle of the lowest of all uniform draws
  const logOf = (at: number): number => Math.log(stream.uniform(step, from + at) + least);
  let value = d;
  for (let at = 1; at + 1 < drawsOfOne; at += 2) {
    const x = stream.normal(step, from + at);
    const v = (1 + c * x) ** 3;
    if (v <= 0 || logOf(at + 1) >= 0.5 * x * x + d * (1 - v + Math.log(v))) continue;
    value = d * v;
    break;
  }
  return Math.log(value) + logOf(0) / alpha;
}
