// What the page does about the time a run takes: asks the worker, takes the shorter recipe that it offers,
// and takes that back.
import { optionOf, type Recipe } from '../recipe/options.ts';
import { formOf, wordsOf } from '../recipe/recipe-form.ts';
import { withLength } from '../recipe/recipe.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { RunForecast } from '../worker/protocol.ts';
import { dataStore, learnedSize } from './data-store.ts';
import { forecastStore, type RecipeChange } from './forecast-store.ts';
import { modelStore } from './model-store.ts';
import { recipeStore, showForm, showRecipe } from './recipe-store.ts';

export interface ForecastActions {
  /** Asks what a run with the recipe of now takes. */
  foretell(): Promise<void>;
  /** Takes the shorter recipe that is offered. */
  takeShorter(): Promise<void>;
  /** Takes it back. */
  undoShorter(): Promise<void>;
}

/** What a shorter recipe may have otherwise. */
const lengths = ['steps', 'epochs', 'split.validationPerClass', 'split.trainPerClass'] as const;

type Shorter = NonNullable<Extract<RunForecast, { kind: 'known' }>['shorter']>;

/**
 * What a shorter run has otherwise, in words.
 *
 * @param images that are learned from now.
 */
export function changesOf(
  recipe: Recipe,
  imageSize: number,
  images: number,
  shorter: Shorter,
): readonly RecipeChange[] {
  const [from, to] = [formOf(withLength(recipe, images)), formOf(withLength(shorter.recipe, images))];
  const changed = lengths
    .filter((path) => (path === 'steps' ? recipe.steps !== null : path !== 'epochs' || recipe.steps === null))
    .map((path) => ({
      label: optionOf(path).label,
      from: wordsOf(from, path),
      to: wordsOf(to, path),
    }))
    .filter((change) => change.from !== change.to);
  const size = (side: number): string => `${side} × ${side} pixels`;
  return shorter.imageSize === null
    ? changed
    : [...changed, { label: 'Images', from: size(imageSize), to: size(shorter.imageSize) }];
}

/** @param resize opens the model that is open at another image size. */
export function createForecasts(
  client: TrainerClient,
  resize: (imageSize: number) => Promise<void>,
): ForecastActions {
  /** Counts questions: only the answer to the last one is shown. */
  let turn = 0;
  return {
    async foretell() {
      const asked = ++turn;
      const { recipe, backend } = recipeStore.getState();
      const isReady = modelStore.getState().status === 'ready' && dataStore.getState().data?.fault === null;
      const reply = recipe === null || !isReady ? null : await client.call('estimate', { recipe, backend });
      if (asked === turn) forecastStore.setState({ forecast: reply?.ok === true ? reply.value : null });
    },
    async takeShorter() {
      const { forecast } = forecastStore.getState();
      const { recipe, form } = recipeStore.getState();
      const imageSize = modelStore.getState().model?.config.imageSize;
      const shorter = forecast?.kind === 'known' ? forecast.shorter : null;
      const { data } = dataStore.getState();
      if (shorter === null || recipe === null || imageSize === undefined || data === null) return;
      const changes = changesOf(recipe, imageSize, learnedSize(data, recipe), shorter);
      const by = showRecipe(shorter.recipe);
      forecastStore.setState({ replaced: { form, by, imageSize, changes } });
      if (shorter.imageSize !== null) await resize(shorter.imageSize);
    },
    async undoShorter() {
      const { replaced } = forecastStore.getState();
      if (replaced === null) return;
      forecastStore.setState({ replaced: null });
      showForm(replaced.form);
      if (modelStore.getState().model?.config.imageSize !== replaced.imageSize)
        await resize(replaced.imageSize);
    },
  };
}
