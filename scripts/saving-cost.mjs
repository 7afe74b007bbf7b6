// `node scripts/saving-cost.mjs`: what saving costs a run with the model, the images and the recipe that ship
// (other settings: --steps, --backend). Each checkpoint tells how long it held up the thread that trains; their
// sum is set against the time of the run.
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { softwareWebgpuFlags } from './setup/browser-flags.mjs';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { buildApp } from './setup/build.mjs';
import { serveApp } from './setup/serve.mjs';

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '' }, backend: { type: 'string', default: 'wasm' } },
});

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
await buildApp((line) => console.error(line));
const { url, close } = await serveApp(0);
const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
try {
  const page = await browser.newPage();
  await page.goto(`${url}headless.html`);
  const result = await page.evaluate(async ([steps, backend]) => {
    const valueOf = /** @type {(outcome: import('../src/headless.ts').Outcome<any>) => any} */ (
      (outcome) => {
        if (!outcome.ok) throw new Error(outcome.sentence);
        return outcome.value;
      }
    );
    const { graft } = window;
    valueOf(await graft.hello());
    const recipe = valueOf(graft.recipe(steps === '' ? {} : { steps: Number(steps) }));
    valueOf(await graft.openModel({ kind: 'shipped' }));
    valueOf(await graft.openData({ kind: 'shipped' }, 'all', recipe));
    const choice = /** @type {'wasm'} */ (backend);
    valueOf(await graft.call('start', { recipe, engine: 'auto', backend: choice }));
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      const ended = graft.events(0).flatMap((event) => (event.kind === 'phase' ? [event.phase] : []));
      if (ended.some(({ kind }) => kind === 'failed')) throw new Error(JSON.stringify(ended.at(-1)));
      if (ended.some(({ kind }) => kind === 'finished')) break;
    }
    const saved = graft.events(0).flatMap((event) => (event.kind === 'saved' ? [event] : []));
    const { seconds, steps: done } = valueOf(await graft.call('result', null));
    const { runs } = valueOf(await graft.call('savedRuns', null));
    return { seconds, done, busy: saved.map(({ busyMs }) => busyMs), bytes: runs[0]?.bytes ?? 0 };
  }, /** @type {const} */ ([values.steps, values.backend]));
  const { seconds, done, busy, bytes } = result;
  const total = busy.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
  console.log(
    `${done} steps in ${seconds.toFixed(1)} s; ${busy.length} checkpoints, ${(bytes / 1e6).toFixed(2)} MB kept; ` +
      `they held the run up for ${(total / 1000).toFixed(3)} s: ${((100 * total) / 1000 / seconds).toFixed(2)} % ` +
      `(longest ${Math.max(...busy).toFixed(1)} ms)`,
  );
} finally {
  await browser.close();
  await close();
}
