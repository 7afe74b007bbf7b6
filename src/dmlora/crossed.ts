// The crossed pairing: each branch's down matrix goes with every up matrix,
//
//   y = x W' + b + c s (x (sum_i gd_i A_i)') (sum_j gu_j B_j)'
//
// which is one LoRA of the rank of one branch, whose factors are gated sums. Gates of downs and ups are drawn apart,
// each with the mean 1, so the mean over all masks of the product is the product of the plain sums: that is what is
// evaluated and merged, W + c s (sum_j B_j) (sum_i A_i).
import { ndArray, type NdArray } from '../shared/array.ts';
import { assert, present } from '../shared/assert.ts';
import {
  allOpen,
  factorOf,
  gatesOf,
  isOfSides,
  type AdaptedModule,
  type Adapter,
  type Gates,
  type LoraPair,
  type SideGates,
} from './adapter.ts';

/** Whether the branches of an adapter are crossed: those of all modules or of none. */
export function isCrossed({ modules }: Pick<Adapter, 'modules'>): boolean {
  const crossed = modules.filter((module) => module.crossed === true);
  assert(crossed.length === 0 || crossed.length === modules.length, 'some modules are crossed, some paired');
  return crossed.length > 0;
}

/** The gates of a crossed module, without its fixed factor: one list says those of both sides. */
export function sideGatesOf(gates: Gates, { name, branches }: AdaptedModule): SideGates {
  const own = gates.get(name) ?? branches.map(() => 1);
  return isOfSides(own) ? own : { down: own, up: own };
}

/**
 * The paired module that computes what a module does, and the gates of its branches with the fixed factor. Of a
 * crossed one: a single branch with the gated sums as its factors. A paired one is itself.
 */
export function pairedForm(
  module: AdaptedModule,
  gates: Gates = allOpen,
): { readonly module: AdaptedModule; readonly open: readonly number[] } {
  const { crossed, branches, ...rest } = module;
  if (crossed !== true) return { module, open: gatesOf(gates, module) };
  const { down, up } = sideGatesOf(gates, module);
  const branch = {
    index: present(branches[0], `a branch of ${module.name}`).index,
    A: gatedSum(
      branches.map(({ A }) => A),
      down,
    ),
    B: gatedSum(
      branches.map(({ B }) => B),
      up,
    ),
  };
  return { module: { ...rest, branches: [branch] }, open: [factorOf(module)] };
}

/** The structure of `pairedForm` for all modules: the values of its branches are none of it. */
export function pairedStructure(adapter: Adapter): Adapter {
  if (!isCrossed(adapter)) return adapter;
  const modules = adapter.modules.map((module): AdaptedModule => {
    const { crossed, branches, ...rest } = module;
    return crossed === true ? { ...rest, branches: branches.slice(0, 1) } : module;
  });
  return { ...adapter, modules };
}

/**
 * What each branch adds of B A, as factors, without scalar and fixed factor; their sum is all that the branches
 * add. Where they are crossed that is half of every pair that the branch is one of, and all of its own:
 * 1/2 (B_k sum_i A_i + sum_j B_j A_k), [2 r] wide, its Shapley value among the pairs.
 */
export function contributions(module: AdaptedModule): readonly LoraPair[] {
  if (module.crossed !== true) return module.branches;
  const sum = present(pairedForm(module).module.branches[0], 'the sum of the branches');
  return module.branches.map(({ A, B }) => {
    const [rank = 0, input = 0] = A.shape;
    const out = B.shape[0] ?? 0;
    const [down, up] = [new Float32Array(2 * rank * input), new Float32Array(out * 2 * rank)];
    down.set(sum.A.data);
    down.set(A.data, rank * input);
    for (let o = 0; o < out; o++)
      for (let i = 0; i < rank; i++) {
        up[o * 2 * rank + i] = 0.5 * (B.data[o * rank + i] ?? 0);
        up[o * 2 * rank + rank + i] = 0.5 * (sum.B.data[o * rank + i] ?? 0);
      }
    return { A: ndArray([2 * rank, input], down), B: ndArray([out, 2 * rank], up) };
  });
}

/** sum_k g_k X_k, in float64 and rounded once. */
function gatedSum(matrices: readonly NdArray[], gates: readonly number[]): NdArray {
  const first = present(matrices[0], 'a matrix');
  const data = first.data.map((_, i) =>
    matrices.reduce((sum, { data: values }, k) => sum + (gates[k] ?? 1) * (values[i] ?? 0), 0),
  );
  return ndArray(first.shape, data);
}
