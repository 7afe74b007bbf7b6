// What learns, in words that tell every baseline from every other, and which runs are a LoRA.
import { expect, test } from 'vitest';
import { recipeDefaults } from './recipe.ts';
import {
  learnsHeadAlone,
  learnsInstead,
  recipeWithoutLora,
  whatLearns,
  type Learning,
} from './what-learns.ts';

const learning = (
  branches: Learning['dmlora']['branches'],
  tune: Learning['backbone']['tune'],
  scalars: Learning['dmlora']['scalars'] = 'off',
): Learning => ({ dmlora: { branches, scalars }, backbone: { tune } });

test.each([
  [learning(0, 'none'), 'the head alone'],
  [learning(0, 'norms'), 'LayerNorms and head'],
  [learning(0, 'biases'), 'biases and head'],
  [learning(0, 'all'), 'backbone and head'],
  [learning(4, 'none', 'train-then-scale'), 'branches and head'],
  [learning(4, 'biases', 'joint'), 'branches, scalars, biases and head'],
  // Scalars scale branches: without these there are none.
  [learning(0, 'none', 'joint'), 'the head alone'],
])('%j: %s', (recipe, words) => {
  expect(whatLearns(recipe)).toBe(words);
  expect(learnsHeadAlone(recipe)).toBe(words === 'the head alone');
  expect(learnsInstead(recipe)).toBe(recipe.dmlora.branches === 0 ? words : null);
});

test('a LoRA has branches, and a backbone that is frozen but for LayerNorms or biases', () => {
  expect(recipeWithoutLora(recipeDefaults)).toBeNull();
  expect(recipeWithoutLora(undefined)).toBeNull();
  expect(recipeWithoutLora(learning(0, 'all'))).toMatch(/^There are no branches/);
  expect(recipeWithoutLora(learning(1, 'all'))).toMatch(/^The run tuned all of the backbone too/);
  for (const tune of ['norms', 'biases'] as const) expect(recipeWithoutLora(learning(1, tune))).toBeNull();
});
