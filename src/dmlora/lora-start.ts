// A stock LoRA as the branches that a run starts from: its columns dealt over the branches of each linear, so
// that the branched model is base and adapter together from the first step on. Where a recipe has no room for
// it, which setting must change. Knows nothing of files.
import { ndArray } from '../shared/array.ts';
import { shownSome } from '../shared/describe-fault.ts';
import { optionOf, type Path } from '../recipe/options.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';
import { linearName, linears, type Linear } from '../vit/parameters.ts';
import { factorOf, type AdaptedModule, type Adapter, type LoraPair } from './adapter.ts';
import { targetSets } from './targets.ts';

/** A LoRA on one linear: W + scale B A. */
export interface LinearLora extends LoraPair {
  readonly block: number;
  readonly linear: Linear;
  readonly scale: number;
}

/** What a LoRA asks of a recipe at one linear. */
export interface LoraNeed {
  readonly block: number;
  readonly linear: Linear;
  readonly rank: number;
}

/**
 * The rows of a LoRA from `begin` to `end` (those of q, k or v where a checkpoint keeps them fused), without
 * the columns of B that are zero there: they add nothing, and a fused export of branches has many. Null where
 * nothing is left.
 */
export function loraRows({ A, B }: LoraPair, begin: number, end: number): LoraPair | null {
  const [rank = 0, input = 0] = A.shape;
  const out = end - begin;
  const kept = Array.from({ length: rank }, (_, i) => i).filter((i) => {
    for (let o = begin; o < end; o++) if (B.data[o * rank + i] !== 0) return true;
    return false;
  });
  if (kept.length === 0) return null;
  const [down, up] = [new Float32Array(kept.length * input), new Float32Array(out * kept.length)];
  kept.forEach((column, i) => {
    down.set(A.data.subarray(column * input, (column + 1) * input), i * input);
    for (let o = 0; o < out; o++) up[o * kept.length + i] = B.data[(begin + o) * rank + column] ?? 0;
  });
  return { A: ndArray([kept.length, input], down), B: ndArray([out, kept.length], up) };
}

export function loraNeeds(loras: readonly LinearLora[]): LoraNeed[] {
  return loras.map(({ block, linear, A }) => ({ block, linear, rank: A.shape[0] ?? 0 }));
}

/** The setting of a recipe that leaves no room for a LoRA, and what it must be; null where there is room. */
export function loraProblem(
  needs: readonly LoraNeed[],
  { targets, firstBlock, branches, rank, pairing }: DmloraOptions,
): { readonly field: Path; readonly detail: string } | null {
  if (pairing === 'crossed' && needs.length > 0)
    return {
      field: 'dmlora.pairing',
      detail:
        'The adapter is dealt over the branches, and crossed ones would also add what none of its columns does: choose "Paired" (paired).',
    };
  const adapted = linears.filter((linear) => needs.some((need) => need.linear === linear));
  const holds = (set: readonly Linear[]): boolean => adapted.every((linear) => set.includes(linear));
  const wide = Object.entries(targetSets).find(([, set]) => holds(set))?.[0] ?? 'all';
  if (!holds(targetSets[targets]))
    return {
      field: 'dmlora.targets',
      detail: `The adapter changes ${shownSome(adapted)}, and branches grow on ${targetSets[targets].join(', ')} alone: choose "${labelOf('dmlora.targets', wide)}" (${wide}).`,
    };
  const lowest = Math.min(...needs.map(({ block }) => block));
  if (lowest < firstBlock)
    return {
      field: 'dmlora.firstBlock',
      detail: `The adapter changes block ${lowest}, and branches grow from block ${firstBlock} on: set it to ${lowest}.`,
    };
  const most = Math.max(...needs.map((need) => need.rank));
  if (most <= branches * rank) return null;
  if (branches === 0)
    return {
      field: 'dmlora.branches',
      detail: `The adapter is dealt over branches, and there are none: ${roomFor(most, 1, rank)}.`,
    };
  return {
    field: 'dmlora.rank',
    detail: `The adapter has rank ${most}, and ${branches === 1 ? '1 branch' : `${branches} branches`} of rank ${rank} ${branches === 1 ? 'holds' : 'hold'} ${branches * rank}: ${roomFor(most, branches, rank)}.`,
  };
}

