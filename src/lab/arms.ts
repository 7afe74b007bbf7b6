// What an ablation compares: named recipes, read from a file, and the trials that they, the sets of images and the
// seeds make. All runs of one set and one seed have the same split, order and initial values: they are pairs.
import { paths, type Path, type Recipe } from '../recipe/options.ts';
import { readRecipeFile, type Setting } from '../recipe/read-recipe.ts';
import { isShown, valueAt } from '../recipe/recipe.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { jsonTextOf, parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';

/** The baseline that every run measures beside itself: an arm that nobody has to name. */
export const probeArm = 'linear probe';

export interface Arm {
  readonly name: string;
  readonly recipe: Recipe;
}

export interface Arms {
  /** In the order of the file: the first is what the others are compared with. */
  readonly arms: readonly Arm[];
  /** What to know of a comparison of them, a sentence each. */
  readonly notes: readonly string[];
}

/** One run of an ablation. */
export interface Trial {
  readonly arm: string;
  readonly set: string;
  /** Training images a class; null for all. */
  readonly shots: number | null;
  readonly seed: number;
  readonly recipe: Recipe;
}

const mostArms = 64;

const isRecord = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** One recipe laid over another: objects by their fields, all else as a whole. */
function laidOver(under: unknown, over: unknown): unknown {
  if (!isRecord(under) || !isRecord(over)) return over;
  const fields = Object.entries(over).map(
    ([name, value]) => [name, Object.hasOwn(under, name) ? laidOver(under[name], value) : value] as const,
  );
  return { ...under, ...Object.fromEntries(fields) };
}

/**
 * Reads `{ "base": recipe, "arms": [{ "name": ..., "recipe": ... }, ...] }`: each recipe, full or in part, lies over
 * `base`, and that over the defaults.
 *
 * @param settings laid over every arm.
 * @param isByShots whether the trials say how many training images a class has.
 * @returns the arms, or every mistake of the file as a sentence that names its arm.
 */
export async function readArms(
  file: Blob,
  settings: readonly Setting[] = [],
  isByShots = false,
): Promise<Result<Arms, readonly string[]>> {
  const text = await jsonTextOf(file);
  const json = text.ok ? parseJsonText(text.value) : text;
  if (!json.ok) return fail([json.fault]);
  if (!isRecord(json.value)) return fail(['An object with a list "arms" is needed.']);
  const { arms: given, base = {}, about, ...others } = json.value;
  const [other] = Object.keys(others);
  if (other !== undefined)
    return fail([`The file has no use for "${other.slice(0, 60)}": it takes "about", "base" and "arms".`]);
  if (about !== undefined && typeof about !== 'string') return fail(['"about" takes a text.']);
  if (!isRecord(base)) return fail(['"base" takes a recipe, as an object.']);
  if (!Array.isArray(given) || given.length === 0 || given.length > mostArms)
    return fail([`"arms" takes a list of 1 to ${mostArms} recipes with their names.`]);
  const read = await Promise.all(given.map((arm: unknown, i) => readArm(arm, i, base, settings)));
  const arms = read.flatMap((arm) => (arm.ok ? [arm.value] : []));
  const mistakes = [
    ...read.flatMap((arm) => (arm.ok ? [] : [arm.fault])),
    ...settings.flatMap(({ path }) =>
      path === 'seed' ? ['"seed" is no setting of an ablation: --seeds says which there are.'] : [],
    ),
    ...twice(arms.map(({ name }) => name)).map((name) => `Two arms are called "${name}": rename one.`),
    ...unpaired(arms, isByShots),
  ];
  return mistakes.length > 0 ? fail(mistakes) : ok({ arms, notes: notesOn(arms) });
}

