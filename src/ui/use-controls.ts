// What can be pressed now, from all the stores that decide it.
import { controlsOf, whyNotStart, type Controls, type Readiness } from '../state/controls.ts';
import { useData } from '../state/data-store.ts';
import { useExport } from '../state/export-store.ts';
import { useModel } from '../state/model-store.ts';
import { useTabs } from '../state/other-tabs.ts';
import { useQueue } from '../state/queue-store.ts';
import { useRecipe } from '../state/recipe-store.ts';
import { useRun } from '../state/run-store.ts';

function useReadiness(): Readiness {
  const phase = useRun((state) => state.phase);
  const pending = useRun((state) => state.pending);
  const modelReady = useModel(({ status, model }) => status === 'ready' && model !== null);
  const dataReady = useData(({ status, data }) => status === 'ready' && data !== null && data.fault === null);
  const recipeValid = useRecipe((state) => state.recipe !== null);
  const exporting = useExport((state) => state.status === 'exporting');
  const otherTab = useTabs((state) => state.run !== null);
  const evaluated = useRun((state) => state.evaluations.length > 0);
  const queued = useQueue((state) => state.going);
  return { phase, pending, modelReady, dataReady, recipeValid, exporting, otherTab, evaluated, queued };
}

export function useControls(): Controls & { readonly whyNotStart: string | null } {
  const readiness = useReadiness();
  return { ...controlsOf(readiness), whyNotStart: whyNotStart(readiness) };
}
