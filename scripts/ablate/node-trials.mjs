// A process of `npm run ablate -- --runtime node`: the built app in it, for one run after the other. Jobs come as
// messages; events, and at the end what was measured or why it was not, go back.
import process from 'node:process';
import { startNodeBrowser } from '../node/page.mjs';
import { TrialPage } from './trial.mjs';

/**
 * @typedef {import('../finetune/drive.mjs').Training} Training
 * A run: the address of the built app, the name of its set of images, and the rest.
 * @typedef {{ readonly url: string, readonly set: string, readonly job: Training }} Asked
 * @typedef {{ readonly kind: 'event', readonly event: import('../../src/worker/protocol.ts').TrainerEvent }
 *   | { readonly kind: 'measured', readonly measured: import('./trial.mjs').Measured }
 *   | { readonly kind: 'failed', readonly message: string }} Told
 */

/** @param {Told} told */
const tell = (told) => process.send?.(told);

/** Sets of images by their names: jobs of one set are to hand on the same object. @type {Map<string, Training['data']>} */
const sets = new Map();
/** @type {Promise<TrialPage> | null} */
let page = null;

/** @param {string} url */
async function open(url) {
  const browser = await startNodeBrowser();
  return TrialPage.open(await browser.newPage(), url);
}

process.on('message', (/** @type {Asked} */ { url, set, job }) => {
  void (async () => {
    try {
      const data = sets.get(set) ?? job.data;
      sets.set(set, data);
      page ??= open(url);
      const progress = {
        note: () => undefined,
        begin: () => undefined,
        /** @param {import('../../src/worker/protocol.ts').TrainerEvent} event */
        event(event) {
          if (event.kind === 'steps' || event.kind === 'phase') tell({ kind: 'event', event });
        },
      };
      tell({ kind: 'measured', measured: await (await page).run({ ...job, data }, progress) });
    } catch (thrown) {
      tell({ kind: 'failed', message: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  })();
});
// The command is gone: nobody hears what is measured any more.
process.on('disconnect', () => process.exit(0));
