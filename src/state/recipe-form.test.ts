// The recipe form against the worker's own check: what the form accepts, the worker must accept, and the other way.
import { describe, expect, it } from 'vitest';
import { parseRecipe, recipeDefaults } from '../train/recipe.ts';
import { fieldNames, fieldOf, type FieldName } from './recipe-fields.ts';
import { formOf, formOfJson, readForm } from './recipe-form.ts';

const form = formOf(recipeDefaults);
const errorsOf = (changes: Partial<Record<FieldName, string>>): string[] => [
  ...readForm({ ...form, ...changes }).errors.keys(),
];

describe('recipe form', () => {
  it('gives the defaults back exactly', () => {
    expect(readForm(form)).toEqual({ recipe: recipeDefaults, errors: new Map() });
  });

  it('has a field for every value of the recipe', () => {
    const paths = (value: unknown, path: string): string[] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
            paths(inner, path === '' ? key : `${path}.${key}`),
          )
        : [path];
    const known = fieldNames.map((name) => fieldOf(name).path).filter((path) => path !== null);
    expect([...known].sort()).toEqual(paths(recipeDefaults, '').sort());
  });

  it('reads shares as percent without the noise of fractions, and a decimal comma', () => {
    const { recipe } = readForm({ ...form, validationFraction: '7', learningRate: '0,003' });
    expect(recipe?.split.validationFraction).toBe(0.07);
    expect(recipe?.learningRate).toBe(0.003);
  });

  it('counts in steps or epochs', () => {
    expect(readForm({ ...form, length: 'steps', steps: '120' }).recipe?.steps).toBe(120);
    expect(readForm({ ...form, length: 'epochs', steps: 'nonsense' }).recipe?.steps).toBeNull();
    expect(errorsOf({ length: 'steps', steps: '0' })).toEqual(['steps']);
  });

  it('takes an empty limit as all', () => {
    expect(readForm({ ...form, trainPerClass: '' }).recipe?.split.trainPerClass).toBeNull();
    expect(readForm({ ...form, trainPerClass: '20' }).recipe?.split.trainPerClass).toBe(20);
  });

  it.each([
    [{ batch: '' }, 'batch'],
    [{ batch: '2.5' }, 'batch'],
    [{ batch: '5000' }, 'batch'],
    [{ learningRate: '0' }, 'learningRate'],
    [{ learningRate: 'fast' }, 'learningRate'],
    [{ seed: '-1' }, 'seed'],
    [{ seed: '4294967296' }, 'seed'],
    [{ validationFraction: '100' }, 'validationFraction'],
    [{ branches: '2', branchesEnd: '3' }, 'branchesEnd'],
    [{ dropBegin: '50' }, 'dropEnd'],
    [{ dropEnd: '90' }, 'stage2'],
  ] as const)('names the field of %o', (changes, field) => {
    expect(errorsOf(changes)).toEqual([field]);
    expect(readForm({ ...form, ...changes }).recipe).toBeNull();
  });

  it('accepts only what the worker accepts', () => {
    for (const changes of [
      { dropMode: 'none' },
      { scalars: 'off', dropEnd: '95' },
      { targets: 'all', rank: '16' },
    ]) {
      const { recipe } = readForm({ ...form, ...changes });
      expect(recipe).not.toBeNull();
      expect(parseRecipe(recipe)).toEqual({ ok: true, value: recipe });
    }
  });

  it('takes a recipe file and its own JSON', () => {
    const other = { ...recipeDefaults, steps: 30, seed: 9 };
    const read = formOfJson(JSON.parse(JSON.stringify(other)), recipeDefaults);
    expect(read.ok && readForm(read.value).recipe).toEqual(other);
    const partial = formOfJson({ dmlora: { dropWindow: [0.2, 0.3] } }, recipeDefaults);
    expect(partial.ok && readForm(partial.value).recipe?.dmlora.dropWindow).toEqual([0.2, 0.3]);
  });

  it.each([
    [[], 'recipe'],
    [null, 'recipe'],
    [{ speed: 1 }, 'speed'],
    [{ batch: 'many' }, 'batch'],
    [{ dmlora: { rank: 3 } }, 'dmlora.rank'],
    [{ learningRate: null }, 'learningRate'],
    [JSON.parse('{"__proto__": {"batch": 1}}') as unknown, '__proto__.batch'],
  ])('refuses %o by name', (json, field) => {
    const read = formOfJson(json, recipeDefaults);
    expect(read.ok ? null : read.fault).toMatchObject({ kind: 'bad-recipe', field });
  });
});
