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
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return {};
  }
}

/** @param {string} folder of a package.json */
async function missingIn(folder) {
  const [wanted, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => readLock(join(folder, name))),
  );
  return missingPackages(wanted ?? {}, installed ?? {});
}

const ci = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];

/**
 * Installs the packages where they are missing or of another version than the lock file says.
 * @param {(line: string) => void} say
 * @throws {Error} with a sentence when npm fails
 */
export async function installPackages(say) {
  const missing = await missingIn(root);
  if (missing.length === 0) return;
  say(`Installing ${missing.length} packages (once; this takes a minute or two) ...`);
  const code = await runNpm(ci, { toStderr: true });
  if (code !== 0) {
    throw new Error(
      'The packages could not be installed (npm\'s own words stand above): check the connection to the registry that "npm config get registry" names, then run the command again.',
    );
  }
}

/**
 * Installs a package of its own beside a command, which only that command needs, where it is missing.
 * @param {string} folder of its package.json
 * @param {string} what it is, for people
 * @param {(line: string) => void} say
 * @throws {Error} with a sentence when npm fails
 */
export async function installBeside(folder, what, say) {
  if ((await missingIn(folder)).length === 0) return;
  say(`Installing ${what} (once) ...`);
  if ((await runNpm([...ci, '--prefix', folder], { toStderr: true })) !== 0)
    throw new Error(`npm could not install ${what}: its own words stand above.`);
}
