// The commands for a machine that has Node and nothing else: built, with what they load, in one folder. The app in it is
// dist/ as browsers get it; the scripts are built file by file, so that each lies where it lies in the repository;
// what needs a repository, a compiler or a browser is replaced by stand-ins.
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'vite';
import { buildApp } from '../setup/build.mjs';
import { buildName } from '../setup/build-name.mjs';
import { dist, root } from '../setup/paths.mjs';

/** Packages with parts for one system, which are taken as they are. */
const packages = ['webgpu', 'sharp'];

/** What only a repository has, and is not asked for in a packed form. */
const absent = ['vite', '@playwright/test'];

const standIns = ['app-module', 'install', 'build', 'build-name', 'paths'];

/** Takes stand-ins for modules of scripts/setup. @type {import('vite').Plugin} */
const standIn = {
  name: 'graft-stand-ins',
  enforce: 'pre',
  async resolveId(source, importer) {
    const name = basename(source, '.mjs');
    if (importer === undefined || !standIns.includes(name)) return null;
    const meant = await this.resolve(source, importer, { skipSelf: true });
    return meant?.id === join(root, 'scripts/setup', `${name}.mjs`)
      ? join(root, 'scripts/pack/stand-ins', `${name}.mjs`)
      : null;
  },
};

const readme = `# Graft's commands, packed

    node graft.mjs finetune --help
    node graft.mjs ablate --arms arms/method.json --seeds 5 --data A.zip,B.zip --out DIR

Needs Node 20.19 or newer on ${process.platform} ${process.arch}, and for a GPU its Vulkan driver; no network, browser or compiler. Both train
without a browser (--runtime node). GRAFT_DAWN_FLAGS="adapter=NAME" takes one of several GPUs, --backend wasm none.
`;

/**
 * Copies an installed package and what it depends on; of Dawn's addons that of this system.
 *
 * @param {string} name
 * @param {string} folder
 */
async function copyPackage(name, folder) {
  const from = join(root, 'node_modules', name);
  const to = join(folder, 'node_modules', name);
  if (existsSync(to) || !existsSync(from)) return;
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(from, 'package.json'), 'utf8'),
  );
  const addons = join(from, 'dist');
  const own = join(addons, `${process.platform}-${process.arch}`);
  await cp(from, to, {
    recursive: true,
    filter: (file) => name !== 'webgpu' || !file.startsWith(`${addons}/`) || file.startsWith(own),
  });
  for (const other of Object.keys({ ...dependencies, ...optionalDependencies }))
    await copyPackage(other, folder);
}

/**
 * @param {string} target a folder that is made, or written over
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the folder
 */
export async function pack(target, say) {
  const folder = resolve(target);
  await buildApp(say);
  await mkdir(folder, { recursive: true });
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    plugins: [standIn],
    ssr: { noExternal: true, external: [...packages, ...absent], target: 'node' },
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      target: 'node20',
      minify: false,
      rolldownOptions: {
        input: ['scripts/pack/graft.mjs', 'scripts/ablate/node-trials.mjs', 'scripts/node/thread.mjs'],
        output: { preserveModules: true, preserveModulesRoot: root, entryFileNames: '[name].mjs' },
      },
    },
  });
  for (const name of packages) await copyPackage(name, folder);
  await cp(dist, join(folder, 'dist'), { recursive: true });
  await cp(join(root, 'docs/experiments/arms'), join(folder, 'arms'), { recursive: true });
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await writeFile(join(folder, 'graft.mjs'), "import './scripts/pack/graft.mjs';\n");
  await writeFile(join(folder, 'commit.txt'), `${buildName()}\n`);
  await writeFile(join(folder, 'README.md'), readme);
  return folder;
}
