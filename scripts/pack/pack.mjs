// The commands for a machine that has Node and nothing else: built, with what they load, in one folder. The
// app in it is dist/ as browsers get it; the scripts are built file by file, so that each lies where it lies
// in the repository; what needs a repository, a compiler or a browser is replaced by stand-ins.
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'vite';
import { buildApp } from '../setup/build.mjs';
import { buildName } from '../setup/build-name.mjs';
import { dist, root } from '../setup/paths.mjs';
import { copyLicences, copyPackages, packages, packagesOf, requirePackages } from './packages.mjs';
import { takeStandIns } from './stand-in.mjs';
import { emptyPack } from './target.mjs';

/** What only a repository has, and is not asked for in a packed form. */
const absent = ['vite', '@playwright/test'];

const gpuNeeds = process.platform === 'linux' ? ', and for a GPU its Vulkan driver' : '';

const readme = `# Graft's commands, packed

    node graft.mjs finetune --help
    node graft.mjs ablate --arms arms/method.json --seeds 5 --data A.zip,B.zip --out DIR

Needs Node 20.19, or 22.12 or newer, on ${process.platform} ${process.arch}${gpuNeeds}; no browser or compiler, and a network
only for models and data sets of the Hugging Face Hub. Both commands train without a browser (--runtime node).
GRAFT_DAWN_FLAGS="adapter=NAME" takes one of several GPUs, --backend wasm none.

LICENSE is that of Graft; the packages in node_modules have theirs beside them. sharp loads libvips and the libraries
that libvips needs (LGPL-3.0-or-later and others), as shared libraries in node_modules/@img, which may be replaced by others of the
same interface. Their sources and licences: https://github.com/lovell/sharp-libvips and https://github.com/libvips/libvips.
`;

/**
 * Builds the scripts, file by file.
 * @param {string} folder
 * @returns {Promise<string[]>} the packages that are built in
 * @throws {Error} with a sentence where a stand-in is not asked for any more
 */
async function buildScripts(folder) {
  const standIns = takeStandIns();
  /** @type {Set<string>} */
  const ids = new Set();
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    plugins: [
      standIns.plugin,
      {
        name: 'graft-built-in',
        generateBundle(_, bundle) {
          for (const part of Object.values(bundle))
            if (part.type === 'chunk') for (const id of part.moduleIds) ids.add(id);
        },
      },
    ],
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
  const left = standIns.left();
  if (left.length > 0)
    throw new Error(
      `Nothing that was packed asked for ${left.join(', ')}: its stand-in in scripts/pack has to go, or the path to it has changed.`,
    );
  return packagesOf(ids);
}

/**
 * @param {string} folder that targetFolder() took: an earlier pack in it is replaced
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the folder
 * @throws {Error} with a sentence
 */
export async function pack(folder, say) {
  requirePackages();
  await buildApp(say);
  await emptyPack(folder);
  await mkdir(folder, { recursive: true });
  // From the first file on: what a fault leaves is known as a pack, and can be packed into again.
  await writeFile(join(folder, 'graft.mjs'), "import './scripts/pack/graft.mjs';\n");
  await writeFile(join(folder, 'commit.txt'), `${buildName()}\n`);
  await copyLicences(await buildScripts(folder), folder);
  await copyPackages(folder);
  await cp(dist, join(folder, 'dist'), { recursive: true });
  await cp(join(root, 'docs/experiments/arms'), join(folder, 'arms'), { recursive: true });
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await writeFile(join(folder, 'README.md'), readme);
  return folder;
}
