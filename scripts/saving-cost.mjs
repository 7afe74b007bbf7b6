// `node scripts/saving-cost.mjs`: what saving costs a run with the model, the images and the recipe that ship,
// in two shares. Of time: each checkpoint tells how long it held up the thread that trains; their sum is set
// against the time of the run. Of the processors: after the run its last checkpoint is read and saved again, as
// other runs, and all that the browser computes meanwhile, in whatever thread, but for listing them, is divided by
// their number: reading is in it, so that it is more than saving, and only the share of time is judged. Short by
// default: a short run saves as many drops and stages as a long one, so that its share is the larger. Others:
// --steps 400, --steps recipe, --backend webgpu.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { softwareWebgpuFlags } from './setup/browser-flags.mjs';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { buildApp } from './setup/build.mjs';
import { processorSeconds } from './setup/processes.mjs';
import { serveApp } from './setup/serve.mjs';

/** @typedef {import('../src/worker/protocol.ts').TrainerEvent} TrainerEvent */

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '100' }, backend: { type: 'string', default: 'wasm' } },
});
const backend = /** @type {'wasm'} */ (values.backend);
/** The most that saving may take. */
const mostShare = 0.02;
/** So often the last checkpoint is saved again. */
const again = 10;

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
await buildApp((line) => console.error(line));
const { url, close } = await serveApp(0);

/**
 * @template T
 * @param {import('../src/headless.ts').Outcome<T>} outcome
 * @returns {T}
 */
function valueOf(outcome) {
  if (!outcome.ok) throw new Error(outcome.sentence);
  return outcome.value;
}

/** A run from its first step to its end, and then its last checkpoint again and again. */
async function trained() {
  const profile = await mkdtemp(join(tmpdir(), 'graft-saving-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executablePath ?? '',
    args: softwareWebgpuFlags,
  });
  /** @type {number[]} */
  const busy = [];
  try {
    const page = await context.newPage();
    /** @type {() => void} */
    let end = () => undefined;
    /** @type {(why: Error) => void} */
    let breakOff = () => undefined;
    /** @type {Promise<void>} */
    const ended = new Promise((resolve, reject) => {
      [end, breakOff] = [resolve, reject];
    });
    let begun = { computed: 0, at: 0 };
    let told = 0;
    await page.exposeFunction('graftEvent', async (/** @type {TrainerEvent} */ event) => {
      if (event.kind === 'not-saved') breakOff(new Error(JSON.stringify(event.fault)));
      if (event.kind === 'saved') busy.push(event.busyMs);
      if (event.kind !== 'phase') return;
      const { phase } = event;
      if (phase.kind === 'failed') breakOff(new Error(JSON.stringify(phase.fault)));
      if (phase.kind === 'finished') end();
      if (phase.kind !== 'training') return;
      if (begun.at === 0) begun = { computed: await processorSeconds(profile), at: performance.now() };
      if (phase.step < told + phase.steps / 5) return;
      told = phase.step;
      console.log(`step ${phase.step} of ${phase.steps}, ${busy.length} checkpoints`);
    });
    await page.goto(`${url}headless.html`);
    valueOf(await page.evaluate(() => window.graft.hello()));
    const recipe = valueOf(
      await page.evaluate(
        (given) => window.graft.recipe(given),
        values.steps === 'recipe' ? {} : { steps: Number(values.steps) },
      ),
    );
    valueOf(await page.evaluate(() => window.graft.openModel({ kind: 'shipped' })));
    valueOf(await page.evaluate((given) => window.graft.openData({ kind: 'shipped' }, 'all', given), recipe));
    valueOf(
      await page.evaluate(
        ([given, on]) => window.graft.call('start', { recipe: given, engine: 'auto', backend: on }),
        /** @type {const} */ ([recipe, backend]),
      ),
    );
    await ended;
    const seconds = (performance.now() - begun.at) / 1000;
    const computed = (await processorSeconds(profile)) - begun.computed;
    const { steps } = valueOf(await page.evaluate(() => window.graft.call('result', null)));
    // Waits for the last checkpoint, that of the end.
    const { runs } = valueOf(await page.evaluate(() => window.graft.call('savedRuns', null)));
    const [{ id, bytes } = { id: '', bytes: 0 }] = runs;
    /** @param {() => Promise<unknown>} work */
    const spent = async (work) => {
      const before = await processorSeconds(profile);
      await work();
      return (await processorSeconds(profile)) - before;
    };
    let isDone = false;
    const taking = await spent(async () => {
      isDone = await page.evaluate(async ([run, times]) => {
        // The page's own client takes files too.
        const call = /** @type {(name: string, input: object) => Promise<any>} */ (window.graft.call);
        const file = await call('runFile', { id: run });
        for (let i = 0; file.ok && i < times; i++)
          if (!(await call('takeRun', { file: file.value, name: 'again' })).ok) return false;
        return file.ok;
      }, /** @type {const} */ ([id, again]));
    });
    if (!isDone) throw new Error('The checkpoint could not be saved again.');
    // Each was answered with a list of all runs, which had one more each time: on the average half of the last.
    const listing = await spent(() =>
      page.evaluate(async (times) => {
        for (let i = 0; i < times; i++) await window.graft.call('savedRuns', null);
      }, again),
    );
    return {
      steps,
      seconds,
      held: busy.reduce((a, b) => a + b, 0) / 1000,
      longest: Math.max(...busy),
      checkpoints: busy.length,
      bytes,
      computed,
      each: Math.max(0, taking - listing / 2) / again,
    };
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

let isCheap = false;
try {
  const run = await trained();
  const saving = run.checkpoints * run.each;
  const [ofTime, ofProcessors] = [run.held / run.seconds, saving / run.computed];
  const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(2)} %`;
  console.log(
    `${run.steps} steps in ${run.seconds.toFixed(1)} s on ${backend}; ${run.checkpoints} checkpoints, ${(run.bytes / 1e6).toFixed(2)} MB kept`,
  );
  console.log(
    `of time: they held the run up for ${run.held.toFixed(3)} s, ${percent(ofTime)} (longest ${run.longest.toFixed(1)} ms)`,
  );
  console.log(
    `of the processors: at most ${saving.toFixed(2)} s of ${run.computed.toFixed(1)} s, ${percent(ofProcessors)} (${(1000 * run.each).toFixed(1)} ms each)`,
  );
  isCheap = ofTime < mostShare;
} finally {
  await close();
}
process.exit(isCheap ? 0 : 1);
