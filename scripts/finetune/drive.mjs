// One run in the browser: opens the bare page of the built app, hands it files and commands, waits for the end and
// takes the exported files out. Everything that is trained is trained by the app's own worker.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { percent, span } from './progress.mjs';
import { UserError } from './user-error.mjs';

/**
 * @typedef {import('@playwright/test').Page} Page
 * @typedef {import('../../src/headless.ts').FileInput} FileInput
 * @typedef {import('../../src/headless.ts').Files} Files
 * @typedef {import('../../src/worker/protocol.ts').TrainerEvent} TrainerEvent
 * @typedef {import('../../src/worker/protocol.ts').Recipe} Recipe
 * @typedef {import('./collect.mjs').Collected} Collected
 * @typedef {ReturnType<typeof import('./progress.mjs').startProgress>} Progress
 */

/**
 * The value of an outcome, or its sentence thrown.
 * @template T
 * @param {import('../../src/headless.ts').Outcome<T>} outcome
 * @returns {T}
 */
function valueOf(outcome) {
  if (outcome.ok) return outcome.value;
  throw new UserError(outcome.sentence, outcome.fault);
}

/**
 * Puts files into an input of the page; null stands for what ships with the app, a model of the Hub stays what it is.
 * @param {Page} page
 * @param {FileInput} input
 * @param {Collected | Files | null} collected
 * @returns {Promise<Files>}
 */
async function hand(page, input, collected) {
  if (collected === null) return { kind: 'shipped' };
  if ('kind' in collected) return collected;
  const { title, disk, paths } = collected;
  await page.locator(`#${input}`).setInputFiles(disk, { timeout: 0 });
  return { kind: 'input', input, title, paths };
}

/**
 * @typedef {object} Job
 * @property {Collected | Files | null} model null takes what ships with the app
 * @property {Collected | null} data
 * @property {Collected | null} validation null splits the data
 * @property {unknown} recipe what differs from the defaults
 * @property {'auto' | 'webgpu' | 'wasm' | 'cpu'} backend
 * @property {'auto' | 'autodiff' | 'kernels'} engine
 * @property {string} out an existing folder for the files
 */

/**
 * Does the job in a page of its own.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url of the built app, with a "/" at its end
 * @param {Job} job
 * @param {Progress} progress
 * @returns {Promise<object>} what stands in result.json
 * @throws {UserError}
 */
export async function runJob(browser, url, job, progress) {
  const page = await browser.newPage();
  /** Rejects when the page dies: no command of it would ever answer. */
  const death = new Promise((_, reject) => {
    page.on('crash', () =>
      reject(new UserError('The browser page ran out of memory and ended: choose a smaller batch or model.')),
    );
    page.on('close', () =>
      reject(new UserError('The browser was closed before the run ended: start it again.')),
    );
    page.on('pageerror', (error) =>
      reject(new UserError(`Graft made a mistake: ${error.message}. Please report this text.`)),
    );
  });
  return /** @type {Promise<object>} */ (Promise.race([drive(page, url, job, progress), death]));
}

/**
 * @param {Page} page
 * @param {string} url
 * @param {Job} job
 * @param {Progress} progress
 */
async function drive(page, url, job, progress) {
  /** @type {(event: TrainerEvent) => void} */
  let listen = (event) => progress.event(event);
  await page.exposeFunction('graftEvent', (/** @type {TrainerEvent} */ event) => listen(event));
  await page.goto(`${url}headless.html`);

  valueOf(await page.evaluate(() => window.graft.hello()));
  const recipe = valueOf(await page.evaluate((json) => window.graft.recipe(json), job.recipe));
  const model = valueOf(
    await page.evaluate((files) => window.graft.openModel(files), await hand(page, 'model', job.model)),
  );
  progress.note(
    `Model: ${model.title}, ${model.family}, ${(model.parameters / 1e6).toFixed(1)} million parameters`,
  );
  await openImages(page, 'data', job.data, recipe, progress);
  if (job.validation !== null) await openImages(page, 'validation', job.validation, recipe, progress);

  // The end is an event, and may come before `start` has answered.
  const end = new Promise((resolve, reject) => {
    listen = (event) => {
      progress.event(event);
      const fault =
        event.kind === 'phase' && event.phase.kind === 'failed'
          ? event.phase.fault
          : event.kind === 'fault' && event.fault.kind === 'worker-died'
            ? event.fault
            : null;
      if (fault !== null) {
        void page
          .evaluate((reported) => window.graft.sentence(reported), fault)
          .then((sentence) => reject(new UserError(sentence, fault)), reject);
      } else if (event.kind === 'phase' && event.phase.kind === 'finished') resolve(undefined);
    };
  });
  end.catch(() => undefined);
  const { backend, engine } = job;
  const summary = valueOf(
    await page.evaluate((input) => window.graft.call('start', input), { recipe, backend, engine }),
  );
  progress.begin(summary.steps);
  if (summary.engine.fallback !== null) progress.note(summary.engine.fallback);
  progress.note(
    `Training on ${summary.engine.backend} (${summary.engine.adapter}): ${summary.steps} steps of ${summary.batch} images, ` +
      `${summary.trainImages} to train and ${summary.validationImages} to validate, ${summary.classes.length} classes`,
  );
  await end;

  progress.note('Merging, writing and reading back ...');
  const exported = valueOf(await page.evaluate(() => window.graft.exportModel()));
  const files = [...exported.files.map(({ name }) => name), 'result.json'];
  for (const { name } of exported.files) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.evaluate((file) => window.graft.download(file), name),
    ]);
    await download.saveAs(join(job.out, name));
  }
  const { result, mergedMaxLogitDifference } = exported;
  const report = { ...result, mergedMaxLogitDifference, files };
  const { accuracy } = result.validation;
  progress.note(
    `Validation accuracy ${percent(accuracy)}, before training ${percent(result.initialValidation.accuracy)}; ` +
      `${result.steps} steps in ${span(result.seconds)}; files in ${job.out}`,
  );
  await writeFile(join(job.out, 'result.json'), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

/**
 * @param {Page} page
 * @param {'data' | 'validation'} input
 * @param {Collected | null} collected
 * @param {Recipe} recipe
 * @param {Progress} progress
 */
async function openImages(page, input, collected, recipe, progress) {
  const files = await hand(page, input, collected);
  const role = input === 'data' ? 'all' : 'validation';
  const summary = valueOf(
    await page.evaluate(
      ([given, as, settings]) => window.graft.openData(given, as, settings),
      /** @type {const} */ ([files, role, recipe]),
    ),
  );
  if (summary.fault !== null) {
    const { fault } = summary;
    throw new UserError(await page.evaluate((reported) => window.graft.sentence(reported), fault), fault);
  }
  const left = summary.rejected.length === 0 ? '' : `, ${summary.rejected.length} files not used`;
  progress.note(
    `${input === 'data' ? 'Images' : 'Validation images'}: ${summary.title}, ${summary.images} in ${summary.classes.length} classes${left}`,
  );
  for (const { path, reason } of summary.rejected.slice(0, 5)) progress.note(`  ${path}: ${reason}`);
}
