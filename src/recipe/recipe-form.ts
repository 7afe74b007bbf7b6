// A recipe as a form of texts: written from a recipe, and read back with a sentence for each field that
// cannot be used.
import { optionOf, paths, type Path, type Recipe, type Value } from './options.ts';
import { brokenRules, checkDepth, isShown, recipeOf, valueAt } from './recipe.ts';
import { percentOf, valueOfText } from './read-recipe.ts';

/** What the fields show; steps keep their text while the length is counted in epochs. */
export interface RecipeForm {
  readonly lengthIn: 'epochs' | 'steps';
  readonly texts: ReadonlyMap<Path, string>;
}

type FormErrors = ReadonlyMap<Path, string>;

export interface ReadForm {
  /** Null when a field that is shown cannot be used. */
  readonly recipe: Recipe | null;
  readonly errors: FormErrors;
  /** The options that are shown, in the order of the table. */
  readonly shown: readonly Path[];
}

/** Steps shown when the length is switched from epochs to steps for the first time. */
const firstSteps = '200';

/** The text that a field shows for a value. */
export function textOf(path: Path, value: Value): string {
  const option = optionOf(path);
  if (value === null) return path === 'steps' ? firstSteps : '';
  const isShare = option.kind === 'number' && option.percent === true;
  return String(isShare && typeof value === 'number' ? percentOf(value) : value);
}

export function formOf(recipe: Recipe): RecipeForm {
  return {
    lengthIn: recipe.steps === null ? 'epochs' : 'steps',
    texts: new Map(paths.map((path) => [path, textOf(path, valueAt(recipe, path))])),
  };
}

/**
 * Reads the form; `errors` names every shown field that cannot be used.
 *
 * @param depth blocks of the open model, which a recipe must fit; null without one.
 */
export function readForm({ lengthIn, texts }: RecipeForm, depth: number | null = null): ReadForm {
  const values = new Map<Path, Value>();
  const unknown = new Map<Path, string>();
  const read = (path: Path, required = false): void => {
    const value = valueOfText(optionOf(path), texts.get(path) ?? '', { inPercent: true, required });
    if (value.ok) values.set(path, value.value);
    else unknown.set(path, value.fault);
  };
  for (const path of paths) if (path !== 'steps') read(path);
  if (lengthIn === 'steps') {
    read('steps', true);
    // Whatever stands there, epochs do not count.
    if (unknown.has('steps')) values.set('steps', 1);
  }
  const recipe = recipeOf(values);
  const isIn = (path: Path): boolean =>
    isShown(path, (other) => valueAt(recipe, other)) && (path !== 'steps' || lengthIn === 'steps');
  const shown = paths.filter(isIn);
  const errors = new Map(
    [...brokenRules(recipe, unknown), ...unknown].filter(([path]) => shown.includes(path)),
  );
  const fits = depth === null || unknown.has('dmlora.firstBlock') ? null : checkDepth(recipe, depth);
  if (fits?.ok === false) errors.set('dmlora.firstBlock', fits.fault.detail);
  return { recipe: errors.size === 0 ? recipe : null, errors, shown };
}

/** What a field holds, in words: "Crop and mirror", "20 %", "all". */
export function wordsOf(form: RecipeForm, path: Path): string {
  const option = optionOf(path);
  const text = form.texts.get(path) ?? '';
  if (option.kind === 'choice') return option.choices.find(([value]) => String(value) === text)?.[1] ?? text;
  if (text === '') return option.empty ?? '';
  if (option.kind === 'text') return text;
  const unit = option.percent === true ? '%' : option.unit;
  return unit === undefined ? text : `${text} ${unit}`;
}
