// How many steps the run has, or would have with the recipe and images of now, and whether they may be fewer.
import { useMemo } from 'react';
import { learnedSize, useData } from '../state/data-store.ts';
import { previewLength, type LengthPreview } from '../state/plan-preview.ts';
import { useRecipe } from '../state/recipe-store.ts';
import { useRun } from '../state/run-store.ts';

export function useLength(): LengthPreview | null {
  const recipe = useRecipe((state) => state.recipe);
  const data = useData((state) => state.data);
  return useMemo(
    () => (recipe === null || data === null ? null : previewLength(recipe, learnedSize(data, recipe))),
    [recipe, data],
  );
}

/** Whether the run may end before its last step by itself. */
export function useMayEndEarly(): boolean {
  const now = useRecipe((state) => state.recipe?.patience ?? null);
  const patience = useRun(({ summary }) => (summary === null ? now : summary.recipe.patience));
  const ended = useRun(({ phase }) => phase.kind === 'finished');
  return patience !== null && !ended;
}
