// The open images: classes, split, what was refused, thumbnails; and the data sets that ship with the app.
// Filled by trainer.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Recipe } from '../recipe/options.ts';
import { learnedOf } from '../recipe/recipe.ts';
import type {
  DataSummary,
  Fault,
  FileVerdict,
  ImageCheck,
  LabelCheck,
  TrainerEvent,
} from '../worker/protocol.ts';
import type { BundledData } from './bundled.ts';

export interface DataState {
  readonly bundled: readonly BundledData[];
  readonly status: 'none' | 'opening' | 'ready';
  readonly data: DataSummary | null;
  /** Id of the open bundled data set; null for images from disk. */
  readonly bundledId: string | null;
  /** They came with a saved run: those that it used, as it split them. */
  readonly ofRun: boolean;
  /** Title of the validation set that was added; null without one. */
  readonly validationTitle: string | null;
  /** Why the last images could not be opened. */
  readonly fault: Fault | null;
  /** Images opened last that cannot be trained on, while `data` stays what it was. */
  readonly refused: DataSummary | null;
  /** How many of the images are prepared for the open model; null where nothing is known. */
  readonly pixels: Extract<TrainerEvent, { kind: 'pixels' }> | null;
  /** Bytes of pixels that are kept on this machine. */
  readonly storedBytes: number;
  /** More of them are not kept while the runs that need them are not finished. */
  readonly isStoreFull: boolean;
  /** What is found among the open images by what they look like. */
  readonly check: 'none' | 'looking' | ImageCheck;
  /** Which of their labels the open model's features contradict. */
  readonly labelCheck: 'none' | 'looking' | LabelCheck;
  /** Object URLs of thumbnails by image id. */
  readonly thumbnails: ReadonlyMap<number, string>;
}

const initial: DataState = {
  bundled: [],
  status: 'none',
  data: null,
  bundledId: null,
  ofRun: false,
  validationTitle: null,
  fault: null,
  refused: null,
  pixels: null,
  storedBytes: 0,
  isStoreFull: false,
  check: 'none',
  labelCheck: 'none',
  thumbnails: new Map(),
};

export const dataStore = createStore<DataState>(() => initial);

export function useData<T>(selector: (state: DataState) => T): T {
  return useStore(dataStore, selector);
}

/** Adds files that turned out to be unusable when the run began. */
export function addRejected(files: readonly FileVerdict[]): void {
  dataStore.setState(({ data }) => {
    if (data === null) return {};
    const known = new Set(data.rejected.map(({ path }) => path));
    return {
      data: { ...data, rejected: [...data.rejected, ...files.filter(({ path }) => !known.has(path))] },
    };
  });
}

/** Images of a split over all classes. */
export function splitSize(data: DataSummary, split: 'train' | 'validation' | 'test'): number {
  return data.classes.reduce((sum, { counts }) => sum + counts[split], 0);
}

/** How many images a run with a recipe learns from. */
export function learnedSize(data: DataSummary, recipe: Pick<Recipe, 'split'>): number {
  const sizes = { train: [splitSize(data, 'train')], validation: [splitSize(data, 'validation')] };
  return learnedOf(recipe, sizes).reduce((a, b) => a + b, 0);
}
