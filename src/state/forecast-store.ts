// What the next run will take on this device, as the worker says, and the shorter recipe that was taken for
// it. Filled by forecast-actions.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { RecipeForm } from '../recipe/recipe-form.ts';
import type { RunForecast } from '../worker/protocol.ts';

export interface ForecastState {
  /** Null while there is nothing to foretell: no model, no images, a recipe that cannot be used. */
  readonly forecast: RunForecast | null;
  /** What a shorter recipe replaced; null where none was taken, or it was undone. */
  readonly replaced: {
    readonly form: RecipeForm;
    /** The form of the shorter recipe: once the user changes it, there is nothing to undo. */
    readonly by: RecipeForm;
    readonly imageSize: number;
    readonly changes: readonly RecipeChange[];
  } | null;
}

/** One thing that a shorter recipe has otherwise, in words. */
export interface RecipeChange {
  readonly label: string;
  readonly from: string;
  readonly to: string;
}

const initial: ForecastState = { forecast: null, replaced: null };

export const forecastStore = createStore<ForecastState>(() => initial);

export function useForecast<T>(selector: (state: ForecastState) => T): T {
  return useStore(forecastStore, selector);
}
