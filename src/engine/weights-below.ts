// The frozen weights below the branches of an adapter: the checkpoint's, and with them what branches left
// there that were dropped into them. For both engines, which hold such weights on their device.
import type { Adapter, ModuleName } from '../dmlora/adapter.ts';
import { frozenWeight } from '../dmlora/stacked-lora.ts';
import type { NdArray } from '../shared/array.ts';
import { weightOf, type ParamName, type VitModel } from '../vit/parameters.ts';

/** Gives each weight of a model as it is below an adapter; one that absorbed something is made anew at every call. */
export function weightsBelow(
  { weights }: VitModel,
  { modules }: Pick<Adapter, 'modules'>,
): (name: ParamName) => NdArray {
  const byName = new Map(modules.map((module) => [`${module.name}.weight`, module]));
  return (name) => {
    const weight = weightOf(weights, name);
    const module = byName.get(name);
    return module === undefined ? weight : frozenWeight(weight, module);
  };
}

/** The linears that have another weight below an adapter than below the former one, or than the checkpoint has. */
export function changedBelow(former: Pick<Adapter, 'modules'> | null, next: Adapter): ModuleName[] {
  const before = new Map(former?.modules.map(({ name, absorbed }) => [name, absorbed]));
  return next.modules.filter(({ name, absorbed }) => before.get(name) !== absorbed).map(({ name }) => name);
}
