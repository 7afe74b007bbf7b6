// Stand-ins for modules that need a repository, a compiler, npm or a browser.
import { basename, join } from 'node:path';
import { normalizePath } from 'vite';
import { root } from '../setup/paths.mjs';

/** Their names, by what they stand in for. @type {ReadonlyMap<string, string>} */
const standIns = new Map([
  ...['app-module', 'install', 'build', 'build-name', 'paths'].map(
    (name) => /** @type {const} */ ([`scripts/setup/${name}.mjs`, name]),
  ),
  ['scripts/ablate/pages.ts', 'pages'],
]);
const fileNames = new Set([...standIns.keys()].map((file) => basename(file)));

/**
 * The stand-in for a module.
 * @param {string} id of the module, as Vite writes it: with "/" on every system
 * @returns {string | null} its id; null where the module is taken as it is
 */
export function standInOf(id) {
  for (const [file, name] of standIns)
    if (id === normalizePath(join(root, file)))
      return normalizePath(join(root, 'scripts/pack/stand-ins', `${name}.mjs`));
  return null;
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
      if (importer === undefined || !fileNames.has(basename(source))) return null;
      const meant = await this.resolve(source, importer, { skipSelf: true });
      const id = meant === null ? null : standInOf(meant.id);
      if (id !== null) taken.add(basename(id, '.mjs'));
      return id;
    },
  };
  /** What nothing asked for. */
  const left = () => [...standIns].filter(([, name]) => !taken.has(name)).map(([file]) => file);
  return { plugin, left };
}
