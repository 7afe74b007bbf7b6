// Which parts of a run have anything to draw: asked by their cards and by the tabs that lead to them.
import { adaptedLinears } from '../../dmlora/adapter.ts';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { hasBranches } from '../../recipe/what-learns.ts';
import { useModel } from '../../state/model-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun, type RunState } from '../../state/run-store.ts';

/** The recipe of the run; without a run that of the form. */
export function useShownRecipe(): Recipe {
  const planned = useRecipe((state) => state.recipe ?? recipeDefaults);
  return useRun(({ summary }) => summary?.recipe ?? planned);
}

/** Branches that grow, or would, or the word that there are none: nothing only before a model is open. */
export function useDrawsBranches(): boolean {
  const hasRun = useRun(({ summary }) => summary !== null);
  const config = useModel((state) => state.model?.config ?? null);
  const recipe = useShownRecipe();
  if (hasRun || config === null) return hasRun;
  return !hasBranches(recipe) || adaptedLinears(config, recipe.dmlora).length > 0;
}

/** Scalars that learn, from the first step on or in a second stage that the run has. */
export function drawsScalars({ summary, modules }: Pick<RunState, 'summary' | 'modules'>): boolean {
  if (summary === null || modules.length === 0) return false;
  const { scalars } = summary.recipe.dmlora;
  return scalars === 'joint' || (scalars !== 'off' && summary.stage2Step < summary.steps);
}

/** Drops that were planned; none by chance from step to step. */
export function drawsDrops({ summary }: Pick<RunState, 'summary'>): boolean {
  return summary !== null && summary.dropSteps.length > 0;
}
