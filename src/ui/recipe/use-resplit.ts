// Splits the open images again when seed, share or limits of the recipe change, a moment after the last key.
import { useEffect, useRef } from 'react';
import { useRecipe } from '../../state/recipe-store.ts';
import { useTrainer } from '../trainer-context.ts';

const quietMs = 400;

export function useResplit(): void {
  const trainer = useTrainer();
  const key = useRecipe(({ recipe }) =>
    recipe === null ? null : JSON.stringify([recipe.seed, recipe.split]),
  );
  const splitBy = useRef<string | null>(null);
  useEffect(() => {
    if (key === null) return;
    // Images that are opened later are split by the recipe of that moment anyway.
    splitBy.current ??= key;
    if (key === splitBy.current) return;
    const timer = setTimeout(() => {
      splitBy.current = key;
      void trainer.resplit();
    }, quietMs);
    return () => clearTimeout(timer);
  }, [key, trainer]);
}
