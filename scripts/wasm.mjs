// `npm run wasm`: compiles the processor's kernels, AssemblyScript in folders named assembly, into TypeScript files
// that hold the modules' bytes, so that every bundler and Node load them alike. A unit test compares the two.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

// By a name that TypeScript does not follow: the package's types declare globals that change those of Array.
const compiler = 'assemblyscript/asc';
const { default: asc } = await import(compiler);

const source = new URL('../src/', import.meta.url);
const options = [
  ...['-O3', '--runtime', 'stub', '--noAssert', '--use', 'abort='], // nothing is allocated, nothing aborts
  ...['--enable', 'simd', '--importMemory', '--noExportMemory'],
  ...['--disableWarning', '112'], // globals of four numbers cannot be read from outside, and need not be
];

/** The modules: folder below src/, name of the source, name of what is made of it, options of its own. */
export const modules = [
  { folder: 'engine/autodiff/', name: 'kernels', made: 'kernels', features: [] },
  { folder: 'engine/autodiff/', name: 'kernels', made: 'kernels-fused', features: ['relaxed-simd'] },
  { folder: 'train/', name: 'dense', made: 'dense', features: [] },
  { folder: 'formats/onnx/', name: 'product', made: 'product', features: [] },
];

/**
 * The TypeScript file of a module, with the bytes that its source compiles to.
 *
 * @param {{folder: string, name: string, made: string, features: readonly string[]}} module
 * @returns {Promise<{file: URL, text: string}>}
 * @throws Error with the compiler's messages.
 */
export async function compiled({ folder, name, made, features }) {
  const path = fileURLToPath(new URL(`${folder}assembly/${name}.ts`, source));
  /** @type {Uint8Array | null} */
  let binary = null;
  const enabled = features.flatMap((feature) => ['--enable', feature]);
  const { error, stderr } = await asc.main([path, '--outFile', `${name}.wasm`, ...options, ...enabled], {
    writeFile: (/** @type {string} */ _name, /** @type {string | Uint8Array} */ contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  if (error !== null || binary === null) throw new Error(`${stderr}`);
  const text = `// Made by \`npm run wasm\` from assembly/${name}.ts: base64 of a WebAssembly module.
export const ${made.replace(/-(.)/g, (_, letter) => letter.toUpperCase())}Base64 =
  '${Buffer.from(binary).toString('base64')}';
`;
  return { file: new URL(`${folder}${made}.wasm.ts`, source), text };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const module of modules) {
    const { file, text } = await compiled(module);
    await writeFile(file, text);
  }
