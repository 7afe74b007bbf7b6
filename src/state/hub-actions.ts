// What the page does with the Hugging Face Hub: opens its models, keeps and forgets them, sends a result
// there.
import { isCancelled, isToldHere } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { Commands, ExportFormat } from '../worker/protocol.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { exportStore } from './export-store.ts';
import { hubStore } from './hub-store.ts';
import type { ImageActions } from './image-actions.ts';
import type { Models } from './model-actions.ts';

export interface HubActions {
  /** Opens a model of the Hub: an id or an address, with the address and token of the hub store. */
  openHubModel(model: string): Promise<void>;
  /** Stops the download or upload that is under way. */
  cancelTransfer(): Promise<void>;
  /** Asks what a data set of the Hub is made of: an id or an address. */
  askDataSet(dataSet: string): Promise<void>;
  /** Downloads what was offered, unless it is here, and opens it. */
  openDataSet(): Promise<void>;
  /** Forgets what is kept of a repository. */
  deleteCached(repository: Commands['deleteCached']['input']): Promise<void>;
  /** Sends the files of one exported format, and nothing else, to a repository of the user's. */
  pushToHub(format: ExportFormat, repository: string, isPrivate: boolean): Promise<void>;
}

/** The actions, and what other parts of the page need of them. */
export interface HubPart {
  readonly actions: HubActions;
  /** Asks for what is worth a try and for what is kept on this machine. */
  load(): Promise<void>;
}

/** @param persist asks the browser to keep what will be stored. */
export function createHub(
  client: TrainerClient,
  sendModel: Models['send'],
  openImages: ImageActions['openData'],
  persist: () => Promise<boolean> | undefined,
): HubPart {
  async function loadCached(): Promise<void> {
    const reply = await client.call('cachedModels', null);
    if (reply.ok) hubStore.setState({ cached: reply.value });
    else if (isToldHere(reply.fault)) hubStore.setState({ fault: reply.fault });
  }

  async function loadHub(): Promise<void> {
    const suggested = await client.call('suggestedModels', null);
    if (suggested.ok) hubStore.setState({ suggested: suggested.value });
    await loadCached();
  }

  const actions: HubActions = {
    async openHubModel(model) {
      const { address, token } = hubStore.getState();
      // Granted or not, the model is stored; it is only kept longer when it is.
      await persist()?.catch(() => false);
      hubStore.setState({ opening: model, fault: null });
      await sendModel({ source: { kind: 'hub', model, address, token }, title: model }, null);
      hubStore.setState({ opening: null });
      await loadCached();
    },
    async cancelTransfer() {
      await client.call('cancelTransfer', null);
    },
    async askDataSet(dataSet) {
      const { address, token } = hubStore.getState();
      hubStore.setState({ dataSet: { kind: 'asking' } });
      const reply = await client.call('offerDataSet', { dataSet, address, token });
      if (reply.ok) hubStore.setState({ dataSet: { kind: 'offer', offer: reply.value } });
      else
        hubStore.setState({
          dataSet: isCancelled(reply.fault) ? { kind: 'none' } : { kind: 'failed', fault: reply.fault },
        });
    },
    async openDataSet() {
      const { address, token, dataSet } = hubStore.getState();
      if (dataSet.kind !== 'offer') return;
      const { id, subset, pinned } = dataSet.offer;
      await persist()?.catch(() => false);
      const title = subset === null ? id : `${id}, ${subset}`;
      await openImages({ kind: 'hub', model: pinned, address, token }, title, 'all');
      await loadCached();
      const { data } = dataStore.getState();
      if (hubStore.getState().dataSet === dataSet && data?.title === title)
        hubStore.setState({ dataSet: { kind: 'offer', offer: { ...dataSet.offer, missing: 0 } } });
    },
    async deleteCached(repository) {
      const reply = await client.call('deleteCached', repository);
      if (reply.ok) hubStore.setState({ cached: reply.value, fault: null });
      else if (repository.folder === 'models') hubStore.setState({ fault: reply.fault });
      else hubStore.setState({ dataSet: { kind: 'failed', fault: reply.fault } });
    },
    async pushToHub(format, repository, isPrivate) {
      const { result } = exportStore.getState();
      const files = result?.formats.find((written) => written.format === format)?.files ?? [];
      if (files.length === 0) return;
      const { address, token } = hubStore.getState();
      const title = 'Add a model fine-tuned with Graft';
      hubStore.setState({ push: { kind: 'sending' } });
      const reply = await client.call('pushToHub', { repository, isPrivate, title, files, address, token });
      deviceStore.setState({ progress: null });
      if (reply.ok) hubStore.setState({ push: { kind: 'done', ...reply.value } });
      else
        hubStore.setState({
          push: isCancelled(reply.fault) ? { kind: 'none' } : { kind: 'failed', fault: reply.fault },
        });
    },
  };
  return { actions, load: loadHub };
}
