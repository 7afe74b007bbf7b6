// The recipe as a form of texts: reading it with a message for each field that cannot be used, writing it from a
// recipe, and taking a recipe file. The worker checks the recipe again; this is so that a mistake shows where it is.
import { fail, ok, type Result } from '../shared/result.ts';
import type { Recipe } from '../worker/protocol.ts';
import { fieldNames, fieldOf, type FieldName, type NumberField } from './recipe-fields.ts';

export type RecipeForm = Readonly<Record<FieldName, string>>;
export type FormErrors = ReadonlyMap<FieldName, string>;

export interface ReadForm {
  /** Null when a field cannot be used. */
  readonly recipe: Recipe | null;
  readonly errors: FormErrors;
}

const rank = ['1', '2', '4', '8', '16'] as const;
const targets = ['qv', 'qkv', 'qkv+proj', 'all'] as const satisfies readonly Recipe['dmlora']['targets'][];
const dropModes = ['permanent', 'none'] as const satisfies readonly Recipe['dmlora']['dropMode'][];
const augments = ['none', 'flip', 'crop+flip'] as const satisfies readonly Recipe['augment'][];
const headStarts = ['probe', 'random'] as const satisfies readonly Recipe['headStart'][];
const float16 = ['never', 'if-needed', 'always'] as const satisfies readonly Recipe['memory']['float16'][];
const scalarModes = ['train-then-scale', 'off'] as const satisfies readonly Recipe['dmlora']['scalars'][];

/** A share as percent, without the noise of binary fractions. */
const percentText = (share: number): string => String(Number((share * 100).toPrecision(12)));

/** Steps shown when the length is switched from epochs to steps for the first time. */
const firstSteps = '200';

export function formOf(recipe: Recipe): RecipeForm {
  const { dmlora, split } = recipe;
  return {
    length: recipe.steps === null ? 'epochs' : 'steps',
    epochs: String(recipe.epochs),
    steps: recipe.steps === null ? firstSteps : String(recipe.steps),
    batch: String(recipe.batch),
    learningRate: String(recipe.learningRate),
    headStart: recipe.headStart,
    seed: String(recipe.seed),
    branches: String(dmlora.branches),
    branchesEnd: String(dmlora.branchesEnd),
    rank: String(dmlora.rank),
    targets: dmlora.targets,
    firstBlock: String(dmlora.firstBlock),
    dropMode: dmlora.dropMode,
    dropBegin: percentText(dmlora.dropWindow[0]),
    dropEnd: percentText(dmlora.dropWindow[1]),
    scalars: dmlora.scalars,
    stage2: percentText(dmlora.stage2),
    validationFraction: percentText(split.validationFraction),
    trainPerClass: split.trainPerClass === null ? '' : String(split.trainPerClass),
    validationPerClass: split.validationPerClass === null ? '' : String(split.validationPerClass),
    warmup: percentText(recipe.warmup),
    headRate: String(recipe.headRate),
    learningRateFloor: String(recipe.learningRateFloor),
    weightDecay: String(recipe.weightDecay),
    clipNorm: String(recipe.clipNorm),
    augment: recipe.augment,
    smallestCrop: percentText(recipe.smallestCrop),
    memoryBudget: recipe.memory.budgetMB === null ? '' : String(recipe.memory.budgetMB),
    float16: recipe.memory.float16,
    scalarRate: String(recipe.scalarRate),
    scalarStart: String(dmlora.scalarStart),
  };
}

function numberProblem(field: NumberField, text: string): string | null {
  const value = Number(text.replace(',', '.'));
  const shown = (limit: number): string =>
    field.percent === true ? `${percentText(limit)} %` : String(limit);
  const between = `between ${shown(field.least)} and ${shown(field.most)}`;
  if (text.trim() === '') return field.optional === true ? null : `A number ${between} is needed.`;
  if (!Number.isFinite(value)) return 'This is not a number.';
  if (field.whole === true && !Number.isInteger(value)) return 'A whole number is needed.';
  const share = field.percent === true ? value / 100 : value;
  const outside = share < field.least || share > field.most;
  const onLimit =
    field.open === true && (share === field.least || (field.percent === true && share === field.most));
  return outside || onLimit
    ? `It must lie ${between}${field.open === true ? ', limits excluded' : ''}.`
    : null;
}

