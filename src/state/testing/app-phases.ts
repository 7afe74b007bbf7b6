// The page in every phase that it has, brought there on the client without a worker: for tests of what a
// person sees, and for the playground. Not shipped: nothing of the app imports it.
import type { StoreApi } from 'zustand/vanilla';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { ok } from '../../shared/result.ts';
import type { Fault, ListedRun } from '../../worker/protocol.ts';
import type { FetchJson } from '../bundled.ts';
import { dataStore } from '../data-store.ts';
import { deviceStore } from '../device-store.ts';
import { choose, exportStore } from '../export-store.ts';
import { forecastStore } from '../forecast-store.ts';
import { hubStore } from '../hub-store.ts';
import { modelStore } from '../model-store.ts';
import { recipeStore, setField } from '../recipe-store.ts';
import { runStore } from '../run-store.ts';
import { savedRunsStore } from '../saved-runs-store.ts';
import { compareStore } from '../compare-store.ts';
import { understandStore } from '../understand-store.ts';
import { stepLog } from '../step-log.ts';
import { createTrainer, type Trainer } from '../trainer.ts';
import { createFakeClient, type FakeClient, type FakeOptions } from './fake-client.ts';

interface AppPhase {
  readonly name: string;
  readonly options?: FakeOptions;
  /** Without it the page stays as it is once model and images are open. */
  reach?(trainer: Trainer, client: FakeClient): Promise<void> | void;
}

const deviceLost: Fault = { kind: 'device-lost', step: 120, detail: 'The graphics driver was restarted.' };
const allChosen = { hf: true, timm: true, peft: true, onnx: true, 'onnx-q8': true } as const;

async function run(trainer: Trainer, client: FakeClient, steps: number): Promise<void> {
  await trainer.start();
  client.play(steps);
  await settled();
}

/** What a recipe without branches reads as. */
const withoutBranches = (recipe: Recipe, tune: Recipe['backbone']['tune']): Recipe => ({
  ...recipe,
  backbone: { tune },
  dmlora: { ...recipe.dmlora, branches: 0, dropMode: 'none', scalars: 'off' },
});

const savedRun = (id: string, name: string, step: number, finished: boolean): ListedRun => ({
  ...{ id, name, step, finished, steps: 250, bytes: 8_400_000, deleted: false },
  ...{ model: 'Graft Sprout 64', images: 'leaves', imageCount: 1000, classes: 5, recipe: recipeDefaults },
  validation: { loss: 0.4, accuracy: 0.873 },
  savedAt: Date.now() - 3 * 60_000,
});

