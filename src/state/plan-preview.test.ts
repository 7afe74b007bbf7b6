// The preview foretells what the run will do: the same modules, drops, stages and numbers of parameters.
import { expect, it } from 'vitest';
import { initialAdapter } from '../dmlora/adapter.ts';
import { dropPlan } from '../dmlora/drop-plan.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { originalVit } from '../vit/vit-config.ts';
import { branchParameters, previewLength, previewModules, tunedParameters } from './plan-preview.ts';

const config = {
  ...{ imageSize: 16, patchSize: 8, dim: 12, depth: 3, heads: 2, mlpDim: 20, layerNormEps: 1e-6 },
  ...originalVit,
};

it.each([
  {},
  { targets: 'qv', firstBlock: 1, branches: 5, branchesEnd: 1 },
  { dropMode: 'none', scalars: 'off' },
] as const)('%o', (dmlora) => {
  const recipe = { ...recipeDefaults, dmlora: { ...recipeDefaults.dmlora, ...dmlora } };
  const adapter = initialAdapter(config, 4, recipe.dmlora, recipe.seed);
  const names = adapter.modules.map(({ name }) => name);
  expect(previewModules(config, recipe).map(({ module }) => module)).toEqual(names);
  const sizes = adapter.modules.flatMap(({ branches }) =>
    branches.map(({ A, B }) => A.data.length + B.data.length),
  );
  expect(branchParameters(config, recipe)).toBe(sizes.reduce((a, b) => a + b, 0));

  const length = previewLength({ ...recipe, epochs: 10 }, 100);
  const planned = dropPlan(names, recipe.dmlora, length?.steps ?? 0, recipe.seed);
  expect(length?.dropSteps).toEqual(planned.map(({ step }) => step));
  expect(length?.stage2Step).toBe(recipe.dmlora.scalars === 'off' ? null : 25);
  expect(previewLength(recipe, 0)).toBeNull();
});

it('counts what is tuned of the backbone', () => {
  const tuned = (tune: 'none' | 'norms' | 'biases' | 'all'): number =>
    tunedParameters(config, { ...recipeDefaults, backbone: { tune } });
  const { dim, mlpDim, depth } = config;
  expect(tuned('none')).toBe(0);
  expect(tuned('norms')).toBe((2 * depth + 1) * 2 * dim);
  // Of the patch embedding; of each block's norms, projections and MLP; of the last norm.
  expect(tuned('biases')).toBe(dim + depth * (2 * dim + 4 * dim + mlpDim + dim) + dim);
  const matrices = depth * (4 * dim * dim + 2 * dim * mlpDim) + 3 * 8 * 8 * dim;
  // Weights of norms, the class token and 5 positions are the rest.
  expect(tuned('all')).toBe(tuned('biases') + tuned('norms') / 2 + matrices + 6 * dim);
});