async function readArm(
  json: unknown,
  place: number,
  base: object,
  settings: readonly Setting[],
): Promise<Result<Arm, string>> {
  const nameless = fail(
    `Arm ${place + 1} needs a "name" of 1 to 40 characters, beside its "recipe" and perhaps "about".`,
  );
  if (!isRecord(json)) return nameless;
  const { name, recipe = {}, about = '', ...others } = json;
  if (typeof name !== 'string' || name.trim() === '' || name.length > 40) return nameless;
  const mistake = (sentence: string): Result<never, string> => fail(`Arm "${name}": ${sentence}`);
  const [other] = Object.keys(others);
  if (other !== undefined)
    return mistake(`no arm has a field "${other.slice(0, 60)}"; settings stand in its "recipe".`);
  if (name === probeArm)
    return mistake('that is the name of the baseline, which is there without being named.');
  if (typeof about !== 'string') return mistake('"about" takes a text.');
  if (!isRecord(recipe)) return mistake('its recipe has to be an object.');
  if ('seed' in recipe || 'seed' in base)
    return mistake('"seed" is no setting of an arm: the seeds are the same for all.');
  const whole = new Blob([JSON.stringify(laidOver(base, recipe))]);
  const checked = await readRecipeFile(whole, settings);
  return checked.ok ? ok({ name, recipe: checked.value }) : mistake(faultSentence(checked.fault));
}

const twice = (names: readonly string[]): string[] => [
  ...new Set(names.filter((name, i) => names.indexOf(name) !== i)),
];

/** Settings of which arms have different values. */
function differing(arms: readonly Arm[]): Path[] {
  return paths.filter((path) => new Set(arms.map(({ recipe }) => valueAt(recipe, path))).size > 1);
}

/** Why arms would not be compared on the same images. */
function unpaired(arms: readonly Arm[], isByShots: boolean): string[] {
  const [first] = arms;
  if (first === undefined) return [];
  const splits = paths.filter((path) => path.startsWith('split.'));
  const others = arms.flatMap(({ name, recipe }) =>
    splits
      .filter((path) => valueAt(recipe, path) !== valueAt(first.recipe, path))
      .map((path) => `Arm "${name}": "${path}" is another than in "${first.name}": they would not be pairs.`),
  );
  const counted = isByShots ? arms.filter(({ recipe }) => recipe.split.trainPerClass !== null) : [];
  const folded = isByShots ? arms.filter(({ recipe }) => recipe.split.folds > 0) : [];
  return [
    ...others,
    ...folded.map(({ name }) => `Arm "${name}": folds take all images of a class, and --shots only some.`),
    ...counted.map(({ name }) => `Arm "${name}": "split.trainPerClass" is what --shots says.`),
  ];
}

/** What decides what a step sees: where it differs, arms are pairs by their split and their start only. */
const steps: readonly Path[] = ['steps', 'epochs', 'batch'];

/** Every setting of a recipe that has a say in it, as text. */
function saysOf(recipe: Recipe): string {
  const valueOf = (path: Path): ReturnType<typeof valueAt> => valueAt(recipe, path);
  return JSON.stringify(paths.filter((path) => isShown(path, valueOf)).map((path) => [path, valueOf(path)]));
}

function notesOn(arms: readonly Arm[]): string[] {
  const different = differing(arms).filter((path) => steps.includes(path));
  const texts = arms.map(({ recipe }) => saysOf(recipe));
  const alike = arms.filter((_, i) => texts.indexOf(texts[i] ?? '') !== i);
  return [
    ...(different.length === 0
      ? []
      : [
          `Arms differ in ${different.join(' and ')}: what they differ by may be the length of training or the size of a step.`,
        ]),
    ...alike.map(({ name }) => `"${name}" has the same recipe as an arm above: they differ by nothing.`),
  ];
}

/**
 * Every run of an ablation, set by set and seed by seed with all arms of one after the other: whatever is done of
 * it is made of whole pairs, but for the last.
 */
export function trialsOf(
  arms: readonly Arm[],
  sets: readonly string[],
  seeds: readonly number[],
  shots: readonly (number | null)[] = [null],
): Trial[] {
  return sets.flatMap((set) =>
    shots.flatMap((few) =>
      seeds.flatMap((seed) =>
        arms.map(({ name, recipe }): Trial => {
          const split = few === null ? recipe.split : { ...recipe.split, trainPerClass: few };
          return { arm: name, set, shots: few, seed, recipe: { ...recipe, seed, split } };
        }),
      ),
    ),
  );
}

/** What trials are compared within: a set, or a set with so many images a class. */
export function taskOf({ set, shots }: Pick<Trial, 'set' | 'shots'>): string {
  return shots === null ? set : `${set}, ${shots} a class`;
}

/** "fashion-1k, 4 a class, lora-8, seed 2". */
export function trialName(trial: Pick<Trial, 'arm' | 'set' | 'shots' | 'seed'>): string {
  return `${taskOf(trial)}, ${trial.arm}, seed ${trial.seed}`;
}
