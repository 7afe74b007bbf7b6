// Products of which both factors are float16 in registers and workgroup memory (WGSL's `f16`), with sums in
// float32. Halves reach from 6e-8 to 65504: gradients of a mean loss lie below, some activations above. So a
// left factor comes in blocks, a few inner steps of one row, each scaled by a power of two that brings its
// largest value to [1, 2): nothing of it overflows, and what underflows is 2^-24 of its neighbours. The right
// factor, weights, goes in as it is. At most eight products are added in float16, then the sum joins a
// float32 one, which undoes the scale in the same multiply-add: weights up to 4000 cannot overflow, and
// larger ones become infinite, so that a step with them is refused as not finite.
import { list } from './kernel.ts';
import type { Storage } from './storage.ts';

/**
 * WGSL: factors that bring four positive values to [1, 2), exact powers of two, and what undoes them.
 * Infinity and NaN stay what they are.
 */
export const blockFunctions = /* wgsl */ `
fn exponents(largest: vec4f) -> vec4u {
  return clamp((bitcast<vec4u>(largest) >> vec4u(23u)) & vec4u(0xffu), vec4u(2u), vec4u(252u));
}
fn factors(exponents: vec4u) -> vec4f { return bitcast<vec4f>((vec4u(254u) - exponents) << vec4u(23u)); }
fn undone(exponents: vec4u) -> vec4f { return bitcast<vec4f>(exponents << vec4u(23u)); }
fn largestOf(a: vec4f) -> f32 { let b = abs(a); return max(max(b.x, b.y), max(b.z, b.w)); }
`;

/** WGSL that reads the vec4h at `index` (counted in vec4s) of a tensor. */
export function loadHalf(tensor: string, storage: Storage, index: string): string {
  return storage === 'f32' ? `vec4h(${tensor}[${index}])` : `bitcast<vec4h>(${tensor}[${index}])`;
}

/**
 * WGSL for four inner steps of a tile whose rows a thread loads itself: `left(i)` is a vec4f of row i,
 * `right(step, j)` a vec4h. Adds to the float32 sums `s{i}_{j}`.
 */
export function fourSteps(
  rows: number,
  columns: number,
  left: (i: number) => string,
  right: (step: number, j: number) => string,
): string {
  const each = (count: number, text: (i: number) => string): string => list(count, text, '\n    ');
  const group = (g: number): string => {
    const members = Array.from({ length: Math.min(4, rows - 4 * g) }, (_, i) => 4 * g + i);
    const largest = [0, 1, 2, 3].map((i) => (4 * g + i < rows ? `largestOf(x${4 * g + i})` : '1.0'));
    return `let e${g} = exponents(vec4f(${largest.join(', ')}));
    let up${g} = factors(e${g}); let down${g} = undone(e${g});
    ${members.map((i) => `let h${i} = vec4h(x${i} * up${g}.${'xyzw'.charAt(i & 3)});`).join(' ')}`;
  };
  return `
    ${each(rows, (i) => `let x${i} = ${left(i)};`)}
    ${each(Math.ceil(rows / 4), group)}
    ${each(4, (step) => list(columns, (j) => `let w${step}_${j} = ${right(step, j)};`, ' '))}
    ${each(rows, (i) => list(columns, (j) => `s${i}_${j} += down${i >> 2}.${'xyzw'.charAt(i & 3)} * vec4f(${list(4, (step) => `h${i}.${'xyzw'.charAt(step)} * w${step}_${j}`, ' + ')});`, ' '))}`;
}
