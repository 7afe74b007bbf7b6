// What of the backbone itself trains beside branches and head: which of its parameters, their values as part of
// an adapter, and a model with them in place. The values are the parameters', not differences.
import type { Recipe } from '../recipe/options.ts';
import type { NdArray } from '../shared/array.ts';
import {
  backboneShapes,
  weightOf,
  type ParamName,
  type VitModel,
  type VitWeights,
} from '../vit/parameters.ts';
import type { Adapter } from './adapter.ts';

export type Tune = Recipe['backbone']['tune'];

const isNorm = (name: ParamName): boolean => /^(?:.+\.)?(?:pre_norm|norm[12]?)\.(?:weight|bias)$/.test(name);

/** Which parameters of the backbone each choice trains, of those that the checkpoint has a place for. */
const trains: Readonly<Record<Tune, (name: ParamName) => boolean>> = {
  none: () => false,
  norms: isNorm,
  biases: (name) => name.endsWith('.bias'),
  all: () => true,
};

/** By which choice just these parameters of a backbone train. */
export function tuneOf(names: readonly ParamName[]): Tune {
  const choices = ['none', 'biases', 'norms'] as const;
  return choices.find((tune) => names.every(trains[tune])) ?? 'all';
}

/** Whether a parameter of the backbone is a matrix, which decays: linears and the patch embedding. */
export function isMatrix(name: ParamName): boolean {
  return /(?:^|\.)(?:q|k|v|proj|fc1|fc2|patch_embed)\.weight$/.test(name);
}

/** The parameters of a model's backbone that train, in the order of the forward pass. */
export function tunedNames({ config, spare }: Pick<VitModel, 'config' | 'spare'>, tune: Tune): ParamName[] {
  return [...backboneShapes(config).keys()].filter((name) => trains[tune](name) && spare?.has(name) !== true);
}

/** What an adapter holds of the backbone before the first step: the checkpoint's values; nothing for `none`. */
export function tunedStart(model: VitModel, tune: Tune): Pick<Adapter, 'backbone'> {
  const names = tunedNames(model, tune);
  return names.length === 0
    ? {}
    : { backbone: new Map(names.map((name) => [name, weightOf(model.weights, name)])) };
}

/** The weights of a backbone with those that an adapter tuned in place of the checkpoint's. */
export function withTuned(weights: VitWeights, { backbone }: Pick<Adapter, 'backbone'>): VitWeights {
  return backbone === undefined ? weights : new Map<ParamName, NdArray>([...weights, ...backbone]);
}

/**
 * A model and an adapter to be tried and not trained: what is tuned of the backbone lies in the model, so that an
 * engine plans no training of it. Without moments.
 */
export function asTried(
  model: VitModel,
  adapter: Adapter,
): { readonly model: VitModel; readonly adapter: Adapter } {
  const { modules, head } = adapter;
  return {
    model: { ...model, weights: withTuned(model.weights, adapter) },
    adapter: { modules, head, moments: new Map() },
  };
}
