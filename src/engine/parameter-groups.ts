// What AdamW knows of the trainable parameters, for both engines: its constants, the groups that learn
// each at their own rate, and how many steps each group has seen (bias correction needs it). Pure.
import { paramNames, type Adapter, type Trains } from '../dmlora/adapter.ts';
import { isMatrix } from '../dmlora/tuned.ts';
import { assert } from '../shared/assert.ts';
import type { ParamName } from '../vit/parameters.ts';
import type { StepControl } from './engine.ts';

/**
 * Decay rates of both moments and the term below the line (Kingma and Ba, 2015), the values that PyTorch has
 * too.
 */
export const adamw = { beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

/**
 * `backboneVectors` are biases, LayerNorms, tokens and layer scales of the backbone, `backboneMatrices` its
 * linears and patch embedding; both are empty unless a recipe tunes them.
 */
export const groupNames = [
  ...(['branches', 'scalars', 'headWeight', 'headBias'] as const),
  ...(['backboneVectors', 'backboneMatrices'] as const),
] as const;
export type GroupName = (typeof groupNames)[number];

/** Which group a parameter lies in. */
export function groupOf(name: ParamName): GroupName {
  if (name === paramNames.headWeight) return 'headWeight';
  if (name === paramNames.headBias) return 'headBias';
  if (name.startsWith(paramNames.backbone('')))
    return isMatrix(name) ? 'backboneMatrices' : 'backboneVectors';
  return name.endsWith('.s') ? 'scalars' : 'branches';
}

/** The learning rate of a group at a step. */
export function rateOf(group: GroupName, { learningRate, headRate, scalarRate }: StepControl): number {
  if (group === 'scalars') return scalarRate;
  return group === 'headWeight' || group === 'headBias' ? headRate : learningRate;
}

/** Whether a group's parameters are pulled towards zero: those that are matrices. */
export function decays(group: GroupName): boolean {
  return group === 'branches' || group === 'headWeight' || group === 'backboneMatrices';
}

/** Optimiser steps that each group of parameters has seen. */
export type StepCounts = Readonly<Record<GroupName, number>>;

export const noSteps: StepCounts = {
  branches: 0,
  scalars: 0,
  headWeight: 0,
  headBias: 0,
  backboneVectors: 0,
  backboneMatrices: 0,
};

/** The counts after one more step that trains these groups. */
export function afterStep(counts: StepCounts, { branches, scalars, head }: Trains): StepCounts {
  const more = (on: boolean): number => (on ? 1 : 0);
  return {
    branches: counts.branches + more(branches),
    scalars: counts.scalars + more(scalars),
    headWeight: counts.headWeight + more(head),
    headBias: counts.headBias + more(head),
    backboneVectors: counts.backboneVectors + more(branches),
    backboneMatrices: counts.backboneMatrices + more(branches),
  };
}

/** One count serves a whole group: the method's events reset or remove moments in every module at once. */
export function stepCounts(parameters: readonly ParamName[], moments: Adapter['moments']): StepCounts {
  const counts = { ...noSteps };
  for (const group of groupNames) {
    const seen = new Set(
      parameters.filter((name) => groupOf(name) === group).map((name) => moments.get(name)?.steps ?? 0),
    );
    assert(seen.size <= 1, () => `parameters of ${group} have seen different numbers of steps`);
    counts[group] = [...seen][0] ?? 0;
  }
  return counts;
}
