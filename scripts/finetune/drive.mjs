// One run in the browser: opens the bare page of the built app, hands it files and commands, waits for the
// end and takes the exported files out. Everything that is trained is trained by the app's own worker.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { percent, span } from './progress.mjs';
import { appModule } from '../setup/app-module.mjs';
import { UserError } from './user-error.mjs';

/**
 * @typedef {import('@playwright/test').Page} Page
 * @typedef {import('../../src/headless.ts').FileInput} FileInput
 * @typedef {import('../../src/headless.ts').Files} Files
 * @typedef {import('../../src/headless.ts').HeadlessExport} HeadlessExport
 * @typedef {import('../../src/worker/protocol.ts').TrainerEvent} TrainerEvent
 * @typedef {import('../../src/recipe/options.ts').Recipe} Recipe
 * @typedef {import('../../src/worker/protocol.ts').Fault} Fault
 * @typedef {import('../../src/worker/protocol.ts').RunResult} RunResult
 * @typedef {import('./collect.mjs').Collected} Collected
 * @typedef {Pick<ReturnType<typeof import('./progress.mjs').startProgress>, 'note' | 'begin' | 'event'>} Progress
 */

/**
 * The value of an outcome, or its sentence thrown.
 * @template T
 * @param {import('../../src/headless.ts').Outcome<T>} outcome
 * @returns {T}
 */
export function valueOf(outcome) {
  if (outcome.ok) return outcome.value;
  throw new UserError(outcome.sentence, outcome.fault);
}

/**
 * Puts files into an input of the page; null stands for what ships with the app, a model of the Hub stays
 * what it is.
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
 * @property {number | null} imageSize side of the images in pixels; null for the model's own
 * @property {string | null} weights which of several models in the folder; null for the one that the rule
 *   takes
 * @property {Collected | null} adapter
 * @property {'merged' | 'branches'} adapterAs what becomes of it
 * @property {Collected | Files | null} data
 * @property {Collected | null} validation null splits the data
 * @property {import('../../src/data/reading-options.ts').ReadingOptions} reading
 * @property {unknown} recipe what differs from the defaults
 * @property {'auto' | 'webgpu' | 'wasm' | 'cpu'} backend
 * @property {'auto' | 'autodiff' | 'kernels'} engine
 * @property {'auto' | 'off'} autotune
 * @property {readonly import('./arguments.mjs').ExportFormat[]} formats none: the merged model directly in
 *   `out`
 * @property {'source' | 'F32' | 'F16' | 'BF16'} dtype
 * @property {boolean} temperature whether the head carries the temperature that fits the validation images
 * @property {boolean} proof whether proof.safetensors is wanted
 * @property {string} out an existing folder for the files
 */

/**
 * Does the job in a page of its own.
 * @param {Pick<import('@playwright/test').Browser, 'newPage'>} browser
 * @param {string} url of the built app, with a "/" at its end
 * @param {Job} job
 * @param {Progress} progress
 * @returns {Promise<RunResult>} what stands in result.json
 * @throws {UserError}
 */
export async function runJob(browser, url, job, progress) {
  const page = await browser.newPage();
  return whileAlive(page, drive(page, url, job, progress));
}

/**
 * What work in a page comes to, or why the page is no more.
 * @template T
 * @param {Page} page
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 * @throws {UserError}
 */
export function whileAlive(page, work) {
  return Promise.race([work, deathOf(page)]);
}

/**
 * Rejects when the page dies: no command of it would ever answer.
 * @param {Page} page
 * @returns {Promise<never>}
 */
export function deathOf(page) {
  /** @type {Promise<never>} */
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
  death.catch(() => undefined);
  return death;
}

/** @param {Page} page @param {Fault} fault */
const sentenceOf = (page, fault) => page.evaluate((reported) => window.graft.sentence(reported), fault);

/**
 * @typedef {Omit<Job, 'formats' | 'dtype' | 'temperature' | 'proof' | 'out'>} Training a job without what
 *   becomes of its result
 */

/**
 * A page that is open, with whoever hears its events.
 * @typedef {object} Opened
 * @property {Page} page
 * @property {(event: TrainerEvent) => void} listen
 */

/**
 * Opens the bare page.
 * @param {Page} page
 * @param {string} url of the built app, with a "/" at its end
 * @returns {Promise<Opened>}
 * @throws {UserError}
 */
export async function openPage(page, url) {
  /** @type {Opened} */
  const opened = { page, listen: () => undefined };
  await page.exposeFunction('graftEvent', (/** @type {TrainerEvent} */ event) => opened.listen(event));
  await page.goto(`${url}headless.html`);
  valueOf(await page.evaluate(() => window.graft.hello()));
  return opened;
}

/**
 * Hands an open page its model.
 * @param {Opened} opened
 * @param {Pick<Training, 'model' | 'imageSize' | 'weights' | 'adapter' | 'adapterAs'>} job
 * @param {Progress} progress
 * @throws {UserError}
 */
