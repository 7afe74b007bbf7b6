// The recipe being edited: the texts of the form, what they mean, and on which backend the run is to go.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Path, Recipe } from '../recipe/options.ts';
import { readRecipeFile } from '../recipe/read-recipe.ts';
import { formOf, readForm, type ReadForm, type RecipeForm } from '../recipe/recipe-form.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import type { BackendChoice, Fault } from '../worker/protocol.ts';

export interface RecipeState extends ReadForm {
  readonly form: RecipeForm;
  /** Blocks of the open model; null without one. */
  readonly depth: number | null;
  readonly backend: BackendChoice;
  /** Why a recipe file could not be taken. */
  readonly fault: Fault | null;
}

const defaultForm = formOf(recipeDefaults);

export const recipeStore = createStore<RecipeState>(() => ({
  form: defaultForm,
  ...readForm(defaultForm),
  depth: null,
  backend: 'auto',
  fault: null,
}));

export function showForm(form: RecipeForm): void {
  recipeStore.setState(({ depth }) => ({ form, ...readForm(form, depth), fault: null }));
}

/** Fills the form from a recipe, and gives it. */
export function showRecipe(recipe: Recipe): RecipeForm {
  const form = formOf(recipe);
  showForm(form);
  return form;
}

export function setField(path: Path, text: string): void {
  const { form } = recipeStore.getState();
  showForm({ ...form, texts: new Map(form.texts).set(path, text) });
}

export function setLengthIn(lengthIn: RecipeForm['lengthIn']): void {
  showForm({ ...recipeStore.getState().form, lengthIn });
}

export function resetRecipe(): void {
  showForm(defaultForm);
  recipeStore.setState({ backend: 'auto' });
}

/** Checks the recipe against the model that was opened. */
export function setDepth(depth: number): void {
  recipeStore.setState(({ form }) => ({ depth, ...readForm(form, depth) }));
}

export function setBackend(backend: BackendChoice): void {
  recipeStore.setState({ backend });
}

/** Takes a recipe file; a fault is kept for the card. */
export async function loadRecipe(file: Blob): Promise<void> {
  const recipe = await readRecipeFile(file);
  if (recipe.ok) showRecipe(recipe.value);
  else recipeStore.setState({ fault: recipe.fault });
}

export function useRecipe<T>(selector: (state: RecipeState) => T): T {
  return useStore(recipeStore, selector);
}
