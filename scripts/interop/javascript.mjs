// The JavaScript libraries: a package of its own beside this file, installed when it is needed and missing.
import { join } from 'node:path';
import { installBeside } from '../setup/install.mjs';
import { collect } from './python.mjs';

const folder = import.meta.dirname;

/**
 * Installs the libraries where they are missing; install scripts never run.
 * @param {(line: string) => void} say
 * @returns {Promise<string | null>} why they are not there; null when they are
 */
export async function installLibraries(say) {
  try {
    await installBeside(folder, '@huggingface/transformers and onnxruntime-web, about 600 MB', say);
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/**
 * @param {string} work
 * @param {readonly string[]} families
 * @param {Parameters<typeof collect>[2]} options
 */
export function runJavaScript(work, families, options) {
  return collect(process.execPath, [join(folder, 'check-exports.mjs'), work, ...families], options);
}
