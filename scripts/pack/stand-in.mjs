// Stand-ins for modules of scripts/setup: what needs a repository, a compiler or npm.
import { basename, join } from 'node:path';
import { normalizePath } from 'vite';
import { root } from '../setup/paths.mjs';

const standIns = ['app-module', 'install', 'build', 'build-name', 'paths'];

/**
 * The stand-in for a module.
 * @param {string} id of the module, as Vite writes it: with "/" on every system
 * @returns {string | null} its id; null where the module is taken as it is
 */
export function standInOf(id) {
  const name = standIns.find((one) => id === normalizePath(join(root, 'scripts/setup', `${one}.mjs`)));
  return name === undefined ? null : normalizePath(join(root, 'scripts/pack/stand-ins', `${name}.mjs`));
}

/** Takes the stand-ins in a build, and remembers which. */
export function takeStandIns() {
  /** @type {Set<string>} */
  const taken = new Set();
  /** @type {import('vite').Plugin} */
  const plugin = {
    name: 'graft-stand-ins',
    enforce: 'pre',
    async resolveId(source, importer) {
      if (importer === undefined || !standIns.includes(basename(source, '.mjs'))) return null;
      const meant = await this.resolve(source, importer, { skipSelf: true });
      const id = meant === null ? null : standInOf(meant.id);
      if (id !== null) taken.add(basename(id, '.mjs'));
      return id;
    },
  };
  /** Names of those that nothing asked for. */
  const left = () => standIns.filter((name) => !taken.has(name));
  return { plugin, left };
}
