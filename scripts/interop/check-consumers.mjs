// What JavaScript makes of the same photographs: transformers.js (its processor and its pipeline's model) and
// Graft's pixels.mjs with onnxruntime-web, each in Chromium and under Node.
//
//   node scripts/interop/check-consumers.mjs ONNX_FOLDER PHOTOS OUT.safetensors
//
// Writes `NAME.I` [3, h, w] and `logits.NAME` [photos, classes], NAME being `js-node`, `graft-node`,
// `js-browser`, `graft-browser`. The folder must hold pixels.mjs. Without a browser only the first two.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { quietFlags } from '../setup/browser-flags.mjs';
import { findBrowser } from '../setup/browser.mjs';

const [folder = '', photos = '', out = ''] = process.argv.slice(2).map((path) => resolve(path));
const libraries = join(import.meta.dirname, 'node_modules');
const names = (await readdir(photos)).sort();

/** @typedef {{ pixels: Float32Array[], dims: number[], logits: number[][] }} Seen */

/**
 * Runs in Node and in the page: the same code, other libraries.
 * @param {{ transformers: any, ort: any, pixelsOf: (source: any) =>
 *   Promise<{ data: Float32Array, dims: number[] }> }} libraries
 * @param {string} model
 * @param {ArrayBuffer | Uint8Array} graph
 * @param {any[]} sources
 */
async function inspect({ transformers, ort, pixelsOf }, model, graph, sources) {
  const { AutoModelForImageClassification, AutoProcessor, RawImage, env } = transformers;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  const processor = await AutoProcessor.from_pretrained(model, { local_files_only: true });
  const net = await AutoModelForImageClassification.from_pretrained(model, {
    local_files_only: true,
    dtype: 'fp32',
  });
  const session = await ort.InferenceSession.create(graph, { executionProviders: ['wasm'] });
  /** @type {Record<string, { pixels: ArrayLike<number>[], logits: number[][], dims: number[] }>} */
  const seen = { js: { pixels: [], logits: [], dims: [] }, graft: { pixels: [], logits: [], dims: [] } };
  for (const source of sources) {
    const inputs = await processor(await RawImage.read(source));
    const { logits } = await net(inputs);
    const theirs = seen['js'];
    theirs?.pixels.push(inputs.pixel_values.data);
    theirs?.logits.push(Array.from(logits.data, Number));
    const { data, dims } = await pixelsOf(source);
    const found = await session.run({ pixel_values: new ort.Tensor('float32', data, dims) });
    const ours = seen['graft'];
    ours?.pixels.push(data);
    ours?.logits.push(Array.from(found.logits.data, Number));
    if (theirs !== undefined) theirs.dims = inputs.pixel_values.dims.slice(1);
    if (ours !== undefined) ours.dims = dims.slice(1);
  }
  return seen;
}

/** @param {string} name */
const library = (name) => import(name);

async function inNode() {
  // Beside sharp, which it imports.
  const script = join(libraries, `graft-pixels-${process.pid}.mjs`);
  await cp(join(folder, 'pixels.mjs'), script);
  try {
    const { pixelsOf } = await library(script);
    const ort = await library('onnxruntime-web');
    ort.env.wasm.numThreads = 1;
    const [file = ''] = (await readdir(join(folder, 'onnx'))).filter((entry) => entry.endsWith('.onnx'));
    const graph = await readFile(join(folder, 'onnx', file));
    const sources = await Promise.all(
      names.map(async (name) => new Blob([await readFile(join(photos, name))])),
    );
    return await inspect(
      { transformers: await library('@huggingface/transformers'), ort, pixelsOf },
      folder,
      graph,
      sources,
    );
  } finally {
    await rm(script, { force: true });
  }
}

