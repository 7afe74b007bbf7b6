// What the page does to see a step of the run to come: asks the worker, and gives that up when something else is
// asked or a run begins.
import { isCancelled } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import { deviceStore } from './device-store.ts';
import { recipeStore } from './recipe-store.ts';
import { stepViewStore } from './step-view-store.ts';

export interface StepViewActions {
  /** Shows a 0-based step of a run with the recipe, images and model of now. */
  viewStep(step: number): Promise<void>;
  /** Gives up what is being asked; what is shown stays. */
  stopViewing(): void;
}

export function createStepView(client: TrainerClient): StepViewActions {
  let asking: AbortController | null = null;
  return {
    async viewStep(step) {
      const { recipe } = recipeStore.getState();
      if (recipe === null) return;
      asking?.abort();
      const own = new AbortController();
      asking = own;
      stepViewStore.setState({ step, isAsking: true, fault: null });
      const reply = await client.call('viewStep', { recipe, step }, own.signal);
      if (asking !== own) return;
      asking = null;
      deviceStore.setState({ progress: null });
      stepViewStore.setState(
        reply.ok
          ? { view: reply.value, step: reply.value.step, isAsking: false }
          : { isAsking: false, fault: isCancelled(reply.fault) ? null : reply.fault },
      );
    },
    stopViewing: () => asking?.abort(),
  };
}
