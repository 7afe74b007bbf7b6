// DMLoRA as a stock LoRA, without loss: the live branches of a module stacked into one pair of matrices, with
// the scalar and the gates multiplied into B, so that c B A = s c sum_k g_k B_k A_k; the fixed factor c is the
// LoRA's own scale.
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { allOpen, factorOf, type AdaptedModule, type Gates, type LoraPair } from './adapter.ts';
import { pairedForm } from './crossed.ts';

/**
 * A = the A_k below each other, [K r, in]; B = the s g_k B_k side by side, [out, K r]; of a crossed module
 * the gated sums, [r, in] and [out, r]. What the frozen weight absorbed follows as more of the rank: it is no
 * part of the checkpoint that a LoRA is laid over. The fixed factor is left to the LoRA's scale.
 */
export function stackedLora(module: AdaptedModule, gates: Gates = allOpen): LoraPair {
  return stacked(module, gates, factorOf(module));
}

/** The same with the fixed factor in B: B A is all that the module adds. */
export function stackedUpdate(module: AdaptedModule, gates: Gates = allOpen): LoraPair {
  return stacked(module, gates, 1);
}

function stacked(given: AdaptedModule, gates: Gates, factor: number): LoraPair {
  const { module, open } = pairedForm(given, gates);
  const parts = [
    ...module.branches.map(({ A, B }, k) => ({ A, B, scale: module.scalar * ((open[k] ?? 1) / factor) })),
    ...(module.absorbed === undefined ? [] : [{ ...module.absorbed, scale: 1 / factor }]),
  ];
  const first = present(parts[0], `a branch of ${module.name}`);
  const [input, out] = [first.A.shape[1] ?? 0, first.B.shape[0] ?? 0];
  const rank = parts.reduce((sum, { A }) => sum + (A.shape[0] ?? 0), 0);
  const [down, up] = [new Float32Array(rank * input), new Float32Array(out * rank)];
  let at = 0;
  for (const { A, B, scale } of parts) {
    const r = A.shape[0] ?? 0;
    down.set(A.data, at * input);
    for (let o = 0; o < out; o++)
      for (let i = 0; i < r; i++) up[o * rank + at + i] = scale * (B.data[o * r + i] ?? 0);
    at += r;
  }
  return { A: ndArray([rank, input], down), B: ndArray([out, rank], up) };
}

/**
 * One pair for linears that a checkpoint keeps fused: A stacked, B block by block in rows, so that each part
 * reads its own ranks alone; a part without an adapter has rows of zeros.
 *
 * @param parts the pair of each part in the order of its rows; null where it has none.
 * @param out rows of one part.
 */
export function fusedLora(parts: readonly (LoraPair | null)[], out: number): LoraPair {
  const live = parts.filter((part) => part !== null);
  const input = present(live[0], 'a part').A.shape[1] ?? 0;
  const rank = live.reduce((sum, { A }) => sum + (A.shape[0] ?? 0), 0);
  const [down, up] = [new Float32Array(rank * input), new Float32Array(parts.length * out * rank)];
  let at = 0;
  parts.forEach((part, index) => {
    if (part === null) return;
    const r = part.A.shape[0] ?? 0;
    down.set(part.A.data, at * input);
    for (let o = 0; o < out; o++)
      up.set(part.B.data.subarray(o * r, (o + 1) * r), (index * out + o) * rank + at);
    at += r;
  });
  return { A: ndArray([rank, input], down), B: ndArray([parts.length * out, rank], up) };
}

/** The weight below a module's branches: as the checkpoint has it, or with what it absorbed. */
export function frozenWeight(weight: NdArray, { absorbed }: AdaptedModule): NdArray {
  return absorbed === undefined ? weight : withLora(weight, absorbed, 1);
}

/** W + scale B A, float32 from sums in float64, [out, in]. */
export function withLora(weight: NdArray, { A, B }: LoraPair, scale: number): NdArray {
  const [out = 0, input = 0] = weight.shape;
  const rank = A.shape[0] ?? 0;
  const data = new Float32Array(weight.data.length);
  const row = new Float64Array(input);
  for (let o = 0; o < out; o++) {
    row.fill(0);
    for (let i = 0; i < rank; i++) {
      const factor = scale * (B.data[o * rank + i] ?? 0);
      for (let j = 0; j < input; j++) row[j] = (row[j] ?? 0) + factor * (A.data[i * input + j] ?? 0);
    }
    for (let j = 0; j < input; j++) data[o * input + j] = (weight.data[o * input + j] ?? 0) + (row[j] ?? 0);
  }
  return ndArray(weight.shape, data);
}