/** @param {string} executablePath */
async function inBrowser(executablePath) {
  const { chromium } = await import('@playwright/test');
  const require = createRequire(join(import.meta.dirname, 'package.json'));
  /** @param {string} name */
  const dist = (name) => join(require.resolve(name), '..');
  const roots = new Map([
    ['model', folder],
    ['photos', photos],
    ['transformers', dist('@huggingface/transformers')],
    ['ort', dist('onnxruntime-web')],
    ['own-ort', join(libraries, '@huggingface/transformers/node_modules/onnxruntime-web/dist')],
  ]);
  const types = new Map([
    ['.html', 'text/html'],
    ['.js', 'text/javascript'],
    ['.mjs', 'text/javascript'],
    ['.wasm', 'application/wasm'],
    ['.json', 'application/json'],
  ]);
  const server = createServer((request, response) => {
    const [root = '', ...rest] = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)
      .slice(1)
      .split('/');
    const base = roots.get(root);
    response.setHeader(
      'content-type',
      types.get(extname(rest.at(-1) ?? '.html')) ?? 'application/octet-stream',
    );
    if (base === undefined)
      return void response.setHeader('content-type', 'text/html').end('<!doctype html>');
    const path = join(base, ...rest);
    readFile(path.startsWith(base) ? path : '').then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const browser = await chromium.launch({ executablePath, args: quietFlags });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error.message));
    await page.goto(`http://127.0.0.1:${port}/`);
    const [file = ''] = (await readdir(join(folder, 'onnx'))).filter((entry) => entry.endsWith('.onnx'));
    const text = await page.evaluate(
      async ({ code, files, graphFile }) => {
        const load = (/** @type {string} */ url) => import(url);
        const transformers = await load('/transformers/transformers.min.js');
        transformers.env.localModelPath = '/';
        transformers.env.useBrowserCache = false;
        transformers.env.backends.onnx.wasm.wasmPaths = '/own-ort/';
        transformers.env.backends.onnx.wasm.numThreads = 1;
        const ort = await load('/ort/ort.wasm.min.mjs');
        ort.env.wasm.numThreads = 1;
        const { pixelsOf } = await load('/model/pixels.mjs');
        const inspect = new Function(`return (${code})`)();
        const graph = await (await fetch(`/model/onnx/${graphFile}`)).arrayBuffer();
        const sources = await Promise.all(files.map(async (name) => (await fetch(`/photos/${name}`)).blob()));
        const seen = await inspect({ transformers, ort, pixelsOf }, 'model', graph, sources);
        for (const part of Object.values(seen))
          part.pixels = part.pixels.map((/** @type {Float32Array} */ data) => Array.from(data));
        return JSON.stringify(seen);
      },
      { code: inspect.toString(), files: names, graphFile: file },
    );
    return /** @type {Awaited<ReturnType<typeof inspect>>} */ (JSON.parse(text));
  } finally {
    await browser.close();
    server.close();
  }
}

/** A safetensors file of float32. @param {Map<string, { shape: number[], data: Float32Array }>} tensors */
function safetensors(tensors) {
  /** @type {Record<string, object>} */
  const header = {};
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const parts = [...tensors.values()].map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  return Buffer.concat([length, json, ...parts]);
}

/** @type {Map<string, { shape: number[], data: Float32Array }>} */
const tensors = new Map();
/** @param {string} where @param {Awaited<ReturnType<typeof inspect>>} seen */
const add = (where, seen) => {
  for (const [who, { pixels, logits, dims }] of Object.entries(seen)) {
    pixels.forEach((data, i) =>
      tensors.set(`${who}-${where}.${i}`, { shape: dims, data: Float32Array.from(data) }),
    );
    const shape = [logits.length, logits[0]?.length ?? 0];
    tensors.set(`logits.${who}-${where}`, { shape, data: Float32Array.from(logits.flat()) });
  }
};
add('node', await inNode());
const browser = await findBrowser();
if (browser !== null) add('browser', await inBrowser(browser));
await writeFile(out, safetensors(tensors));