/** In the order of a run; the names are those of the playground's list. */
export const appPhases: readonly AppPhase[] = [
  { name: 'ready' },
  {
    name: 'a wrong setting',
    reach: () => setField('learningRate', '12'),
  },
  {
    name: 'images with remarks',
    options: {
      data: {
        rejected: [
          { path: 'cats/broken.jpg', code: 'truncated', reason: 'The file ends before its picture does.' },
          { path: 'cats/notes.txt', code: 'format', reason: 'This is no picture.' },
        ],
        warnings: [{ path: 'dogs/tiny.png', code: 'small', reason: 'It has 12 x 12 pixels.' }],
        ignored: [{ path: '.DS_Store', code: 'system', reason: 'A file of the system.' }],
        together: {
          ...{ by: ['name'], origins: 31, images: 142, largest: 12 },
          ...{ example: ['cats/IMG_0001_a.jpg', 'cats/IMG_0001_b.jpg'], whole: ['dogs'] },
        },
      },
      check: {
        checked: 38,
        total: 40,
        findings: [
          {
            kind: 'near-leak',
            groups: [
              [
                { image: 0, path: 'Ankle boot/train-000.png', class: 'Ankle boot', split: 'train' },
                {
                  image: 80,
                  path: 'Ankle boot/validation-000.png',
                  class: 'Ankle boot',
                  split: 'validation',
                },
              ],
            ],
          },
          {
            kind: 'one-shade',
            groups: [[{ image: 404, path: '__proto__/train-004.png', class: '__proto__', split: 'train' }]],
          },
        ],
      },
      labelCheck: {
        checked: 38,
        doubts: [
          {
            image: 407,
            path: '__proto__/train-007.png',
            class: '__proto__',
            split: 'train',
            says: 'Ankle boot',
            share: 0.93,
          },
          {
            image: 2,
            path: 'Ankle boot/train-002.png',
            class: 'Ankle boot',
            split: 'train',
            says: '__proto__',
            share: 0.71,
          },
        ],
      },
    },
  },
  {
    name: 'images refused',
    options: {
      data: {
        classes: [],
        images: 0,
        fault: {
          kind: 'bad-dataset',
          why: 'one-class',
          detail: 'All 40 images are in “cats”.',
        },
      },
    },
  },
  {
    name: 'a long run',
    options: {
      forecast: {
        ...{ kind: 'known', basis: 'measured', preparing: 40, training: 2900, measuring: 310, seconds: 3250 },
        shorter: { recipe: { ...recipeDefaults, epochs: 3 }, imageSize: 48, seconds: 560 },
      },
    },
    reach: (trainer) => trainer.foretell(),
  },
  {
    name: 'preparing',
    reach: (_, client) => {
      client.emit({
        kind: 'phase',
        phase: {
          ...{ kind: 'preparing', part: 'features', what: 'Looking at 1,000 images', done: 310, total: 1000 },
          ...{ share: 0.42, secondsLeft: 12.3 },
        },
      });
    },
  },
  { name: 'training, stage 1', reach: (trainer, client) => run(trainer, client, 120) },
  { name: 'training, stage 2', reach: (trainer, client) => run(trainer, client, 240) },
  {
    name: 'validating',
    async reach(trainer, client) {
      await run(trainer, client, 100);
      client.emit({ kind: 'phase', phase: { kind: 'evaluating', step: 100, steps: 250 } });
    },
  },
  {
    name: 'paused',
    async reach(trainer, client) {
      await run(trainer, client, 120);
      await trainer.pause();
    },
  },
  {
    name: 'diverging',
    async reach(trainer, client) {
      await run(trainer, client, 80);
      client.emit({
        kind: 'diverging',
        fault: {
          ...{ kind: 'diverged', step: 80, why: 'far', loss: 41.2, startLoss: 2.3, keptStep: null },
          rate: { field: 'learningRate', now: 0.5, advised: 0.05 },
        },
      });
    },
  },
  {
    name: 'failed, can go on',
    options: { failsAt: 120, fault: deviceLost },
    reach: (trainer, client) => run(trainer, client, 120),
  },
  {
    name: 'failed for good',
    async reach(trainer, client) {
      await run(trainer, client, 60);
      const fault: Fault = { kind: 'bug', message: 'Error: an index was out of bounds' };
      client.emit({ kind: 'phase', phase: { kind: 'failed', fault, step: 60, resumable: false } });
    },
  },
  {
    name: 'stopped early',
    async reach(trainer, client) {
      await run(trainer, client, 120);
      await trainer.stop();
      await settled();
    },
  },
  {
    name: 'training, may end early',
    options: { recipe: (defaults) => ({ ...defaults, patience: 3 }) },
    reach: (trainer, client) => run(trainer, client, 120),
  },
  {
    name: 'ended by itself',
    options: { recipe: (defaults) => ({ ...defaults, patience: 3 }), endsAt: 175 },
    reach: (trainer, client) => run(trainer, client, 1000),
  },
  { name: 'finished', reach: (trainer, client) => run(trainer, client, 1000) },
  {
    name: 'finished, classes alike',
    options: { recipe: (defaults) => ({ ...defaults, classBalance: 'weights' }) },
    reach: (trainer, client) => run(trainer, client, 1000),
  },
  {
    name: 'finished, no branches',
    options: { recipe: (defaults) => withoutBranches(defaults, 'norms') },
    reach: (trainer, client) => run(trainer, client, 1000),
  },
  {
    name: 'many classes',
    options: { classes: Array.from({ length: 100 }, (_, i) => `kind ${i + 1}`) },
    reach: (trainer, client) => run(trainer, client, 1000),
  },
  {
    name: 'a large model, finished',
    options: {
      depth: 24,
      recipe: (defaults) => ({ ...defaults, dmlora: { ...defaults.dmlora, branches: 8, branchesEnd: 4 } }),
    },
    reach: (trainer, client) => run(trainer, client, 1000),
  },
  {
    name: 'exporting',
    async reach(trainer, client) {
      await run(trainer, client, 1000);
      exportStore.setState({ status: 'exporting' });
      client.emit({ kind: 'progress', what: 'Proving timm', done: 2, total: 5 });
    },
  },
  {
    name: 'exported',
    options: { refuses: 'timm' },
    async reach(trainer, client) {
      await run(trainer, client, 1000);
      choose(allChosen);
      await trainer.exportModel();
    },
  },
  {
    name: 'an unfinished run',
    options: {
      runs: [
        savedRun('a', 'Leaves <b>', 120, false),
        savedRun('b', 'Clothes and animals on Graft Sprout 64', 250, true),
        { ...savedRun('c', 'Gone', 10, false), deleted: true },
      ],
      notes: ['Build 0123456789ab of Graft saved it, and build fake goes on with it.'],
    },
  },
  {
    name: 'runs to compare',
    options: {
      silentRuns: ['old'],
      runs: [
        savedRun('a', 'Leaves, as ever', 250, true),
        {
          ...savedRun('b', 'Leaves, <b>slower</b>', 250, true),
          recipe: { ...recipeDefaults, learningRate: 1e-4, labelSmoothing: 0.1 },
        },
        { ...savedRun('seed', 'Leaves, another seed', 250, true), recipe: { ...recipeDefaults, seed: 7 } },
        savedRun('old', 'Leaves, long ago', 200, true),
        { ...savedRun('other', 'Clothes', 250, true), images: 'clothes' },
        ...['f', 'g', 'h', 'i'].map((id) => savedRun(id, `Leaves again, ${id}`, 250, true)),
        savedRun('now', 'Leaves, not ended', 120, false),
      ],
    },
  },
  { name: 'no WebGPU', options: { gpu: { kind: 'absent', reason: 'This browser has no WebGPU.' } } },
];