export async function handModel(opened, job, progress) {
  const { page } = opened;
  opened.listen = (event) => progress.event(event);
  const handed = job.adapter === null ? null : await hand(page, 'adapter', job.adapter);
  const adapter = handed?.kind === 'input' ? handed : null;
  const model = valueOf(
    await page.evaluate(
      ([files, imageSize, weights, beside, as]) =>
        window.graft.openModel(files, imageSize, weights, beside, as),
      /** @type {const} */ ([
        await hand(page, 'model', job.model),
        job.imageSize,
        job.weights,
        adapter,
        job.adapterAs,
      ]),
    ),
  );
  progress.note(
    `Model: ${model.title}, ${model.family}, ${(model.parameters / 1e6).toFixed(1)} million parameters`,
  );
  for (const note of model.notes) progress.note(`  ${note}`);
}

/**
 * Hands an open page images, in the place of those that it had.
 * @param {Opened} opened
 * @param {Pick<Training, 'data' | 'validation' | 'recipe' | 'reading'>} job
 * @param {Progress} progress
 * @throws {UserError}
 */
export async function handImages(opened, job, progress) {
  const { page } = opened;
  opened.listen = (event) => progress.event(event);
  const recipe = valueOf(await page.evaluate((json) => window.graft.recipe(json), job.recipe));
  await openImages(page, 'data', job.data, recipe, job.reading, progress);
  if (job.validation !== null)
    await openImages(page, 'validation', job.validation, recipe, job.reading, progress);
}

/**
 * Trains to the end of the run on what the page was handed; the page then holds the result.
 * @param {Opened} opened
 * @param {Pick<Training, 'recipe' | 'backend' | 'engine' | 'autotune'>} job
 * @param {Progress} progress
 * @returns {Promise<import('../../src/worker/protocol.ts').RunSummary>}
 * @throws {UserError}
 */
export async function train(opened, job, progress) {
  const { page } = opened;
  const recipe = valueOf(await page.evaluate((json) => window.graft.recipe(json), job.recipe));
  /** @param {Fault} fault */
  const sentence = (fault) => sentenceOf(page, fault);
  let stopped = false;
  // The end is an event, and may come before `start` has answered.
  const end = new Promise((resolve, reject) => {
    opened.listen = (event) => {
      progress.event(event);
      if (event.kind === 'diverging' && event.fault?.keptStep === null)
        void sentence(event.fault).then((text) => progress.note(`Warning. ${text}`), reject);
      const fault =
        event.kind === 'phase' && event.phase.kind === 'failed'
          ? event.phase.fault
          : event.kind === 'fault' && event.fault.kind === 'worker-died'
            ? event.fault
            : null;
      if (fault?.kind === 'not-finite' && !stopped) {
        // The run has diverged: it is ended, which leaves its best validated state.
        stopped = true;
        void page
          .evaluate(() => window.graft.call('stop', null))
          .then(valueOf)
          .catch(async () => reject(new UserError(await sentence(fault), fault)));
      } else if (fault !== null) {
        void sentence(fault).then((text) => reject(new UserError(text, fault)), reject);
      } else if (event.kind === 'phase' && event.phase.kind === 'finished') resolve(undefined);
    };
  });
  end.catch(() => undefined);
  const { backend, engine, autotune } = job;
  const summary = valueOf(
    await page.evaluate((input) => window.graft.call('start', input), { recipe, backend, engine, autotune }),
  );
  progress.begin(summary.steps);
  if (summary.engine.fallback !== null) progress.note(summary.engine.fallback);
  progress.note(
    `Training on ${summary.engine.backend} (${summary.engine.adapter}): ${summary.steps} steps of ${summary.batch} images, ` +
      `${summary.trainImages} to train and ${summary.validationImages} to validate, ${summary.classes.length} classes`,
  );
  await end;
  return summary;
}

/**
 * @param {Page} page
 * @param {string} url
 * @param {Job} job
 * @param {Progress} progress
 */
