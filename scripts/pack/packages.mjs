// The packages of a pack: those with parts for one system as they are installed, and the licences of those
// that are built into its scripts.
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir } from 'node:fs/promises';
import nodePath, { join } from 'node:path';
import { root } from '../setup/paths.mjs';

/** Packages with parts for one system, which are taken as they are. */
export const packages = ['webgpu', 'sharp'];

/**
 * The folder of Dawn's addon, as webgpu/index.js names it.
 * @param {string} platform of process
 * @param {string} arch of process
 */
export const addonFolder = (platform, arch) => `${platform}-${platform === 'darwin' ? 'universal' : arch}`;

/**
 * Of webgpu's files all but Dawn's addons for other systems.
 *
 * @param {string} addons the folder of the addons' folders
 * @param {string} own the name of the one to be kept
 * @param {Pick<typeof nodePath, 'relative' | 'sep'>} path of the system
 * @returns {(file: string) => boolean}
 */
export function withoutOtherAddons(addons, own, path = nodePath) {
  return (file) => {
    const [first = ''] = path.relative(addons, file).split(path.sep);
    return ['', '..', own].includes(first);
  };
}

/** @throws {Error} with a sentence where a package is not installed */
export function requirePackages() {
  const missing = packages.filter((name) => !existsSync(join(root, 'node_modules', name, 'package.json')));
  if (missing.length > 0)
    throw new Error(
      `${missing.join(' and ')} cannot be packed, as npm has not installed it: run npm ci, then npm run pack again.`,
    );
}

/**
 * Copies the installed packages that have parts for this system, and what they depend on.
 * @param {string} folder the pack
 * @throws {Error} with a sentence where there is no part for this system
 */
export async function copyPackages(folder) {
  /** @type {Set<string>} */
  const copied = new Set();
  const own = addonFolder(process.platform, process.arch);
  /**
   * @param {string} name
   * @returns {Promise<void>}
   */
  const copy = async (name) => {
    const from = join(root, 'node_modules', name);
    if (copied.has(name) || !existsSync(from)) return;
    copied.add(name);
    const { dependencies, optionalDependencies } = JSON.parse(
      await readFile(join(from, 'package.json'), 'utf8'),
    );
    const filter = name === 'webgpu' ? withoutOtherAddons(join(from, 'dist'), own) : () => true;
    await cp(from, join(folder, 'node_modules', name), { recursive: true, filter });
    // What lies inside of the package came with it.
    for (const other of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (!existsSync(join(from, 'node_modules', other))) await copy(other);
  };
  for (const name of packages) await copy(name);
  if (!existsSync(join(folder, 'node_modules/webgpu/dist', own, 'dawn.node')))
    throw new Error(
      `webgpu has no ${own}/dawn.node: Dawn does not run on this system, so pack on another one.`,
    );
  if (![...copied].some((name) => name.startsWith(`@img/sharp-${process.platform}`)))
    throw new Error(
      `sharp has no part for ${process.platform} ${process.arch}: run npm ci with optional packages, then npm run pack again.`,
    );
}

/**
 * The packages that modules come from.
 * @param {Iterable<string>} ids of modules, as Vite writes them
 * @returns {string[]} their folders in node_modules, each once
 */
export function packagesOf(ids) {
  const found = [...ids].flatMap((id) => {
    const [, name] = /\/node_modules\/((?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(found)].sort();
}

/**
 * Copies the licences of packages whose modules are built in.
 *
 * @param {readonly string[]} names
 * @param {string} folder the pack
 * @throws {Error} with a sentence where a package comes without one
 */
export async function copyLicences(names, folder) {
  for (const name of names) {
    const from = join(root, 'node_modules', name);
    const to = join(folder, 'node_modules', name);
    const files = (await readdir(from)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    if (files.length === 0)
      throw new Error(
        `${name} would be packed without its licence, as it has no such file: keep it out of the scripts.`,
      );
    await mkdir(to, { recursive: true });
    for (const file of files) await cp(join(from, file), join(to, file), { recursive: true });
  }
}
