// Methods by their names, as settings of the options that make them: what the form offers beside the method's
// defaults, and knows again. Length, split, augmentation and which layers are adapted stay what they are.
import { optionOf, paths, type Path, type Value } from './options.ts';
import { textOf, type ReadForm, type RecipeForm } from './recipe-form.ts';

export interface Method {
  readonly name: string;
  readonly settings: Readonly<Partial<Record<Path, Value>>>;
  /** The learning rate that it wants, where it is not the table's. */
  readonly rate?: number;
}

const plain = {
  'backbone.tune': 'none',
  'dmlora.dropMode': 'none',
  'dmlora.pairing': 'paired',
  'dmlora.scalars': 'off',
  'dmlora.scaling': 'none',
} as const;

/** One branch that stays is a LoRA (docs/method.md). */
const lora = (rank: number): Method => ({
  name: `LoRA, rank ${rank}`,
  settings: { ...plain, 'dmlora.branches': 1, 'dmlora.rank': rank, 'dmlora.scalarStart': 1 },
});

/** What is compared with branches: the head alone, or with parameters of the backbone itself. */
const bare = (name: string, tune: string): Method => ({
  name,
  settings: { 'dmlora.branches': 0, 'backbone.tune': tune },
});

/** The method's options whose values are as in the table. */
const byDefault = (...names: readonly Path[]): Method['settings'] =>
  Object.fromEntries(names.map((path) => [path, optionOf(path).default]));

const branches = byDefault('dmlora.branches', 'dmlora.branchesEnd', 'dmlora.rank');
const drops = byDefault(
  ...paths.filter((path) => path.startsWith('dmlora.drop') || path === 'dmlora.pairing'),
);
const scalars = byDefault('dmlora.scalars', 'dmlora.scalarShare', 'dmlora.stage2', 'dmlora.stage2Rate');

export const methods: readonly Method[] = [
  { name: 'DMLoRA', settings: { ...plain, ...branches, ...drops, ...scalars } },
  { name: 'Branches that drop, no scalars', settings: { ...plain, ...branches, ...drops } },
  { name: 'Branches that stay, with scalars', settings: { ...plain, ...branches, ...scalars } },
  { name: 'Branches that stay, no scalars', settings: { ...plain, ...branches } },
  ...[4, 8, 16].map(lora),
  {
    name: 'rsLoRA, rank 16, alpha 8',
    settings: { ...lora(16).settings, 'dmlora.scaling': 'rslora', 'dmlora.alpha': 8 },
  },
  bare('Linear head', 'none'),
  bare('LayerNorm tuning', 'norms'),
  bare('BitFit', 'biases'),
  { ...bare('Full fine-tuning', 'all'), rate: 1e-4 },
];

const rateText = (method: Method | undefined): string =>
  textOf('learningRate', method?.rate ?? optionOf('learningRate').default);

/** The form with a method's settings, and with its learning rate unless the user has chosen one. */
export function withMethod(form: RecipeForm, method: Method): RecipeForm {
  const texts = new Map(form.texts);
  for (const path of paths) {
    const value = method.settings[path];
    if (value !== undefined) texts.set(path, textOf(path, value));
  }
  const rate = texts.get('learningRate');
  if ([undefined, ...methods].some((other) => rateText(other) === rate))
    texts.set('learningRate', rateText(method));
  return { ...form, texts };
}

/**
 * The method that a form is: that of which every setting that has a say is there; null for one of the user's
 * own.
 */
export function methodOf({ texts }: RecipeForm, shown: ReadForm['shown']): Method | null {
  const says = (path: Path, value: Value | undefined): boolean =>
    value === undefined || !shown.includes(path) || texts.get(path) === textOf(path, value);
  return methods.find(({ settings }) => paths.every((path) => says(path, settings[path]))) ?? null;
}
