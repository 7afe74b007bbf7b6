// The packages: compares what package-lock.json asks for with what node_modules holds, and installs when they
// differ. Install scripts of packages never run; none that the app or its tests use needs one
// (scripts/supply-chain.test.ts).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { runNpm } from './run-tool.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, devOptional?: boolean, link?: boolean }} LockedPackage
 */
/** @typedef {{ packages?: Record<string, LockedPackage> }} Lock */

/**
 * The packages that a lock file asks for and an installation does not have in the same version. Optional ones
 * may be missing: most are builds for another system.
 * @param {Lock} wanted package-lock.json
 * @param {Lock} installed node_modules/.package-lock.json, which npm writes when an installation is complete
 */
export function missingPackages(wanted, installed) {
  const there = new Map(Object.entries(installed.packages ?? {}));
  return Object.entries(wanted.packages ?? {})
    .filter(([path, { optional, devOptional }]) => path !== '' && optional !== true && devOptional !== true)
    .filter(([path, { version }]) => there.get(path)?.version !== version)
    .map(([path]) => path);
}

/**
 * @param {string} path
 * @returns {Promise<Lock>}
 */
async function readLock(path) {
  try {
    return JSON.parse(await readFile(join(root, path), 'utf8'));
  } catch {
    return {};
  }
}

/**
 * Installs the packages where they are missing or of another version than the lock file says.
 * @param {(line: string) => void} say
 * @throws {Error} with a sentence when npm fails
 */
export async function installPackages(say) {
  const missing = missingPackages(
    await readLock('package-lock.json'),
    await readLock('node_modules/.package-lock.json'),
  );
  if (missing.length === 0) return;
  say(`Installing ${missing.length} packages (once; this takes a minute or two) ...`);
  const code = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { toStderr: true });
  if (code !== 0) {
    throw new Error(
      'The packages could not be installed (npm\'s own words stand above): check the connection to the registry that "npm config get registry" names, then run the command again.',
    );
  }
}
