// A trainer over a client without a worker, with what ships opened: where tests of the page's state begin.
import { ok } from '../../shared/result.ts';
import type { FetchJson } from '../bundled.ts';
import { dataStore } from '../data-store.ts';
import { deviceStore } from '../device-store.ts';
import { exportStore } from '../export-store.ts';
import { hubStore } from '../hub-store.ts';
import { modelStore } from '../model-store.ts';
import { queueStore } from '../queue-store.ts';
import { recipeStore } from '../recipe-store.ts';
import { runStore } from '../run-store.ts';
import { savedRunsStore } from '../saved-runs-store.ts';
import { stepLog } from '../step-log.ts';
import { createTrainer, type Trainer } from '../trainer.ts';
import { createFakeClient, type FakeClient, type FakeOptions } from './fake-client.ts';

/** One model and one data set that ship. */
const lists: FetchJson = (url) =>
  Promise.resolve(
    ok(
      url.startsWith('models')
        ? [
            {
              id: 'sprout',
              title: 'Sprout',
              folder: 'sprout',
              files: ['config.json'],
              bytes: 1,
              parameters: 1,
              imageSize: 64,
              licence: 'x',
              goodFor: 'x',
              description: 'x',
            },
          ]
        : [
            {
              id: 'set',
              title: 'Set',
              file: 'set.zip',
              bytes: 1,
              classes: ['a'],
              trainImages: 1,
              testImages: 1,
              imageSize: 64,
              licence: 'x',
              origin: 'x',
              description: 'x',
            },
          ],
    ),
  );

/** A trainer that has opened what ships, and its client. */
export async function started(options: FakeOptions = {}, fetchJson = lists): Promise<[Trainer, FakeClient]> {
  const clients: FakeClient[] = [];
  const trainer = createTrainer({
    connect: (onEvent) => {
      const client = createFakeClient(onEvent, options);
      clients.push(client);
      return client;
    },
    fetchJson,
    locate: (path) => `http://here/${path}`,
    build: 'fake',
  });
  await trainer.open();
  const [client] = clients;
  if (client === undefined) throw new Error('no client was made');
  return [trainer, client];
}

/** Done when all that was under way is. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** The stores as a page begins with them. */
export function emptyStores(): void {
  dataStore.setState(dataStore.getInitialState(), true);
  deviceStore.setState(deviceStore.getInitialState(), true);
  exportStore.setState(exportStore.getInitialState(), true);
  hubStore.setState(hubStore.getInitialState(), true);
  modelStore.setState(modelStore.getInitialState(), true);
  recipeStore.setState(recipeStore.getInitialState(), true);
  queueStore.setState({ queue: null, going: false, figures: new Map() }, true);
  runStore.setState(runStore.getInitialState(), true);
  savedRunsStore.setState(savedRunsStore.getInitialState(), true);
  stepLog.clear();
}