async function drive(page, url, job, progress) {
  const opened = await openPage(page, url);
  await handModel(opened, job, progress);
  await handImages(opened, job, progress);
  await train(opened, job, progress);
  progress.note('Merging, writing and reading back ...');
  const formats = job.formats.length > 0 ? job.formats : /** @type {const} */ (['source']);
  const exported = valueOf(
    await page.evaluate((choice) => window.graft.exportModel(choice), {
      formats: [...formats],
      dtype: job.dtype,
      tempered: job.temperature,
    }),
  );
  const { result, temperature } = exported;
  if (job.temperature)
    progress.note(
      temperature === null && result.learnedValidation === true
        ? 'No temperature was applied: the validation images were learned as well.'
        : temperature === null
          ? 'No temperature was applied: without a clear mistake on the validation images none can be found.'
          : `Temperature ${temperature.temperature.toFixed(3)} in the head, fitted on ${temperature.images} validation images: ` +
            `calibration error ${percent(temperature.calibrationError.before)} to ${percent(temperature.calibrationError.after)}`,
    );
  if (job.proof) {
    const proof = valueOf(await page.evaluate(() => window.graft.proofFile()));
    await save(page, 'proof.safetensors', proof.bytes, join(job.out, 'proof.safetensors'));
  }
  const report =
    job.formats.length === 0
      ? await saveMerged(page, exported, job.out)
      : await saveFolders(page, exported, job.out, progress);
  const { accuracy } = result.validation;
  progress.note(
    `Validation accuracy ${percent(accuracy)}, ${result.probe === null ? 'before training' : 'linear probe'} ` +
      `${percent(result.initialValidation.accuracy)}; ` +
      `${result.steps} steps in ${span(result.seconds)}; files in ${job.out}`,
  );
  if (result.diverged === null) {
    /** @type {typeof import('../../src/shared/kept-sentence.ts')} */
    const { keptSentence } = await appModule('src/shared/kept-sentence.ts');
    progress.note(keptSentence(result));
  } else progress.note(`Warning. ${await sentenceOf(page, result.diverged)}`);
  await writeFile(join(job.out, 'result.json'), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

/**
 * A page may start ten downloads, and formats have many small files: up to this size they come by the wire.
 */
const wireBytes = 500_000;

/**
 * Takes one exported file out of the page.
 * @param {Page} page
 * @param {string} name as the page knows it
 * @param {number} bytes
 * @param {string} path on disk
 */
async function save(page, name, bytes, path) {
  await mkdir(dirname(path), { recursive: true });
  if (bytes <= wireBytes) {
    const text = await page.evaluate((file) => window.graft.read(file), name);
    await writeFile(path, Buffer.from(text, 'latin1'));
    return;
  }
  const [download] = await Promise.all([
    page.waitForEvent('download', { timeout: 0 }),
    page.evaluate((file) => window.graft.download(file), name),
  ]);
  await download.saveAs(path);
}

/**
 * The merged model directly in the folder.
 * @param {Page} page
 * @param {HeadlessExport} exported
 * @param {string} out
 */
async function saveMerged(page, { formats, result, temperature }, out) {
  const [merged] = formats;
  if (merged === undefined || merged.proof === null || merged.refused !== null)
    throw new UserError(merged?.refused ?? 'Nothing was exported: start the run again.');
  for (const { name, bytes } of merged.files) await save(page, `source/${name}`, bytes, join(out, name));
  const files = [...merged.files.map(({ name }) => name), 'result.json'];
  const { maxLogitDifference: mergedMaxLogitDifference, images: mergedComparedImages } = merged.proof;
  return { ...result, temperature, mergedMaxLogitDifference, mergedComparedImages, files };
}

/**
 * Every format in a folder of its name. One that is refused is told and left out; when all are, the command
 * fails.
 * @param {Page} page
 * @param {HeadlessExport} exported
 * @param {string} out
 * @param {Progress} progress
 */
async function saveFolders(page, { formats, result, temperature }, out, progress) {
  for (const { format, files, proof, refused, note } of formats) {
    if (refused !== null || proof === null) {
      progress.note(`${format}: not written. ${refused ?? ''}`);
      continue;
    }
    await rm(join(out, format), { recursive: true, force: true });
    for (const { name, bytes } of files)
      await save(page, `${format}/${name}`, bytes, join(out, format, name));
    progress.note(
      `${format}: read back, largest logit difference ${proof.maxLogitDifference.toExponential(1)} on ${proof.images} of ${proof.of} validation images`,
    );
    if (note !== null) progress.note(`${format}: ${note}`);
  }
  const refusals = formats.flatMap(({ refused }) => refused ?? []);
  if (refusals.length === formats.length) throw new UserError(refusals.join(' '));
  const exports = formats.map(({ format, files, proof, refused, note }) => ({
    format,
    files: files.map(({ name }) => `${format}/${name}`),
    ...proof,
    refused,
    note,
  }));
  return {
    ...result,
    temperature,
    exports,
    files: [...exports.flatMap(({ files }) => files), 'result.json'],
  };
}

/**
 * @param {Page} page
 * @param {'data' | 'validation'} input
 * @param {Collected | Files | null} collected
 * @param {Recipe} recipe
 * @param {Job['reading']} reading
 * @param {Progress} progress
 */
async function openImages(page, input, collected, recipe, reading, progress) {
  const files = await hand(page, input, collected);
  const role = input === 'data' ? 'all' : 'validation';
  const summary = valueOf(
    await page.evaluate(
      ([given, as, settings, options]) => window.graft.openData(given, as, settings, options),
      /** @type {const} */ ([files, role, recipe, reading]),
    ),
  );
  if (summary.fault !== null) {
    const { fault } = summary;
    throw new UserError(await sentenceOf(page, fault), fault);
  }
  const left = summary.rejected.length === 0 ? '' : `, ${summary.rejected.length} files not used`;
  progress.note(
    `${input === 'data' ? 'Images' : 'Validation images'}: ${summary.title}, ${summary.images} in ${summary.classes.length} classes${left}`,
  );
  progress.note(`  ${summary.reading.sentence}`);
  for (const { path, reason } of summary.warnings) if (path === '') progress.note(`  ${reason}`);
  for (const { path, reason } of summary.rejected.slice(0, 5)) progress.note(`  ${path}: ${reason}`);
}
