// The JavaScript libraries: a package of its own beside this file, installed when it is needed and missing.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { missingPackages } from '../setup/install.mjs';
import { collect } from './python.mjs';

const folder = import.meta.dirname;

/** @param {string} name */
const lock = async (name) => JSON.parse(await readFile(join(folder, name), 'utf8').catch(() => '{}'));

/**
 * Installs the libraries where they are missing; install scripts never run.
 * @param {(line: string) => void} say
 * @returns {Promise<string | null>} why they are not there; null when they are
 */
export async function installLibraries(say) {
  const installed = await lock('node_modules/.package-lock.json');
  if (missingPackages(await lock('package-lock.json'), installed).length === 0) return null;
  say('Installing @huggingface/transformers and onnxruntime-web (once, about 600 MB) ...');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder];
  const npm = process.env['npm_execpath'];
  const { code, err } =
    npm !== undefined && existsSync(npm)
      ? await collect(process.execPath, [npm, ...args])
      : await collect('npm', args);
  return code === 0
    ? null
    : `npm could not install them (${err.trim().split('\n').at(-1)?.slice(0, 120) ?? ''})`;
}

/**
 * @param {string} work
 * @param {readonly string[]} families
 * @param {Parameters<typeof collect>[2]} options
 */
export function runJavaScript(work, families, options) {
  return collect(process.execPath, [join(folder, 'check-exports.mjs'), work, ...families], options);
}
