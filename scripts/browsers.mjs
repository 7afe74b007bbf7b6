// `npm run browsers`: Graft in the browsers of other makers that this machine has. The smoke test in Firefox and in
// WebKit; with --gpu also the engine's reference checks in Firefox, on WebGPU of whatever driver there is. Not part
// of `npm test`, which a machine with Node alone passes. docs/browsers.md says how to get them and what was seen.
import './setup/node-version.mjs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildApp } from './setup/build.mjs';
import { installBeside, installPackages } from './setup/install.mjs';

const usage = `npm run browsers -- [firefox] [webkit] [--gpu]
  firefox, webkit   only these
  --gpu             the reference checks in Firefox on WebGPU too
FIREFOX_PATH and WEBKIT_DRIVER_PATH name a browser that is not found. The exit code is 1 when one failed, or none was there.`;

/** @param {string} line */
const say = (line) => console.log(line);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    gpu: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  say(usage);
  process.exit(0);
}
await installPackages(say);
await buildApp(say);
await installBeside(join(import.meta.dirname, 'browsers'), 'what drives Firefox', say);
const { findFirefox, findWebkit, startFirefox, startWebkit } = await import('./browsers/driven.mjs');
const { smoke } = await import('./browsers/smoke.mjs');
const { referenceChecks } = await import('./browsers/reference.mjs');

/** @typedef {import('./browsers/driven.mjs').Driven} Driven */

/** @type {Record<'firefox' | 'webkit', { title: string, path: string | null, start: (path: string, gpu: boolean) => Promise<Driven> }>} */
const browsers = {
  firefox: { title: 'Firefox', path: findFirefox(), start: startFirefox },
  webkit: { title: 'WebKit', path: findWebkit(), start: startWebkit },
};

/**
 * @param {string} what
 * @param {() => Promise<Driven>} start
 * @param {(browser: Driven, tell: (line: string) => void) => Promise<void>} work
 * @returns {Promise<boolean>} whether it went well
 */
async function run(what, start, work) {
  /** @type {Driven | null} */
  let browser = null;
  try {
    browser = await start();
    say(`\n${what}: ${browser.name}`);
    const startedAt = performance.now();
    await work(browser, (line) => say(`  ${((performance.now() - startedAt) / 1000).toFixed(0)} s: ${line}`));
    say(`${what}: passed`);
    return true;
  } catch (thrown) {
    say(`${what}: FAILED. ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    return false;
  } finally {
    await browser?.close();
  }
}

/** @type {boolean[]} */
const results = [];
for (const [name, { title, path, start }] of Object.entries(browsers)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  if (path === null) {
    say(`\n${title}: not run, it is not installed (docs/browsers.md)`);
    continue;
  }
  results.push(await run(`${title}, smoke`, () => start(path, false), smoke));
  if (values.gpu && name === 'firefox')
    results.push(await run(`${title}, reference checks on WebGPU`, () => start(path, true), referenceChecks));
}
process.exitCode = results.length > 0 && results.every(Boolean) ? 0 : 1;