/** Reads the form; `errors` names every field that cannot be used. */
export function readForm(form: RecipeForm): ReadForm {
  const errors = new Map<FieldName, string>();
  const unused: FieldName = form.length === 'steps' ? 'epochs' : 'steps';
  for (const name of fieldNames) {
    const field = fieldOf(name);
    if (name === unused || field.kind !== 'number') continue;
    const problem = numberProblem(field, form[name]);
    if (problem !== null) errors.set(name, problem);
  }
  const number = (name: FieldName): number => {
    const field = fieldOf(name);
    const value = Number(form[name].replace(',', '.'));
    return field.kind === 'number' && field.percent === true ? Number((value / 100).toPrecision(12)) : value;
  };
  const optional = (name: FieldName): number | null => (form[name].trim() === '' ? null : number(name));
  function choice<T extends string>(name: FieldName, values: readonly [T, ...T[]]): T {
    const found = values.find((value) => value === form[name]);
    if (found === undefined) errors.set(name, 'Choose one of the values.');
    return found ?? values[0];
  }

  const [branches, branchesEnd] = [number('branches'), number('branchesEnd')];
  const [begin, end, stage2] = [number('dropBegin'), number('dropEnd'), number('stage2')];
  const dropMode = choice('dropMode', dropModes);
  const scalars = choice('scalars', scalarModes);
  if (branchesEnd > branches)
    errors.set('branchesEnd', `${branchesEnd} branches cannot be left of ${branches}.`);
  if (dropMode === 'permanent' && end < begin) errors.set('dropEnd', 'The drops end before they begin.');
  else if (dropMode === 'permanent' && scalars !== 'off' && end > stage2)
    errors.set('stage2', 'All drops must be done before stage 2 begins.');

  const recipe: Recipe = {
    seed: number('seed'),
    steps: form.length === 'steps' ? number('steps') : null,
    epochs: errors.has('epochs') || unused === 'epochs' ? Number(form.epochs) || 1 : number('epochs'),
    batch: number('batch'),
    learningRate: number('learningRate'),
    headRate: number('headRate'),
    learningRateFloor: number('learningRateFloor'),
    warmup: number('warmup'),
    scalarRate: number('scalarRate'),
    weightDecay: number('weightDecay'),
    clipNorm: number('clipNorm'),
    augment: choice('augment', augments),
    smallestCrop: number('smallestCrop'),
    headStart: choice('headStart', headStarts),
    dmlora: {
      branches,
      branchesEnd,
      rank: Number(choice('rank', rank)),
      targets: choice('targets', targets),
      firstBlock: number('firstBlock'),
      dropMode,
      dropWindow: [begin, end],
      scalars,
      stage2,
      scalarStart: number('scalarStart'),
    },
    memory: { budgetMB: optional('memoryBudget'), float16: choice('float16', float16) },
    split: {
      validationFraction: number('validationFraction'),
      trainPerClass: optional('trainPerClass'),
      validationPerClass: optional('validationPerClass'),
    },
  };
  return { recipe: errors.size === 0 ? recipe : null, errors };
}

/** Every value of a JSON document by its dotted path. */
function leaves(json: unknown, path: string): [string, unknown][] {
  if (typeof json !== 'object' || json === null) return [[path, json]];
  return Object.entries(json).flatMap(([key, value]: [string, unknown]) =>
    leaves(value, path === '' ? key : `${path}.${key}`),
  );
}

/** The form of a recipe file; what it leaves out has the default. The fault names the first field it cannot take. */
export function formOfJson(json: unknown, defaults: Recipe): Result<RecipeForm> {
  const bad = (field: string, detail: string): Result<RecipeForm> =>
    fail({ kind: 'bad-recipe', field, detail });
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    return bad('recipe', 'The file holds no recipe: a JSON object is needed.');
  const form: Record<FieldName, string> = { ...formOf(defaults) };
  for (const [path, value] of leaves(json, '')) {
    const name = fieldNames.find((candidate) => fieldOf(candidate).path === path);
    if (name === undefined) return bad(path, 'No recipe has a field of this name.');
    const field = fieldOf(name);
    if (name === 'steps') form.length = value === null ? 'epochs' : 'steps';
    if (value === null && name === 'steps') continue;
    if (value === null && field.kind === 'number' && field.optional === true) form[name] = '';
    else if (typeof value === 'number')
      form[name] = field.kind === 'number' && field.percent === true ? percentText(value) : String(value);
    else if (typeof value === 'string' && field.kind === 'choice') form[name] = value;
    else return bad(path, `${JSON.stringify(value)} is not a value for it.`);
  }
  const { errors } = readForm(form);
  for (const [name, problem] of errors) return bad(fieldOf(name).path ?? name, problem);
  return ok(form);
}