/** The smallest change by which branches hold a rank. */
function roomFor(most: number, branches: number, rank: number): string {
  const ranks = numbersOf('dmlora.rank');
  const counts = numbersOf('dmlora.branches');
  const [wider, more] = [ranks.find((r) => branches * r >= most), counts.find((b) => b * rank >= most)];
  const ways = [
    ...(wider === undefined ? [] : [`rank ${wider}`]),
    ...(more === undefined ? [] : [`${more} branches`]),
  ];
  if (ways.length > 0) return `choose ${ways.join(' or ')}`;
  const widest = Math.max(...ranks);
  const both = counts.find((b) => b * widest >= most);
  return both === undefined
    ? `no recipe has room for it, merge it into its base instead`
    : `choose rank ${widest} and ${both} branches`;
}

function choicesOf(path: Path): readonly (readonly [value: string | number, label: string])[] {
  const option = optionOf(path);
  return option.kind === 'choice' ? option.choices : [];
}

const labelOf = (path: Path, value: string): string =>
  choicesOf(path).find(([choice]) => choice === value)?.[1] ?? value;

const numbersOf = (path: Path): number[] =>
  choicesOf(path)
    .map(([value]) => Number(value))
    .sort((a, b) => a - b);

/**
 * LoRAs as they are, of a model that is not trained: each linear has one branch of the LoRA's own rank, and
 * s = scale, so that s B A = scale B A. In the order of the model's linears.
 */
export function lorasAlone(loras: readonly LinearLora[]): AdaptedModule[] {
  const place = ({ block, linear }: LinearLora): number => block * linears.length + linears.indexOf(linear);
  return [...loras]
    .sort((a, b) => place(a) - place(b))
    .map(({ block, linear, scale, A, B }) => ({
      name: linearName(block, linear),
      scalar: scale,
      branches: [{ index: 0, A, B }],
    }));
}

/**
 * An initial adapter whose branches hold the LoRAs: column i of each goes to branch i mod branches, its A as
 * it is, its B times scale / (s c), so that s c sum_k B_k A_k = scale B A. What a branch has left keeps its initial
 * A and B = 0.
 *
 * @param loras for which `loraProblem` found none.
 */
export function withLoras(adapter: Adapter, loras: readonly LinearLora[]): Adapter {
  const byName = new Map(loras.map((lora) => [linearName(lora.block, lora.linear), lora]));
  const modules = adapter.modules.map((module) => {
    const lora = byName.get(module.name);
    byName.delete(module.name);
    return lora === undefined ? module : dealt(module, lora);
  });
  if (byName.size > 0) throw new Error(`no branches grow on ${shownSome([...byName.keys()])}`);
  return { ...adapter, modules };
}

function dealt(module: AdaptedModule, { A, B, scale }: LinearLora): AdaptedModule {
  const [columns = 0, input = 0] = A.shape;
  const count = module.branches.length;
  const factor = scale / (module.scalar * factorOf(module));
  const branches = module.branches.map((branch, k) => {
    const [out = 0, rank = 0] = branch.B.shape;
    if (columns > count * rank) throw new Error(`${module.name} has no room for rank ${columns}`);
    const [down, up] = [branch.A.data.slice(), branch.B.data.slice()];
    for (let column = k, slot = 0; column < columns; column += count, slot++) {
      down.set(A.data.subarray(column * input, (column + 1) * input), slot * input);
      for (let o = 0; o < out; o++) up[o * rank + slot] = factor * (B.data[o * columns + column] ?? 0);
    }
    return { ...branch, A: ndArray(branch.A.shape, down), B: ndArray(branch.B.shape, up) };
  });
  return { ...module, branches };
}
