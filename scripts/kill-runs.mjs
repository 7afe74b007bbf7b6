// `node scripts/kill-runs.mjs`: kills the whole browser, by SIGKILL and at random moments, while a run trains
// and is saved all the time; starts it again on the same profile and goes on with the run. After each kill the
// run must be there, whole, at the step that was last told to be saved or a later one. Prints a line a kill.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { collectImages, collectModel } from './finetune/collect.mjs';
import { quietFlags } from './setup/browser-flags.mjs';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { buildApp } from './setup/build.mjs';
import { processesOf } from './setup/processes.mjs';
import { serveApp } from './setup/serve.mjs';

/**
 * @typedef {import('@playwright/test').Page} Page
 * @typedef {import('../src/worker/protocol.ts').TrainerEvent} TrainerEvent
 */

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    model: { type: 'string', default: 'testdata/reference/micro_vit_hf' },
    data: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
  },
});
const kills = Number(values.kills);

/** A repeatable number in [0, 1). */
let drawn = Number(values.seed);
const random = () => {
  drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0;
  return drawn / 2 ** 32;
};
const kill = (/** @type {number} */ pid) => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with its parent.
  }
};
const wait = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @template T
 * @param {import('../src/headless.ts').Outcome<T>} outcome
 * @returns {T}
 */
function valueOf(outcome) {
  if (!outcome.ok) throw new Error(outcome.sentence);
  return outcome.value;
}

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
await buildApp((line) => console.error(line));
const { url, close } = await serveApp(0);
const profile = await mkdtemp(join(tmpdir(), 'graft-kill-'));

/** What the page told that is saved, as far as it was heard here. */
let acknowledged = { id: '', step: -1 };
let checkpoints = 0;

async function openPage() {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: /** @type {string} */ (executablePath),
    args: quietFlags,
  });
  const [first] = context.pages();
  const page = first ?? (await context.newPage());
  await page.exposeFunction('graftEvent', (/** @type {TrainerEvent} */ event) => {
    if (event.kind === 'not-saved') console.log(`  not saved: ${JSON.stringify(event.fault)}`);
    if (event.kind !== 'saved') return;
    checkpoints += 1;
    acknowledged = { id: event.id, step: event.step };
  });
  await page.goto(`${url}headless.html`);
  valueOf(await page.evaluate(() => window.graft.hello()));
  return { page, context };
}

/** @param {Page} page */
async function begin(page) {
  const hand = async (
    /** @type {'model' | 'data'} */ input,
    /** @type {import('./finetune/collect.mjs').Collected} */ of,
  ) => {
    await page.locator(`#${input}`).setInputFiles(of.disk);
    return /** @type {const} */ ({ kind: 'input', input, title: of.title, paths: of.paths });
  };
  const recipe = valueOf(
    await page.evaluate(() => window.graft.recipe({ steps: 1_000_000, batch: 4, augment: 'none' })),
  );
  const model = await hand('model', await collectModel(values.model));
  valueOf(await page.evaluate((files) => window.graft.openModel(files), model));
  const data =
    values.data === ''
      ? /** @type {const} */ ({ kind: 'shipped' })
      : await hand('data', await collectImages('data', values.data));
  valueOf(
    await page.evaluate(
      ([files, given]) => window.graft.openData(files, 'all', given),
      /** @type {const} */ ([data, recipe]),
    ),
  );
  valueOf(
    await page.evaluate(
      (given) => window.graft.call('start', { recipe: given, engine: 'auto', backend: 'wasm' }),
      recipe,
    ),
  );
}

/**
 * Goes on with the run; what is wrong with it, and the step from which it goes on.
 * @param {Page} page
 * @param {string} id
 */
async function goOn(page, id) {
  const before = await page.evaluate(() => window.graft.events(0).length);
  const opened = valueOf(
    await page.evaluate((run) => window.graft.call('openRun', { id: run, then: 'train' }), id),
  );
  const rows = await page.evaluate(
    (from) =>
      window.graft
        .events(from)
        .flatMap((event) => (event.kind === 'steps' ? event.rows.map(({ step }) => step) : [])),
    before,
  );
  // What is told again comes first, and the steps of today behind it without a gap.
  const gap = rows.findIndex((step, i) => step !== i);
  return { notes: opened.notes, gap, told: rows.length };
}

let failures = 0;
try {
  let { page } = await openPage();
  await begin(page);
  for (let number = 1; number <= kills; number++) {
    // Saved all the time, so that most kills hit a checkpoint that is being written.
    await page.evaluate(() => {
      const save = () => void window.graft.call('saveRun', null).then(() => setTimeout(save, 5));
      save();
    });
    // It trains again: some more of it is saved.
    for (const from = checkpoints; checkpoints < from + 3;) await wait(10);
    await wait(1000 * random());
    const pids = await processesOf(profile);
    for (const pid of pids) kill(pid);
    // What was told before is heard by now; what was not heard is promised to nobody.
    while ((await processesOf(profile)).length > 0) await wait(20);
    const promised = acknowledged;
    await wait(100);
    ({ page } = await openPage());
    const { runs } = valueOf(await page.evaluate(() => window.graft.call('savedRuns', null)));
    const run = runs.find(({ id }) => id === promised.id);
    const { notes, gap } = await goOn(page, promised.id);
    const lost = run === undefined || run.step < promised.step;
    const wrong = lost || gap >= 0 || notes.length > 0;
    if (wrong) failures += 1;
    console.log(
      `kill ${number}: ${pids.length} processes, acknowledged step ${promised.step}, found step ${run?.step ?? 'none'}` +
        `${wrong ? ` WRONG ${JSON.stringify({ notes, gap })}` : ''}`,
    );
  }
  for (const pid of await processesOf(profile)) kill(pid);
} finally {
  await close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
console.log(
  `${kills} kills, ${checkpoints} checkpoints acknowledged, ${failures} of the kills lost one or left one half-written`,
);
process.exit(failures === 0 ? 0 : 1);
