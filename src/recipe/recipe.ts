// A recipe as a value: made of the values of its options, its defaults, and the arithmetic that pages, worker
// and loop need of it. How one is read from JSON or a form stands in read-recipe.ts and recipe-form.ts.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { dropPlacesProblem } from './drop-places.ts';
import { rules } from './option-rules.ts';
import { optionOf, paths, type Path, type Recipe, type Value } from './options.ts';

/** What stands at a place of a recipe: an option, or the places below its name. */
export type Place = { readonly path: Path } | ReadonlyMap<string, Place>;

function placesBelow(prefix: string): ReadonlyMap<string, Place> {
  const below = new Map<string, Place>();
  for (const path of paths) {
    if (!path.startsWith(prefix)) continue;
    const [name = '', ...rest] = path.slice(prefix.length).split('.');
    if (rest.length === 0) below.set(name, { path });
    else if (!below.has(name)) below.set(name, placesBelow(`${prefix}${name}.`));
  }
  return below;
}

/** The places of a recipe by name, level by level; a pair has the names 0 and 1. */
export const places = placesBelow('');

export function isPair(below: ReadonlyMap<string, Place>): boolean {
  return below.has('0');
}

function built(below: ReadonlyMap<string, Place>, valueOf: (path: Path) => Value): unknown {
  const fields = [...below].map(
    ([name, place]) => [name, 'path' in place ? valueOf(place.path) : built(place, valueOf)] as const,
  );
  return isPair(below) ? fields.map(([, value]) => value) : Object.fromEntries(fields);
}

/** What a recipe without branches says of them: nothing that they would do is done. */
const withoutBranches: Readonly<Partial<Record<Path, Value>>> = {
  'dmlora.dropMode': 'none',
  'dmlora.pairing': 'paired',
  'dmlora.inputDropout': 0,
  'dmlora.scalars': 'off',
  'dmlora.scaling': 'none',
};

/** The recipe with these values, each checked before; what is left out has its default. */
export function recipeOf(values: ReadonlyMap<Path, Value>): Recipe {
  const given = (path: Path): Value => values.get(path) ?? (values.has(path) ? null : optionOf(path).default);
  const hasBranches = given('dmlora.branches') !== 0;
  const valueOf = (path: Path): Value => (hasBranches ? undefined : withoutBranches[path]) ?? given(path);
  // The one cast: the type and the value both follow from the table, which TypeScript cannot see of the
  // value.
  return built(places, valueOf) as Recipe;
}

export const recipeDefaults: Recipe = recipeOf(new Map());

/** The names in a text: commas between them, and in double quotes one that has a comma. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|[^,"]+/g)]
    .map(([whole, quoted]) => (quoted ?? whole).trim())
    .filter((name) => name !== '');
}

/** Classes of which a recipe draws no mirror images; fails where one is no class of these. */
export function notMirroredOf(
  { augment, notMirrored }: Pick<Recipe, 'augment' | 'notMirrored'>,
  classes: readonly string[],
): Result<ReadonlySet<number>, BadRecipe> {
  const names = augment === 'none' ? [] : namesIn(notMirrored);
  const unknown = names.find((name) => !classes.includes(name));
  if (unknown === undefined) return ok(new Set(names.map((name) => classes.indexOf(name))));
  const detail = `No class of the images is called "${unknown.slice(0, 60)}".`;
  return fail({ kind: 'bad-recipe', field: 'notMirrored', detail });
}

/** The options that the method itself reads. */
export type DmloraOptions = Recipe['dmlora'];

/** The value of an option in a recipe. */
export function valueAt(recipe: Recipe, path: Path): Value {
  let value: unknown = recipe;
  for (const name of path.split('.'))
    value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  if (value === null || typeof value === 'number' || typeof value === 'string') return value;
  throw new Error(`the recipe has no ${path}`);
}

/**
 * Whether an option is shown beside these values; one that is not has no say (options.ts), here neither: others
 * that depend on it take it for its default.
 */
export function isShown(path: Path, valueOf: (path: Path) => Value): boolean {
  const when = optionOf(path).when ?? {};
  const counted = (other: Path): Value =>
    isShown(other, valueOf) ? valueOf(other) : optionOf(other).default;
  return paths.every((other) => when[other]?.includes(counted(other)) ?? true);
}

