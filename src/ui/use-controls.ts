// What can be pressed now, from all the stores that decide it. A run tells of itself at every step, which changes
// none of it: what asks for the controls is rendered anew only where one of them is another.
import { useSyncExternalStore } from 'react';
import { shallow } from 'zustand/shallow';
import { controlsOf, whyNotStart, type Controls } from '../state/controls.ts';
import { dataStore } from '../state/data-store.ts';
import { exportStore } from '../state/export-store.ts';
import { modelStore } from '../state/model-store.ts';
import { tabsStore } from '../state/other-tabs.ts';
import { queueStore } from '../state/queue-store.ts';
import { recipeStore } from '../state/recipe-store.ts';
import { runStore } from '../state/run-store.ts';

type Now = Controls & { readonly whyNotStart: string | null };

const stores = [runStore, modelStore, dataStore, recipeStore, exportStore, tabsStore, queueStore];

function subscribe(changed: () => void): () => void {
  const ends = stores.map((store) => store.subscribe(changed));
  return () => {
    for (const end of ends) end();
  };
}

function controlsNow(): Now {
  const { phase, pending, evaluations } = runStore.getState();
  const { status: model, model: opened } = modelStore.getState();
  const { status: images, data } = dataStore.getState();
  const readiness = {
    phase,
    pending,
    modelReady: model === 'ready' && opened !== null,
    dataReady: images === 'ready' && data !== null && data.fault === null,
    recipeValid: recipeStore.getState().recipe !== null,
    exporting: exportStore.getState().status === 'exporting',
    otherTab: tabsStore.getState().run !== null,
    evaluated: evaluations.length > 0,
    queued: queueStore.getState().going,
  };
  return { ...controlsOf(readiness), whyNotStart: whyNotStart(readiness) };
}

let known: Now | null = null;

/** The same object for as long as nothing in it changes. */
function latest(): Now {
  const now = controlsNow();
  known = known !== null && shallow(known, now) ? known : now;
  return known;
}

export function useControls(): Now {
  return useSyncExternalStore(subscribe, latest);
}
