// A recipe read from what people give: JSON of a file, texts of a form or a command line. One check for page,
// worker and command: what one of them takes, all take, and what is refused is named with what it needs.
import { jsonTextOf, mostJsonBytes, parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { NumberOption, Option } from './option-kinds.ts';
import { optionOf, paths, type Path, type Recipe, type Value } from './options.ts';
import { brokenRules, isPair, places, recipeOf, type Place } from './recipe.ts';

/** A value, or the sentence that says what is needed instead. */
type Read = Result<Value, string>;

/** A share in percent, without the noise of binary fractions. */
export function percentOf(share: number): number {
  return Number((share * 100).toPrecision(12));
}

/** The limits of a number in words, "between 1 and 1024"; of a share in percent where it is shown so. */
export function limitsText({ least, above, most, below, percent }: NumberOption, inPercent: boolean): string {
  const say = (limit: number): string =>
    inPercent && percent === true ? `${percentOf(limit)} %` : String(limit);
  if (least !== undefined && most !== undefined) return `between ${say(least)} and ${say(most)}`;
  const from =
    least !== undefined ? [`at least ${say(least)}`] : above !== undefined ? [`above ${say(above)}`] : [];
  const to =
    most !== undefined ? [`at most ${say(most)}`] : below !== undefined ? [`below ${say(below)}`] : [];
  return [...from, ...to].join(' and ');
}

/** What an option needs, in words. */
function needed(option: Option, inPercent: boolean): string {
  if (option.kind === 'choice')
    return `One of ${option.choices.map(([value]) => value).join(', ')} is needed`;
  if (option.kind === 'text') return `A text of at most ${option.most} characters is needed`;
  return `A ${option.whole === true ? 'whole ' : ''}number ${limitsText(option, inPercent)} is needed`;
}

/** A value in a sentence: short, whatever it is. */
function shortly(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function isWithin({ least, above, most, below, whole }: NumberOption, value: number): boolean {
  return (
    Number.isFinite(value) &&
    (whole !== true || Number.isInteger(value)) &&
    (least === undefined || value >= least) &&
    (above === undefined || value > above) &&
    (most === undefined || value <= most) &&
    (below === undefined || value < below)
  );
}

/** The value of an option as JSON has it: of its type and within its limits. */
function valueOfJson(option: Option, json: unknown): Read {
  if (option.kind === 'choice') {
    const found = option.choices.find(([value]) => value === json);
    if (found !== undefined) return ok(found[0]);
  } else if (option.kind === 'text') {
    if (typeof json === 'string' && json.length <= option.most) return ok(json);
  } else if (json === null && option.empty !== undefined) return ok(null);
  else if (typeof json === 'number' && isWithin(option, json)) return ok(json);
  return fail(`${needed(option, false)}, not ${shortly(json)}.`);
}

/**
 * The value of an option as people write it: shares in percent in a form; nothing means what `empty` says,
 * unless a value is required.
 */
export function valueOfText(
  option: Option,
  text: string,
  { inPercent = false, required = false } = {},
): Read {
  const wrong = fail(`${needed(option, inPercent)}${text.trim() === '' ? '' : `, not ${shortly(text)}`}.`);
  if (option.kind === 'choice') {
    const found = option.choices.find(([value]) => String(value) === text.trim());
    return found === undefined ? wrong : ok(found[0]);
  }
  if (option.kind === 'text') return text.length <= option.most ? ok(text.trim()) : wrong;
  if (text.trim() === '' || text.trim() === 'null')
    return option.empty === undefined || required ? wrong : ok(null);
  // A decimal comma, but not where it would be one between thousands.
  const number = Number(option.whole === true ? text : text.replace(',', '.'));
  const value = inPercent && option.percent === true ? Number((number / 100).toPrecision(12)) : number;
  return isWithin(option, value) ? ok(value) : wrong;
}

const bad = (field: string, detail: string): Result<never> => fail({ kind: 'bad-recipe', field, detail });

const notKnown = (field: string, detail: string): Result<never> =>
  fail({ kind: 'bad-recipe', field, detail, unknown: true });

/** Takes the values out of JSON, level by level, and never deeper than a recipe is. */
function collect(
  json: unknown,
  below: ReadonlyMap<string, Place>,
  prefix: string,
  values: Map<Path, Value>,
): Result<null> {
  const field = prefix === '' ? 'recipe' : prefix.slice(0, -1);
  const isList = Array.isArray(json);
  if (isPair(below) && (!isList || json.length !== below.size))
    return bad(
      field,
      `A list of two numbers is needed, not ${isList ? 'one of another length' : shortly(json)}.`,
    );
  if (typeof json !== 'object' || json === null || isList !== isPair(below))
    return bad(field, `A JSON object is needed, not ${shortly(json)}.`);
  const fields: [string, unknown][] = Object.entries(json);
  for (const [name, value] of fields) {
    const place = below.get(name);
    if (place === undefined) return notKnown(`${prefix}${name.slice(0, 60)}`, unknownField(name));
    if ('path' in place) {
      const option = optionOf(place.path);
      const read = valueOfJson(option, value);
      if (!read.ok) return (option.kind === 'choice' ? notKnown : bad)(place.path, read.fault);
      values.set(place.path, read.value);
    } else {
      const inner = collect(value, place, `${prefix}${name}.`, values);
      if (!inner.ok) return inner;
    }
  }
  return ok(null);
}

function unknownField(name: string): string {
  const like = paths.find((path) => path.split('.').at(-1)?.toLowerCase() === name.toLowerCase());
  return `No recipe has a field of this name${like === undefined ? '' : `: perhaps ${like} is meant`}.`;
}

/** The recipe of checked values, if they keep the rules between options. */
function completed(values: ReadonlyMap<Path, Value>): Result<Recipe> {
  const recipe = recipeOf(values);
  const [broken] = brokenRules(recipe);
  return broken === undefined ? ok(recipe) : bad(...broken);
}

/**
 * Reads a recipe from JSON; what is left out has its default. The fault names the first field that cannot be
 * used.
 */
export function readRecipe(json: unknown): Result<Recipe> {
  const values = new Map<Path, Value>();
  const collected = collect(json, places, '', values);
  return collected.ok ? completed(values) : collected;
}

/**
 * Largest recipe file: a run.json names every image, some 50,000 in so many bytes.
 *
 * @public the command reads it through Vite.
 */
export const mostBytes = mostJsonBytes;

/** A value given beside a recipe, for the option that stands at `path`. */
export interface Setting {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads a recipe file, or the recipe in the run.json of an export, and lays single settings over it; without a file
 * they change the defaults.
 */
export async function readRecipeFile(
  file: Blob | null,
  settings: readonly Setting[] = [],
): Promise<Result<Recipe>> {
  const values = new Map<Path, Value>();
  if (file !== null) {
    const read = await collectFile(file, values);
    if (!read.ok) return read;
  }
  for (const { path: name, text } of settings) {
    const path = paths.find((known) => known === name);
    if (path === undefined) return bad(name, unknownField(name.split('.').at(-1) ?? name));
    const read = valueOfText(optionOf(path), text);
    if (!read.ok) return bad(path, read.fault);
    values.set(path, read.value);
  }
  return completed(values);
}

async function collectFile(file: Blob, values: Map<Path, Value>): Promise<Result<null>> {
  const text = await jsonTextOf(file, mostBytes);
  const json = text.ok ? parseJsonText(text.value, mostBytes) : text;
  return json.ok ? collect(recipeIn(json.value), places, '', values) : bad('recipe', json.fault);
}

/** A record of a run holds its recipe under a name that no option has. */
function recipeIn(json: unknown): unknown {
  return typeof json === 'object' && json !== null && 'recipe' in json ? json.recipe : json;
}
