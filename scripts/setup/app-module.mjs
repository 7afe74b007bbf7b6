// Modules of the app in Node, whose oldest version here reads no TypeScript: Vite does. In a packed form they
// are built already (scripts/pack/stand-ins/app-module.mjs).
import { root } from './paths.mjs';

/**
 * @template T
 * @param {string} path from the repository's root
 * @returns {Promise<T>}
 */
export async function appModule(path) {
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(`${root}${path}`, { configFile: false, root, logLevel: 'silent' });
  return /** @type {T} */ (module);
}