/**
 * The rules that a recipe breaks, by the option at fault. A rule holds while all options that it reads are
 * shown, and none of them is among those whose values are `unknown`.
 */
export function brokenRules(
  recipe: Recipe,
  unknown: ReadonlyMap<Path, unknown> = new Map(),
): ReadonlyMap<Path, string> {
  const counts = (path: Path): boolean =>
    !unknown.has(path) && isShown(path, (other) => valueAt(recipe, other));
  return new Map(
    rules.flatMap(({ at, beside, broken }) => {
      const problem = [at, ...beside].every(counts) ? broken(recipe) : null;
      return problem === null ? [] : [[at, problem] as const];
    }),
  );
}

type BadRecipe = Extract<Fault, { kind: 'bad-recipe' }>;

/** A recipe that this model cannot follow. */
export function checkDepth({ dmlora }: Recipe, depth: number): Result<null, BadRecipe> {
  if (dmlora.branches === 0 || dmlora.firstBlock < depth) return ok(null);
  const detail = `This model has blocks 0 to ${depth - 1}; no branch would grow from block ${dmlora.firstBlock} on.`;
  return fail({ kind: 'bad-recipe', field: 'dmlora.firstBlock', detail });
}

/** A recipe that names steps for its drops which a run over so many training images does not have. */
export function checkDropSteps(recipe: Recipe, images: number): Result<null, BadRecipe> {
  const { dropMode, dropSpacing } = recipe.dmlora;
  const isAsked = dropMode === 'permanent' && dropSpacing === 'steps';
  const detail = isAsked ? dropPlacesProblem(recipe, stepsOf(recipe, images)) : null;
  return detail === null ? ok(null) : fail({ kind: 'bad-recipe', field: 'dmlora.dropSteps', detail });
}

/**
 * Passes over `images` training images where a recipe says none: small sets need more of them to be as many
 * steps. Chosen on validation images of four data sets (docs/experiments/default-lengths.md).
 */
export function defaultEpochs(images: number): number {
  return Math.max(10, Math.min(100, Math.round(3200 / Math.max(1, images))));
}

/** Passes over the training images, where a recipe counts its length so. */
function epochsOf({ epochs }: Recipe, images: number): number {
  return epochs ?? defaultEpochs(images);
}

/** Optimiser steps of a run over `images` training images. */
export function stepsOf(recipe: Recipe, images: number): number {
  return (
    recipe.steps ?? Math.max(1, Math.round((epochsOf(recipe, images) * images) / batchOf(recipe, images)))
  );
}

/** The recipe of a run over `images` training images: it says how long it is, for other images too. */
export function withLength(recipe: Recipe, images: number): Recipe {
  const isSaid = recipe.steps !== null || recipe.epochs !== null;
  return isSaid ? recipe : { ...recipe, epochs: epochsOf(recipe, images) };
}

/** Images of one step: never more than there are. */
export function batchOf(recipe: Recipe, images: number): number {
  return Math.min(recipe.batch, images);
}

/** Whether validation images are learned too; folds each keep theirs apart. */
export function learnsFromAll({ split }: Pick<Recipe, 'split'>): boolean {
  return split.learnFrom === 'all' && split.folds === 0;
}

/** Whether the result of a run has learned from validation images: one that went back to its start has not. */
export function learnedValidation(recipe: Pick<Recipe, 'split'>, keptStep: number): boolean {
  return learnsFromAll(recipe) && keptStep > 0;
}

/** What a run learns from, of the parts of a split: in the order of its training images. */
export function learnedOf<T>(
  recipe: Pick<Recipe, 'split'>,
  { train, validation }: { readonly train: readonly T[]; readonly validation: readonly T[] },
): readonly T[] {
  return learnsFromAll(recipe) ? [...train, ...validation] : train;
}

/** The head's rate as a share of the branches': a head of random numbers has all of it. */
export function headShareOf({ headStart, headRate }: Recipe, fromCheckpoint: boolean): number {
  return headStart === 'random' && !fromCheckpoint ? 1 : headRate;
}
