// Bundles the bench for Node into one file, and packs it with Dawn's addon into a folder that runs on any
// Linux x64 machine with Node 20 and a Vulkan driver, without a network.
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const here = path.dirname(fileURLToPath(import.meta.url));

/** The commit of the working tree, with a mark when something is changed; null outside a repository. */
export function commitOfTree() {
  try {
    const git = (/** @type {string[]} */ ...args) =>
      execFileSync('git', args, { cwd: here, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' (changed)' : ''}`;
  } catch {
    return null;
  }
}

/** Writes bench.mjs and torch_step.py into a folder. @param {string} folder */
export async function bundle(folder) {
  await mkdir(folder, { recursive: true });
  await build({
    root: here,
    configFile: false,
    logLevel: 'warn',
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: path.join(here, 'node-main.ts'),
      outDir: folder,
      emptyOutDir: false,
      target: 'node20',
      minify: false,
      chunkSizeWarningLimit: 8000,
      rolldownOptions: { output: { entryFileNames: 'bench.mjs', codeSplitting: false } },
    },
  });
  await cp(path.join(here, 'torch_step.py'), path.join(folder, 'torch_step.py'));
  return path.join(folder, 'bench.mjs');
}

const readme = `# Graft's bench, packed

    node bench.mjs --json result.json

On a real GPU that is everything, in under four minutes: steps of all shapes beside PyTorch's (where python3 or GRAFT_PYTHON has
one with CUDA) and beside another build's (before/, where it was packed), every variant of the kernels alone, the adapter. What
comes later is left out where time runs out; --budget SECONDS gives more.

    node bench.mjs [--quick] [--cases kernels/vit-b/b32,jax-js/tiny/b8] [--kernels] [--steps N] [--repeat N] [--json FILE]

Needs Linux x64, Node 20.19 or newer and a Vulkan driver (libvulkan.so.1 and the GPU's ICD); no network. Engines: kernels
(Graft), tfjs-webgpu, jax-js, torch-cpu and torch-cuda where python3 or GRAFT_PYTHON has torch. Models: small, shipped, tiny, vit-s, vit-b.
VK_ICD_FILENAMES names a driver, GRAFT_DAWN_FLAGS="adapter=NAME" one of several GPUs. On a software driver (lavapipe,
SwiftShader) figures say nothing about a GPU; the table names the adapter.
`;

/**
 * @param {string} target
 * @param {string | undefined} against another checkout (with node_modules), packed into before/
 */
export async function pack(target, against) {
  const folder = path.resolve(target);
  await bundle(folder);
  const dawn = path.dirname(createRequire(import.meta.url).resolve('webgpu/package.json'));
  await cp(path.join(dawn, 'dist', 'linux-x64', 'dawn.node'), path.join(folder, 'dawn.node'));
  await cp(path.join(dawn, 'LICENSE.md'), path.join(folder, 'dawn.LICENSE.md'));
  await cp(path.join(here, '..', 'LICENSE'), path.join(folder, 'LICENSE'));
  await writeFile(path.join(folder, 'README.md'), readme);
  await writeFile(path.join(folder, 'commit.txt'), `${commitOfTree() ?? 'unknown'}\n`);
  if (against !== undefined) {
    const other = await import(pathToFileURL(path.resolve(against, 'bench', 'pack.mjs')).href);
    await other.pack(path.join(folder, 'before'));
  }
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((one) =>
    one.isFile(),
  );
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(path.join(parentPath, name))).size),
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes > 60e6) throw new Error(`the packed bench has ${(bytes / 1e6).toFixed(1)} MB; 60 are allowed`);
  return { folder, bytes };
}
