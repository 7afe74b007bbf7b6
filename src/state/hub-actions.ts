// What the page does with the Hugging Face Hub: opens its models, keeps and forgets them, sends a result
// there.
import { isCancelled, isToldHere } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { ExportFormat } from '../worker/protocol.ts';
import { deviceStore } from './device-store.ts';
import { exportStore } from './export-store.ts';
import { hubStore } from './hub-store.ts';
import type { Models } from './model-actions.ts';

export interface HubActions {
  /** Opens a model of the Hub: an id or an address, with the address and token of the hub store. */
  openHubModel(model: string): Promise<void>;
  /** Stops the download or upload that is under way. */
  cancelTransfer(): Promise<void>;
  /** Forgets what is kept of a repository. */
  deleteCached(host: string, id: string): Promise<void>;
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
    async deleteCached(host, id) {
      const reply = await client.call('deleteCached', { host, id });
      hubStore.setState(reply.ok ? { cached: reply.value, fault: null } : { fault: reply.fault });
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
