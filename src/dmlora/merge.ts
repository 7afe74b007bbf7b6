// Merging: the update of an adapted weight, W <- W + s_m sum_k g_mk B_k A_k and what it absorbed, in plain
// arithmetic. Sums run in float64 and are rounded to float32 once; the caller casts to the file's type last.
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { ParamName } from '../vit/parameters.ts';
import { allOpen, factorOf, type AdaptedModule, type Adapter, type Gates, type LoraPair } from './adapter.ts';
import { contributions, pairedForm } from './crossed.ts';

/**
 * c s sum_k g_k B_k A_k of one module, or of a crossed one c s (sum_j gu_j B_j) (sum_i gd_i A_i), and what
 * its weight absorbed, [out, in], as float64 values in row-major order.
 */
export function moduleUpdate(given: AdaptedModule, gates: Gates = allOpen): Float64Array {
  const { module, open } = pairedForm(given, gates);
  const first = present(module.branches[0], `a branch of ${module.name}`);
  const out = present(first.B.shape[0], 'rows of B');
  const input = present(first.A.shape[1], 'columns of A');
  const update = new Float64Array(out * input);
  module.branches.forEach((branch, k) => addProduct(update, branch, module.scalar * (open[k] ?? 1)));
  if (module.absorbed !== undefined) addProduct(update, module.absorbed, 1);
  return update;
}

/** Adds scale B A. */
function addProduct(update: Float64Array, { A, B }: LoraPair, scale: number): void {
  const [rank = 0, input = 0] = A.shape;
  const out = B.shape[0] ?? 0;
  for (let o = 0; o < out; o++)
    for (let i = 0; i < rank; i++) {
      const factor = scale * (B.data[o * rank + i] ?? 0);
      for (let j = 0; j < input; j++) {
        const at = o * input + j;
        update[at] = (update[at] ?? 0) + factor * (A.data[i * input + j] ?? 0);
      }
    }
}

/** W plus the module's update, float32, [out, in]. */
export function mergedWeight(weight: NdArray, module: AdaptedModule, gates: Gates = allOpen): NdArray {
  const update = moduleUpdate(module, gates);
  return ndArray(
    weight.shape,
    weight.data.map((w, i) => w + (update[i] ?? 0)),
  );
}

/**
 * Every weight that merging changes, under canonical names: what is tuned of the backbone, the adapted linears and
 * the head. All other tensors stay as they are and are not listed.
 */
export function mergedWeights(
  weights: ReadonlyMap<ParamName, NdArray>,
  adapter: Adapter,
  gates: Gates = allOpen,
): Map<ParamName, NdArray> {
  const merged = new Map<ParamName, NdArray>(adapter.backbone);
  for (const module of adapter.modules) {
    const name = `${module.name}.weight`;
    merged.set(name, mergedWeight(present(merged.get(name) ?? weights.get(name), name), module, gates));
  }
  return merged.set('head.weight', adapter.head.weight).set('head.bias', adapter.head.bias);
}

/**
 * Strength of each live branch: the Frobenius norm of c s g times what it adds of B A, which is never formed.
 */
export function branchStrengths(module: AdaptedModule): number[] {
  const factor = factorOf(module);
  return contributions(module).map(({ A, B }, k) => {
    // |B A|_F^2 = sum over i, j of (B'B)_ij (A A')_ij, two small Gram matrices of side r.
    const rank = A.shape[0] ?? 0;
    let squared = 0;
    for (let i = 0; i < rank; i++)
      for (let j = 0; j < rank; j++) squared += gram(B, 'columns', i, j, rank) * gram(A, 'rows', i, j, rank);
    return (
      Math.abs(module.scalar * factor * (module.branches[k]?.fading?.gate ?? 1)) *
      Math.sqrt(Math.max(0, squared))
    );
  });
}

function gram(matrix: NdArray, axis: 'rows' | 'columns', i: number, j: number, rank: number): number {
  const { data } = matrix;
  const length = data.length / rank;
  let sum = 0;
  for (let t = 0; t < length; t++)
    sum +=
      axis === 'rows'
        ? (data[i * length + t] ?? 0) * (data[j * length + t] ?? 0)
        : (data[t * rank + i] ?? 0) * (data[t * rank + j] ?? 0);
  return sum;
}
