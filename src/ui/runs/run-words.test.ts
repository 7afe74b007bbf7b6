// The recipe of a saved run in a line: each baseline is told from the others.
import { expect, test } from 'vitest';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { recipeText } from './run-words.ts';

const line = (dmlora: Partial<Recipe['dmlora']>, tune: Recipe['backbone']['tune'] = 'none'): string => {
  const recipe = {
    ...{ ...recipeDefaults, batch: 16, learningRate: 0.003, backbone: { tune } },
    dmlora: { ...recipeDefaults.dmlora, ...dmlora },
  };
  return recipeText({ steps: 250, recipe });
};

test('it says what learns, and at which rate', () => {
  const bare = { branches: 0, dropMode: 'none' } as const;
  expect(line({})).toBe('250 steps of 16 images, 4 → 2 branches of rank 4, rate 0.003');
  expect(line(bare)).toBe('250 steps of 16 images, the head alone, rate 0.003');
  expect(line(bare, 'norms')).toBe('250 steps of 16 images, tuned LayerNorms, rate 0.003');
  expect(line(bare, 'biases')).toContain(', tuned biases, ');
  expect(line(bare, 'all')).toContain(', tuned backbone, ');
  expect(line({ branches: 1, dropMode: 'none' }, 'biases')).toContain(
    ', 1 branch of rank 4 and tuned biases, ',
  );
});