const lists: FetchJson = (url) =>
  Promise.resolve(
    ok(
      url.startsWith('models')
        ? [
            {
              ...{ id: 'sprout', title: 'Graft Sprout 64', folder: 'sprout', files: ['config.json'] },
              ...{ bytes: 5_451_014, parameters: 2_719_296, imageSize: 64, licence: 'Apache-2.0' },
              ...{ goodFor: 'Small pictures.', description: 'The model that ships with the app.' },
            },
          ]
        : [
            {
              ...{ id: 'set', title: 'Clothes and animals', file: 'set.zip', bytes: 1_000_000 },
              ...{ classes: ['a', 'b'], trainImages: 800, testImages: 1000, imageSize: 64 },
              ...{ licence: 'CC0', origin: 'made up', description: 'Pictures for trying.' },
            },
          ],
    ),
  );

/** Everything that was posted has been answered. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Empties every store, as a page that was just loaded. */
function forgetAll(): void {
  reset(dataStore);
  reset(deviceStore);
  reset(exportStore);
  reset(forecastStore);
  reset(hubStore);
  reset(modelStore);
  reset(recipeStore);
  reset(runStore);
  reset(savedRunsStore);
  reset(compareStore);
  reset(understandStore);
  stepLog.clear();
}

function reset<T>(store: StoreApi<T>): void {
  store.setState(store.getInitialState(), true);
}

/** A trainer whose page is in the phase of that name; throws where there is none. */
export async function openPhase(
  name: string,
): Promise<{ readonly trainer: Trainer; readonly client: FakeClient }> {
  const phase = appPhases.find((one) => one.name === name);
  if (phase === undefined) throw new Error(`there is no phase "${name}"`);
  forgetAll();
  const clients: FakeClient[] = [];
  const trainer = createTrainer({
    connect: (onEvent) => {
      const client = createFakeClient(onEvent, phase.options);
      clients.push(client);
      return client;
    },
    fetchJson: lists,
    locate: (path) => `https://here.invalid/${path}`,
    build: 'fake',
  });
  await trainer.open();
  const [client] = clients;
  if (client === undefined) throw new Error('no client was made');
  await phase.reach?.(trainer, client);
  await settled();
  return { trainer, client };
}
