// `npm run wasm`: compiles the processor's kernels (src/engine/autodiff/assembly) into a TypeScript file that
// holds the module's bytes, so that every bundler and Node load it alike. A unit test compares the two.
import { writeFile } from 'node:fs/promises';
import asc from 'assemblyscript/asc';

const folder = new URL('../src/engine/autodiff/', import.meta.url);
const options = [
  ...['-O3', '--runtime', 'stub', '--noAssert', '--use', 'abort='], // nothing is allocated, nothing aborts
  ...['--enable', 'simd', '--importMemory', '--noExportMemory'],
];

/**
 * The kernels' WebAssembly module.
 *
 * @returns {Promise<Uint8Array>}
 * @throws Error with the compiler's messages.
 */
export async function compileKernels() {
  const { pathname } = new URL('assembly/kernels.ts', folder);
  /** @type {Uint8Array | null} */
  let binary = null;
  const { error, stderr } = await asc.main([pathname, '--outFile', 'kernels.wasm', ...options], {
    writeFile: (_name, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error !== null || binary === null) throw new Error(`${stderr}`);
  return binary;
}

/**
 * The TypeScript file around the module's bytes.
 *
 * @param {Uint8Array} binary
 */
export function moduleText(binary) {
  return `// Made by \`npm run wasm\` from assembly/kernels.ts: the processor's kernels, base64 of a WebAssembly module.
export const kernelsBase64 =
  '${Buffer.from(binary).toString('base64')}';
`;
}

if (process.argv[1] === new URL(import.meta.url).pathname)
  await writeFile(new URL('kernels.wasm.ts', folder), moduleText(await compileKernels()));
