// What the page does with models: opens one of those that ship, of the user's files or of the Hub's, again
// for another image size or with an adapter. A command that fails leaves the model that was open.
import { isCancelled } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { AdapterBeside, ModelOrigin, Source } from '../worker/protocol.ts';
import { modelSource, type BundledModel } from './bundled.ts';
import { dataStore } from './data-store.ts';
import { hubStore } from './hub-store.ts';
import { modelStore } from './model-store.ts';
import { setDepth } from './recipe-store.ts';

export interface ModelActions {
  openBundledModel(model: BundledModel): Promise<void>;
  openModel(source: Source, title: string): Promise<void>;
  /** Answers the question which of several models is meant, by the path of its weights; null opens none. */
  chooseWeights(path: string | null): Promise<void>;
  /** Takes away why a model could not be opened; the one that is open stays. */
  closeModelFault(): void;
  /**
   * Opens the open model again with the adapter that was given: merged into its weights, or to start branches
   * from.
   */
  takeAdapter(as: AdapterBeside['as']): Promise<void>;
  /** Opens the open model again for images of another size, in pixels. */
  resizeModel(imageSize: number): Promise<void>;
}

export interface OpenedModel {
  readonly source: Source;
  readonly title: string;
  readonly origin?: ModelOrigin;
  readonly imageSize?: number;
  readonly weights?: string;
  readonly adapter?: AdapterBeside;
  /** Title of the model without the adapter; the worker does not need it. */
  readonly base?: string;
}

/** The actions, and what other parts of the page need of them. */
export interface Models {
  readonly actions: ModelActions;
  readonly send: (opened: OpenedModel, bundledId: string | null) => Promise<void>;
  /** Opens the last model again, for a new worker. */
  reopen(): Promise<void>;
  /** Another model is open, which was not opened here. */
  forget(): void;
}

/**
 * @param inTurn runs commands that open something one after another.
 * @param locate gives the absolute address of a file below the page.
 */
export function createModels(
  client: TrainerClient,
  inTurn: (work: () => Promise<void>) => Promise<void>,
  locate: (path: string) => string,
): Models {
  /** What was opened last, to be opened again when the worker had to be replaced. */
  let openedModel: OpenedModel | null = null;

  function sendModel(opened: OpenedModel, bundledId: string | null): Promise<void> {
    return inTurn(async () => {
      modelStore.setState({ status: 'opening', fault: null, question: null, adapter: null });
      const reply = await client.call('openModel', opened);
      if (!reply.ok) {
        const { model } = modelStore.getState();
        if (reply.fault.kind === 'which-model') {
          const { source, title } = opened;
          const question = { source, title, fault: reply.fault };
          modelStore.setState({ status: model === null ? 'none' : 'ready', question });
          return;
        }
        if (reply.fault.kind === 'adapter-alone' && opened.source.kind === 'files') {
          const { files } = opened.source;
          const answer = model === null ? null : await client.call('adapterOffer', { files });
          const offer = answer?.ok === true ? answer.value : null;
          const base = openedModel?.base ?? model?.title ?? '';
          modelStore.setState({ adapter: { files, title: opened.title, base, offer } });
        }
        const fault = isCancelled(reply.fault) ? null : reply.fault;
        // A fault is told where the model was asked for.
        const ofHub = opened.source.kind === 'hub' && opened.adapter === undefined;
        modelStore.setState({ status: model === null ? 'none' : 'ready', fault: ofHub ? null : fault });
        if (ofHub) hubStore.setState({ fault });
        return;
      }
      openedModel = opened;
      modelStore.setState({ status: 'ready', model: reply.value, bundledId, fault: null });
      dataStore.setState({ pixels: null, labelCheck: 'none' });
      setDepth(reply.value.config.depth);
    });
  }

  const actions: ModelActions = {
    openBundledModel: (model) =>
      sendModel(
        {
          source: modelSource(model, locate),
          title: model.title,
          origin: { hubId: null, revision: null, licence: model.licence },
        },
        model.id,
      ),
    openModel: (source, title) => sendModel({ source, title }, null),
    async chooseWeights(path) {
      const { question } = modelStore.getState();
      if (question === null) return;
      const { source, title } = question;
      if (path === null) modelStore.setState({ question: null });
      else await sendModel({ source, title, weights: path }, null);
    },
    closeModelFault: () => modelStore.setState({ fault: null, adapter: null }),
    async takeAdapter(as) {
      const { adapter } = modelStore.getState();
      if (adapter === null || openedModel === null) return;
      const { base, files } = adapter;
      // An adapter before it gives way: both are relative to the same weights.
      const title = `${base} ${as === 'merged' ? 'with' : 'started from'} ${adapter.title}`;
      await sendModel({ ...openedModel, title, base, adapter: { files, as } }, null);
    },
    async resizeModel(imageSize) {
      if (openedModel === null) return;
      await sendModel({ ...openedModel, imageSize }, modelStore.getState().bundledId);
    },
  };
  return {
    actions,
    send: sendModel,
    forget() {
      openedModel = null;
    },
    async reopen() {
      if (openedModel !== null) await sendModel(openedModel, modelStore.getState().bundledId);
    },
  };
}
