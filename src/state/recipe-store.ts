// The recipe being edited: the texts of the form, what they mean, and on which backend the run is to go. Starts empty
// until the worker has told the defaults.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import { ok, type Result } from '../shared/result.ts';
import type { BackendChoice, Fault, Recipe } from '../worker/protocol.ts';
import type { FieldName } from './recipe-fields.ts';
import { formOf, formOfJson, readForm, type FormErrors, type RecipeForm } from './recipe-form.ts';

export interface RecipeState {
  readonly defaults: Recipe | null;
  readonly form: RecipeForm | null;
  /** Null while a field cannot be used. */
  readonly recipe: Recipe | null;
  readonly errors: FormErrors;
  readonly backend: BackendChoice;
  /** Why a recipe file could not be taken. */
  readonly fault: Fault | null;
}

const initial: RecipeState = {
  defaults: null,
  form: null,
  recipe: null,
  errors: new Map(),
  backend: 'auto',
  fault: null,
};

export const recipeStore = createStore<RecipeState>(() => initial);

function show(form: RecipeForm): void {
  recipeStore.setState({ form, ...readForm(form), fault: null });
}

export function setDefaults(defaults: Recipe): void {
  const edited = recipeStore.getState().form;
  recipeStore.setState({ defaults });
  if (edited === null) show(formOf(defaults));
}

export function setField(name: FieldName, text: string): void {
  const { form } = recipeStore.getState();
  if (form !== null) show({ ...form, [name]: text });
}

export function resetRecipe(): void {
  const { defaults } = recipeStore.getState();
  if (defaults !== null) show(formOf(defaults));
  recipeStore.setState({ backend: 'auto' });
}

export function setBackend(backend: BackendChoice): void {
  recipeStore.setState({ backend });
}

/** Takes a recipe file; a fault is kept for the card. */
export async function loadRecipe(file: Blob): Promise<void> {
  const { defaults } = recipeStore.getState();
  if (defaults === null) return;
  const json = await readJson(file);
  const form = json.ok ? formOfJson(json.value, defaults) : json;
  if (form.ok) show(form.value);
  else recipeStore.setState({ fault: form.fault });
}

async function readJson(file: Blob): Promise<Result<unknown>> {
  try {
    const json: unknown = JSON.parse(await file.text());
    return ok(json);
  } catch {
    return {
      ok: false,
      fault: { kind: 'bad-recipe', field: 'recipe', detail: 'The file is not JSON.' },
    };
  }
}

export function useRecipe<T>(selector: (state: RecipeState) => T): T {
  return useStore(recipeStore, selector);
}
