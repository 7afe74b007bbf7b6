// `node scripts/soak.mjs`: a long run of a micro model in the app itself, on wasm and on WebGPU (SwiftShader).
// Every tenth of it is measured: tensors or buffers of the engine and their bytes, the JavaScript heap of page
// and workers after a forced collection of garbage, and the bytes that are stored. Fails when the last quarter
// lies above the second by more than what is meant to grow: a record of a few bytes for each step.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { softwareWebgpuFlags } from './setup/browser-flags.mjs';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { buildApp } from './setup/build.mjs';
import { pageWorkers } from './setup/page-workers.mjs';
import { serveApp } from './setup/serve.mjs';

/**
 * @typedef {import('@playwright/test').Page} Page
 * @typedef {import('@playwright/test').CDPSession} CDPSession
 * @typedef {import('./setup/page-workers.mjs').PageWorker} PageWorker
 * @typedef {import('../src/worker/protocol.ts').Memory} Memory
 * @typedef {Record<keyof typeof mostGrowth, number>} Sample
 */

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '5000' },
    backends: { type: 'string', default: 'wasm,webgpu' },
    model: { type: 'string', default: 'testdata/reference/micro_vit_hf' },
  },
});
const steps = Number(values.steps);

/** The most by which the last quarter may lie above the second, by median. */
const mostGrowth = {
  tensors: 0,
  'buffer bytes': 0,
  'page heap': 1e6,
  'worker heaps': 1e6,
  // Two checkpoints, each with some numbers of every step; while the next one is written there are three.
  'stored bytes': 400_000 + 50 * steps,
};

/** Branches stay, so that every step works on the same tensors; longer than is measured. */
const recipe = { steps: steps + 100, batch: 4, seed: 7, dmlora: { dropMode: 'none', scalars: 'off' } };

/**
 * @param {Page} page
 * @param {CDPSession} session
 * @param {readonly PageWorker[]} workers
 * @returns {Promise<Sample>}
 */
async function measure(page, session, workers) {
  let workerHeap = 0;
  for (const worker of workers) {
    await worker.send('HeapProfiler.collectGarbage');
    workerHeap += (await worker.send('Runtime.getHeapUsage')).usedSize;
  }
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  const { memory, stored } = await page.evaluate(async () => ({
    memory: /** @type {{ lastMemory?: Memory }} */ (window).lastMemory,
    stored: (await navigator.storage.estimate()).usage ?? 0,
  }));
  if (memory === undefined) throw new Error('The run told nothing of its memory.');
  return {
    tensors: memory.count,
    'buffer bytes': memory.bufferBytes,
    'page heap': usedSize,
    'worker heaps': workerHeap,
    'stored bytes': stored,
  };
}

/**
 * @param {string} url
 * @param {string} executablePath
 * @param {string} backend
 * @param {string} recipePath
 */
async function soak(url, executablePath, backend, recipePath) {
  const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
  try {
    const page = await browser.newPage();
    // What the trainer tells of its memory is read on its way to the page.
    await page.addInitScript(() => {
      const Own = window.Worker;
      window.Worker = class extends Own {
        /** @param {ConstructorParameters<typeof Worker>} given */
        constructor(...given) {
          super(...given);
          this.addEventListener('message', ({ data }) => {
            for (const event of data?.kind === 'events' ? data.events : [])
              if (event.kind === 'steps') Object.assign(window, { lastMemory: event.memory });
          });
        }
      };
    });
    const session = await page.context().newCDPSession(page);
    const workers = await pageWorkers(session, {});
    await page.goto(url);
    await page.getByTestId('data-title').waitFor();
    /** @param {string} place of the app's five */
    const show = (place) =>
      page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: place }).click();
    await show('Model');
    await page.getByTestId('pick-model-folder').setInputFiles(values.model);
    await page.getByText('micro_vit_hf', { exact: true }).first().waitFor();
    await show('Train');
    await page.getByTestId('pick-recipe').setInputFiles(recipePath);
    await page.locator(`[data-testid=total-steps][data-steps="${recipe.steps}"]`).waitFor();
    await page.getByLabel('Backend').selectOption(backend);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    /** @type {Sample[]} */
    const samples = [];
    for (let tenth = 1; tenth <= 10; tenth++) {
      const at = Math.round((tenth * steps) / 10);
      await page.waitForFunction(
        (least) => {
          const failed = document.querySelector('[data-testid=phase]')?.getAttribute('data-phase');
          if (failed === 'failed') throw new Error('The run failed.');
          const step = document.querySelector('[data-testid=step]')?.getAttribute('data-step');
          return Number(step ?? 0) >= least;
        },
        at,
        { timeout: 0, polling: 200 },
      );
      const sample = await measure(page, session, workers());
      samples.push(sample);
      const told = Object.entries(sample).map(([name, value]) => `${name} ${value.toLocaleString('en')}`);
      console.log(`${backend}, step ${at}: ${told.join(', ')}`);
    }
    return samples;
  } finally {
    await browser.close();
  }
}

const median = (/** @type {number[]} */ all) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? NaN;

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
await buildApp((line) => console.error(line));
const { url, close } = await serveApp(0);
const folder = await mkdtemp(join(tmpdir(), 'graft-soak-'));
let failures = 0;
try {
  const recipePath = join(folder, 'recipe.json');
  await writeFile(recipePath, JSON.stringify(recipe));
  for (const backend of values.backends.split(',')) {
    const samples = await soak(url, executablePath, backend, recipePath);
    for (const [name, most] of Object.entries(mostGrowth)) {
      const of = samples.map((sample) => sample[/** @type {keyof Sample} */ (name)]);
      // Of ten tenths, those that end in the second quarter and in the last.
      const [second, last] = [median(of.slice(2, 5)), median(of.slice(7))];
      const grows = !(last - second <= most);
      if (grows) failures += 1;
      const change = `${(last - second).toLocaleString('en')} (at most ${most.toLocaleString('en')})`;
      console.log(`${backend}, ${name}, last quarter above the second: ${change}${grows ? ' TOO MUCH' : ''}`);
    }
  }
} finally {
  await close();
  await rm(folder, { recursive: true, force: true });
}
process.exit(failures === 0 ? 0 : 1);
