// `npm test`: installs what is missing, a browser included, then runs every step of steps.mjs in order and
// ends with one line of counts. `npm run check` (--node-only) is the same without the steps that need more
// than Node. A step that is no test (format, types, lint, build ...) counts as one test. Nothing stops at a
// failure, so one run tells everything; only what looks at a failed build is left out, and counts as failed.
import './setup/node-version.mjs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from './setup/install.mjs';
import { root } from './setup/paths.mjs';
import { runNpm, runProgram } from './setup/run-tool.mjs';
import {
  countOfInterop,
  countOfPlaywright,
  countOfVitest,
  skippedByFile,
  sum,
} from './setup/test-counts.mjs';
import { nodeSteps, steps } from './steps.mjs';

/** @typedef {import('./setup/test-counts.mjs').Counts} Counts */
/** @typedef {import('./steps.mjs').Step} Step */

const reports = join(root, 'test-results');
const unitReport = join(reports, 'unit.json');
const e2eReport = join(reports, 'e2e.json');
const interopReport = join(reports, 'interop.json');

/** @param {string} line */
const say = (line) => console.log(line);

const begunAt = Date.now();

/**
 * @param {number} ms
 * @returns {string} "4:05 min"
 */
const minutes = (ms) =>
  `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')} min`;

/** @param {string} title */
const heading = (title) => say(`\n=== ${title} ${'='.repeat(Math.max(3, 70 - title.length))}`);

/**
 * @param {string} path
 * @returns {Promise<unknown>} what the file holds, or null
 */
const readJson = (path) =>
  readFile(path, 'utf8').then(
    (text) => /** @type {unknown} */ (JSON.parse(text)),
    () => null,
  );

/**
 * @returns {Promise<string | null>} path of a browser, or null where none is to be had, which is then told
 */
async function findBrowser() {
  const { findOrInstallBrowser } = await import('./setup/browser.mjs');
  return findOrInstallBrowser(say).catch((thrown) => {
    say(thrown instanceof Error ? thrown.message : String(thrown));
    return null;
  });
}

/** @type {Counts} */
const onePassed = { passed: 1, failed: 0, failures: [], skipped: [] };
/**
 * @param {string} title
 * @returns {Counts}
 */
const oneFailed = (title) => ({ passed: 0, failed: 1, failures: [title], skipped: [] });

/**
 * @param {Step} step
 * @param {string | null} browser
 * @returns {Promise<Counts>}
 */
async function runStep({ title, script, args = [], report }, browser) {
  /** @param {string[]} more */
  const run = (more = [], env = {}) => runNpm(['run', '--silent', script, '--', ...args, ...more], { env });
  switch (report) {
    case 'vitest': {
      const code = await run(['--reporter=default', '--reporter=json', `--outputFile.json=${unitReport}`]);
      return countOfVitest(await readJson(unitReport), code);
    }
    case 'playwright': {
      const env = { CHROME_PATH: browser ?? '', PLAYWRIGHT_JSON_OUTPUT_NAME: e2eReport };
      const code = await run(['--reporter=list,json'], env);
      return countOfPlaywright(await readJson(e2eReport), code);
    }
    case 'interop': {
      // Without npm between, so that the limit ends the program itself.
      const program = [join(root, 'scripts/interop/run.mjs'), ...args, '--json', interopReport];
      const code = await runProgram(process.execPath, program, { limitMs: 8 * 60_000 });
      return countOfInterop(await readJson(interopReport), code);
    }
    default: {
      const passed = (await run()) === 0;
      say(passed ? `${title}: passed` : `${title}: FAILED`);
      return passed ? onePassed : oneFailed(title);
    }
  }
}

/** @param {readonly Step[]} chosen */
async function runAll(chosen) {
  heading('Set-up');
  await installPackages(say);
  const wantsBrowser = chosen.some(({ needs }) => needs === 'browser');
  const browser = wantsBrowser ? await findBrowser() : null;
  say(
    `Node ${process.versions.node}; packages as package-lock.json says` +
      `${wantsBrowser ? `; browser ${browser ?? 'missing'}` : ''}`,
  );
  await rm(reports, { recursive: true, force: true });
  await mkdir(reports, { recursive: true });
  /** @type {Map<string, Counts>} */
  const counts = new Map();
  for (const step of chosen) {
    const from = Date.now();
    heading(`${step.title}, ${minutes(from - begunAt)} after the start`);
    // Some say nothing for minutes.
    const alive = setInterval(() => say(`... ${step.title}: ${minutes(Date.now() - from)} so far`), 60_000);
    const failedBefore = step.after !== undefined && counts.get(step.after)?.failed !== 0;
    const missing = step.needs === 'browser' && browser === null ? 'there is no browser' : null;
    const why = failedBefore ? `${step.after} failed` : missing;
    if (why !== null) say(`${step.title}: not run, ${why}`);
    counts.set(step.title, why === null ? await runStep(step, browser) : oneFailed(`${step.title}: ${why}`));
    clearInterval(alive);
    if (why === null) say(`${step.title}: took ${minutes(Date.now() - from)}`);
  }
  return sum([...counts.values()]);
}

const chosen = process.argv.includes('--node-only') ? nodeSteps : steps;
const left = steps.filter((step) => !chosen.includes(step)).map(({ title }) => title);

try {
  const { passed, failed, failures, skipped } = await runAll(chosen);
  heading('Result');
  /** @param {string[]} lines */
  const list = (lines) => lines.map((line) => `  ${line}`).join('\n');
  if (skipped.length > 0) say(`Skipped:\n${list(skippedByFile(skipped))}`);
  if (left.length > 0) say(`Only \`npm test\` runs: ${left.join(', ')}`);
  if (failures.length > 0) say(`Failed:\n${list(failures)}`);
  say(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown));
  say('0 passed, 1 failed, 0 skipped');
  process.exitCode = 1;
}
