// How many steps the run has, or would have with the recipe and images of now.
import { useMemo } from 'react';
import { splitSize, useData } from '../state/data-store.ts';
import { previewLength, type LengthPreview } from '../state/plan-preview.ts';
import { useRecipe } from '../state/recipe-store.ts';

export function useLength(): LengthPreview | null {
  const recipe = useRecipe((state) => state.recipe);
  const data = useData((state) => state.data);
  return useMemo(
    () => (recipe === null || data === null ? null : previewLength(recipe, splitSize(data, 'train'))),
    [recipe, data],
  );
}
