// The recipe of the command: a file and single settings, checked by the app's own table of options
// (src/recipe) before anything is built or started.
import { open } from 'node:fs/promises';
import { appModule } from '../setup/app-module.mjs';
import { UserError } from './user-error.mjs';

/** @typedef {import('../../src/recipe/read-recipe.ts').Setting} Setting */

/**
 * The complete recipe; what neither file nor settings say has its default.
 * @param {string | null} path
 * @param {readonly Setting[]} settings laid over the file, the later over the earlier
 * @returns {Promise<import('../../src/recipe/options.ts').Recipe>}
 * @throws {UserError}
 */
export async function readRecipe(path, settings) {
  /** @type {typeof import('../../src/recipe/read-recipe.ts')} */
  const { mostBytes, readRecipeFile } = await appModule('src/recipe/read-recipe.ts');
  const file = path === null ? null : await beginOf(path, mostBytes + 1);
  const recipe = await readRecipeFile(file, settings);
  if (recipe.ok) return recipe.value;
  /** @type {typeof import('../../src/shared/describe-fault.ts')} */
  const { faultSentence } = await appModule('src/shared/describe-fault.ts');
  throw new UserError(faultSentence(recipe.fault), recipe.fault);
}

/**
 * A file, or the first bytes of one that is too large anyway.
 * @param {string} path
 * @param {number} bytes
 */
async function beginOf(path, bytes) {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
      return new Blob([buffer.subarray(0, bytesRead)]);
    } finally {
      await file.close();
    }
  } catch {
    throw new UserError(`--recipe: "${path}" cannot be read. Check that it is a file that you may read.`);
  }
}
