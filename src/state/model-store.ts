// The open model: which one, what is known of it, or why it could not be opened; and the models that ship
// with the app. Filled by trainer.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { AdapterOffer, Fault, ModelSummary, Source, SourceFile } from '../worker/protocol.ts';
import type { BundledModel } from './bundled.ts';

export interface ModelState {
  readonly bundled: readonly BundledModel[];
  readonly status: 'none' | 'opening' | 'ready';
  /** The model that a run would train; stays when another could not be opened. */
  readonly model: ModelSummary | null;
  /** Id of the open bundled model; null for a model from disk. */
  readonly bundledId: string | null;
  readonly fault: Fault | null;
  /** Files that hold several models, until one is chosen. */
  readonly question: ModelQuestion | null;
  /**
   * An adapter that was opened as a model: it can be merged into the one that is open, or be started from.
   */
  readonly adapter: {
    readonly files: readonly SourceFile[];
    readonly title: string;
    /** Title of the model that it would be taken beside: the open one, without an adapter before it. */
    readonly base: string;
    /** Null until it is known, and without an open model. */
    readonly offer: AdapterOffer | null;
  } | null;
}

export interface ModelQuestion {
  readonly source: Source;
  readonly title: string;
  readonly fault: Extract<Fault, { kind: 'which-model' }>;
}

const initial: ModelState = {
  bundled: [],
  status: 'none',
  model: null,
  bundledId: null,
  fault: null,
  question: null,
  adapter: null,
};

export const modelStore = createStore<ModelState>(() => initial);

export function useModel<T>(selector: (state: ModelState) => T): T {
  return useStore(modelStore, selector);
}
