// Graft's code as one module that Node runs: Vite bundles the TypeScript and tfjs, which publishes ES modules
// that Node does not take for such.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../setup/paths.mjs';

/** @returns {Promise<typeof import('./graft/entry.ts')>} */
export async function buildGraft() {
  const { build } = await import('vite');
  // Inside the repository: the bundle looks for tfjs's wasm binary in node_modules.
  const outDir = join(root, '.cache/interop');
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    define: { __BUILD__: '"interop"', 'navigator.userAgent': '"Node"' },
    ssr: { noExternal: true },
    build: {
      ssr: 'scripts/interop/graft/entry.ts',
      outDir,
      emptyOutDir: true,
      copyPublicDir: false,
      minify: false,
      target: 'node20',
      // tfjs's wasm loader asks for the folder that it lies in, which ES modules do not know.
      rolldownOptions: {
        output: { entryFileNames: 'graft.mjs', banner: 'const __dirname = import.meta.dirname;' },
      },
    },
  });
  return import(pathToFileURL(join(outDir, 'graft.mjs')).href);
}
