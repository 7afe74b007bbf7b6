// Methods by their names: each is a recipe that can be run, is known again, and changes nothing else.
import { expect, test } from 'vitest';
import { methodOf, methods, withMethod } from './methods.ts';
import { paths, type Path } from './options.ts';
import { formOf, readForm, type RecipeForm } from './recipe-form.ts';
import { recipeDefaults } from './recipe.ts';

const withText = (form: RecipeForm, path: Path, text: string): RecipeForm => ({
  ...form,
  texts: new Map(form.texts).set(path, text),
});

/** A form that is none of them and has something everywhere else. */
const others = {
  ...{ learningRate: '0.007', 'dmlora.targets': 'qv', 'dmlora.firstBlock': '2', 'dmlora.scalarStart': '0.5' },
  ...{ 'dmlora.branches': '6', 'dmlora.dropMode': 'annealed', 'dmlora.scaling': 'lora', 'dmlora.alpha': '3' },
} as const;
const own = Object.entries(others).reduce(
  (form, [path, text]) => withText(form, paths.find((one) => one === path) ?? 'seed', text),
  formOf(recipeDefaults),
);
const known = (form: RecipeForm): string | undefined => methodOf(form, readForm(form).shown)?.name;

test('the defaults are the method, and a form of one’s own is none', () => {
  expect(known(formOf(recipeDefaults))).toBe('DMLoRA');
  expect(known(own)).toBeUndefined();
  // What has no say makes no other method.
  const lora = methods.find(({ name }) => name === 'LoRA, rank 8');
  if (lora === undefined) throw new Error('there is no LoRA');
  expect(known(withText(withMethod(own, lora), 'dmlora.branchesEnd', '1'))).toBe('LoRA, rank 8');
  expect(known(withText(withMethod(own, lora), 'dmlora.rank', '2'))).toBeUndefined();
});

test('a LoRA by name adds its whole update', () => {
  for (const method of methods.filter(({ name }) => name.includes('LoRA, rank')))
    expect(readForm(withMethod(own, method)).recipe?.dmlora.scalarStart).toBe(1);
});

test.each(methods)('$name can be run, is known again and keeps the rest', (method) => {
  const form = withMethod(own, method);
  const { recipe } = readForm(form);
  expect(recipe).not.toBeNull();
  expect(known(form)).toBe(method.name);
  expect(recipe).toMatchObject({ learningRate: 0.007, dmlora: { targets: 'qv', firstBlock: 2 } });
  for (const path of paths)
    if (method.settings[path] === undefined) expect(form.texts.get(path)).toBe(own.texts.get(path));
});

test('full fine-tuning takes a rate of its own with it, unless the user has chosen one', () => {
  const rateOf = (form: RecipeForm): string | undefined => form.texts.get('learningRate');
  const named = (name: string) => {
    const method = methods.find((one) => one.name === name);
    if (method === undefined) throw new Error(`there is no ${name}`);
    return method;
  };
  const full = withMethod(formOf(recipeDefaults), named('Full fine-tuning'));
  expect(rateOf(full)).toBe('0.0001');
  expect(rateOf(withMethod(full, named('DMLoRA')))).toBe(String(recipeDefaults.learningRate));
  expect(rateOf(withMethod(own, named('Full fine-tuning')))).toBe('0.007');
});
