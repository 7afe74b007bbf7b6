// Recipes of older builds. What is kept of a run holds the value of every option that there was: one that
// came later is missing, and the run did what that option says at its value here. That is its value when it
// is off, and no default: a default may change, what a run did may not.
import type { Path, Value } from './options.ts';
import { isPair, places, type Place } from './recipe.ts';

/** What runs did that are older than an option; what is not here is as old as the first run that was kept. */
const olderValues: Readonly<Partial<Record<Path, Value>>> = {
  patience: null,
  keep: 'best',
  'dmlora.dropPick': 'random',
  'dmlora.dropEffect': 'zero',
  'dmlora.dropRate': 0.5,
  'dmlora.dropSteps': '',
  'dmlora.fadeSteps': 20,
  'dmlora.inputDropout': 0,
  'dmlora.pairing': 'paired',
  'dmlora.scalarShare': 'linear',
  'dmlora.stage2Rate': 'run',
  'dmlora.scaling': 'none',
  'dmlora.alpha': 8,
  'backbone.tune': 'none',
  upsideDown: 'no',
  notMirrored: '',
  rotation: 0,
  colourJitter: 0,
  blur: 0,
  randomErasing: 0,
  randAugment: 0,
  randAugmentStrength: 0.3,
  mixup: 0,
  cutmix: 0,
  labelSmoothing: 0,
  classBalance: 'none',
  stochasticDepth: 0,
  'memory.arithmetic': 'float32',
  'split.learnFrom': 'train',
  'split.together': 'none',
  'split.folds': 0,
  'split.fold': 1,
};

const isObject = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

function filled(json: unknown, below: ReadonlyMap<string, Place>): unknown {
  if (!isObject(json)) return json;
  const missing = [...below].flatMap(([name, place]): [string, unknown][] => {
    if ('path' in place) {
      const value = olderValues[place.path];
      return Object.hasOwn(json, name) || value === undefined ? [] : [[name, value]];
    }
    if (isPair(place)) {
      const both = [...place.values()].flatMap((one) => ('path' in one ? (olderValues[one.path] ?? []) : []));
      return Object.hasOwn(json, name) || both.length < place.size ? [] : [[name, both]];
    }
    const inner = filled(Object.hasOwn(json, name) ? json[name] : {}, place);
    return isObject(inner) && Object.keys(inner).length === 0 ? [] : [[name, inner]];
  });
  return { ...json, ...Object.fromEntries(missing) };
}

/** The recipe of a run that was kept, with what it did of options that are newer; as it is where it is no object. */
export function completedRecipe(json: unknown): unknown {
  return filled(json, places);
}
