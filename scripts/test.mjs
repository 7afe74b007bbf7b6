// `npm test`: installs what is missing, a browser included, then runs every check in order and ends with one
// line of counts. A check that is no test (format, types, lint, build ...) counts as one test. Nothing stops
// at a failure, so one run tells everything; only what a failed build would serve is left out.
import './setup/node-version.mjs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from './setup/install.mjs';
import { root } from './setup/paths.mjs';
import { runNpm, runProgram, runTool } from './setup/run-tool.mjs';
import { countOfInterop, countOfPlaywright, countOfVitest, sum } from './setup/test-counts.mjs';

/** @typedef {import('./setup/test-counts.mjs').Counts} Counts */

const reports = join(root, 'test-results');
const unitReport = join(reports, 'unit.json');
const e2eReport = join(reports, 'e2e.json');
const interopReport = join(reports, 'interop.json');

/** @param {string} line */
const say = (line) => console.log(line);

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
 * A check that passes or fails as a whole.
 * @param {string} title
 * @param {string} script of package.json
 * @returns {Promise<Counts>}
 */
async function check(title, script) {
  heading(title);
  const passed = (await runNpm(['run', '--silent', script])) === 0;
  say(passed ? `${title}: passed` : `${title}: FAILED`);
  return passed ? { passed: 1, failed: 0, skipped: [] } : { passed: 0, failed: 1, skipped: [] };
}

/** @returns {Promise<Counts>} */
async function unitTests() {
  heading('Unit tests');
  const code = await runTool('vitest/vitest.mjs', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${unitReport}`,
  ]);
  return countOfVitest(await readJson(unitReport), code);
}

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

/**
 * @param {string} browser
 * @returns {Promise<Counts>}
 */
async function endToEndTests(browser) {
  heading('End-to-end tests');
  const env = { CHROME_PATH: browser, PLAYWRIGHT_JSON_OUTPUT_NAME: e2eReport };
  const code = await runTool('@playwright/test/cli.js', ['test', '--reporter=list,json'], { env });
  return countOfPlaywright(await readJson(e2eReport), code);
}

/**
 * Exports in the real libraries, a family of each kind; what the machine lacks is skipped and said.
 * @returns {Promise<Counts>}
 */
async function interoperability() {
  heading('Interoperability');
  const args = [join(root, 'scripts/interop/run.mjs'), '--quick', '--json', interopReport];
  const code = await runProgram(process.execPath, args, { limitMs: 8 * 60_000 });
  return countOfInterop(await readJson(interopReport), code);
}

async function runAll() {
  heading('Set-up');
  await installPackages(say);
  const browser = await findBrowser();
  say(`Node ${process.versions.node}; packages as package-lock.json says; browser ${browser ?? 'missing'}`);
  await rm(reports, { recursive: true, force: true });
  await mkdir(reports, { recursive: true });
  const counts = [
    await check('Format', 'format'),
    await check('Types', 'types'),
    await check('Lint', 'lint'),
    await check('Import rule', 'imports'),
    await check('Unused code', 'unused'),
    await unitTests(),
    await interoperability(),
  ];
  const build = await check('Build', 'build');
  counts.push(build);
  if (build.failed === 0) counts.push(await check('Size', 'size'));
  if (build.failed === 0 && browser !== null) counts.push(await endToEndTests(browser));
  else {
    say(`End-to-end tests: not run, there is no ${browser === null ? 'browser' : 'build'}`);
    counts.push({ passed: 0, failed: 1, skipped: [] });
  }
  return sum(counts);
}

try {
  const { passed, failed, skipped } = await runAll();
  heading('Result');
  if (skipped.length > 0) say(`Skipped:\n${skipped.map((name) => `  ${name}`).join('\n')}`);
  say(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : String(thrown));
  say('0 passed, 1 failed, 0 skipped');
  process.exitCode = 1;
}
