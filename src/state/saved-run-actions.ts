// What the page does with saved runs: lists them, goes on with one, names, deletes and brings back, and takes
// them out and in as files.
import type { TrainerClient } from '../worker/client.ts';
import type { AfterOpening, RunFigures, RunList } from '../worker/protocol.ts';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { isToldHere } from '../shared/fault.ts';
import type { Result } from '../shared/result.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import type { Images } from './image-actions.ts';
import type { Models } from './model-actions.ts';
import { modelStore } from './model-store.ts';
import { setDepth, showRecipe } from './recipe-store.ts';
import type { Runs } from './run-actions.ts';
import { runStore } from './run-store.ts';
import { savedRunsStore } from './saved-runs-store.ts';

export interface SavedRunActions {
  /**
   * Goes on with a saved run, or lets it wait where it was saved, or ends it there, so that it can be
   * exported. Model, images and recipe of the page become those of the run, but for the fold of a check by folds.
   *
   * @param beside images and recipe of the page stay: the next run is made of these.
   */
  openRun(id: string, then?: AfterOpening, beside?: boolean): Promise<void>;
  renameRun(id: string, name: string): Promise<void>;
  /** Deletes a run, or brings it back. */
  deleteRun(id: string, undo?: boolean): Promise<void>;
  /** The run as a file; null where it cannot be read, which the list then says. */
  runFile(id: string): Promise<Blob | null>;
  /** What of a run is compared with others. */
  runFigures(id: string): Promise<Result<RunFigures>>;
  /** Takes such a file as a run of this machine. */
  takeRunFile(file: Blob, name: string): Promise<void>;
  /** Removes all that is kept on this machine; whether that was done. */
  clearStorage(): Promise<boolean>;
  /** Has the run under way saved: the page may be gone at any time. */
  saveRun(): Promise<void>;
  /** Asks which runs are kept, and how much everything takes. */
  loadRuns(): Promise<void>;
}

const withoutFolds = (recipe: Recipe): Recipe => {
  const { folds, fold } = recipeDefaults.split;
  return { ...recipe, split: { ...recipe.split, folds, fold } };
};

export function createSavedRuns(
  client: TrainerClient,
  inTurn: (work: () => Promise<void>) => Promise<void>,
  { models, images, runs }: { readonly models: Models; readonly images: Images; readonly runs: Runs },
): SavedRunActions {
  function take(reply: Result<RunList>): void {
    savedRunsStore.setState(
      reply.ok ? { ...reply.value, listedAt: Date.now(), fault: null } : { fault: reply.fault },
    );
  }

  return {
    openRun: (id, then = 'train', beside = false) =>
      inTurn(async () => {
        savedRunsStore.setState({ opening: id, fault: null });
        runStore.setState({ pending: 'start', fault: null });
        runs.expect(true);
        const reply = await client.call('openRun', { id, then, ...(beside ? { beside } : {}) });
        runs.expect(false);
        deviceStore.setState({ progress: null });
        savedRunsStore.setState({ opening: null });
        if (!reply.ok) {
          runStore.setState({ pending: null });
          savedRunsStore.setState({ fault: reply.fault });
          return;
        }
        const { summary, model, data, notes, ofFolds } = reply.value;
        models.forget();
        modelStore.setState({
          status: 'ready',
          model,
          bundledId: null,
          fault: null,
          question: null,
          adapter: null,
        });
        if (!beside) {
          images.forget();
          dataStore.setState({
            check: 'none',
            labelCheck: 'none',
            status: 'ready',
            data,
            bundledId: null,
            ofRun: true,
            validationTitle: null,
            fault: null,
            refused: null,
            pixels: null,
          });
          // The fold was the check's: the next run by the form has one split, as before.
          showRecipe(ofFolds ? withoutFolds(summary.recipe) : summary.recipe);
        }
        setDepth(model.config.depth);
        savedRunsStore.setState({ opened: { id, notes } });
        runStore.setState(({ modules }) => ({
          pending: null,
          images: data.title,
          summary,
          modules: modules.length > 0 ? modules : summary.modules,
        }));
      }),
    async renameRun(id, name) {
      take(await client.call('renameRun', { id, name }));
    },
    async deleteRun(id, undo = false) {
      take(await client.call('deleteRun', { id, undo }));
    },
    async runFile(id) {
      const reply = await client.call('runFile', { id });
      savedRunsStore.setState({ fault: reply.ok ? null : reply.fault });
      return reply.ok ? reply.value : null;
    },
    runFigures: (id) => client.call('runFigures', { id }),
    async takeRunFile(file, name) {
      const reply = await client.call('takeRun', { file, name });
      take(reply.ok ? { ok: true, value: reply.value.list } : reply);
    },
    async clearStorage() {
      const reply = await client.call('clearStorage', null);
      savedRunsStore.setState({ fault: reply.ok ? null : reply.fault });
      return reply.ok;
    },
    async saveRun() {
      await client.call('saveRun', null);
    },
    async loadRuns() {
      const reply = await client.call('savedRuns', null);
      if (reply.ok) savedRunsStore.setState({ ...reply.value, listedAt: Date.now(), listFault: null });
      else if (isToldHere(reply.fault)) savedRunsStore.setState({ listFault: reply.fault });
    },
  };
}
