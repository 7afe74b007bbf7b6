// The consumers of an export on the same photographs: pixels and logits of each beside Graft's own, as two
// tables.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../setup/paths.mjs';
import { collect, runPython } from './python.mjs';

/**
 * Who is compared, and what stands in the table; the pixels of `graft` (continue.py, with Pillow) are the
 * measure.
 */
const consumers = new Map([
  ['pil', 'transformers, PIL processor'],
  ['torchvision', 'transformers, its default (torchvision)'],
  ['graft-browser', 'pixels.mjs and onnxruntime-web, Chromium'],
  ['graft-node', 'pixels.mjs and onnxruntime-web, Node'],
  ['js-browser', 'transformers.js, Chromium'],
  ['js-node', 'transformers.js, Node'],
]);

/**
 * @typedef {object} Consumer
 * @property {string} name
 * @property {number} largest grey levels of 255
 * @property {number} mean
 * @property {number} logit largest difference of a logit
 * @property {number} changed photographs whose first class is another
 */

/** @param {string} file @returns {Promise<Map<string, { shape: number[], data: Float32Array }>>} */
async function tensorsOf(file) {
  if (!existsSync(file)) return new Map();
  const bytes = await readFile(file);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  /** @type {Record<string, { shape: number[], data_offsets: [number, number] }>} */
  const header = JSON.parse(bytes.toString('utf8', 8, begin));
  delete header['__metadata__'];
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [from, to],
        },
      ]) => [
        name,
        { shape, data: new Float32Array(new Uint8Array(bytes.subarray(begin + from, begin + to)).buffer) },
      ],
    ),
  );
}

/**
 * Runs them all on a model's two exports.
 * @param {{ hf: string, onnx: string, photos: string, work: string, preprocessing:
 *   { std: readonly number[], rescale: number } }} given
 * @param {import('./python.mjs').Python} python
 * @returns {Promise<{ seen: Consumer[], photos: number, problems: string[] }>}
 */
export async function compareConsumers({ hf, onnx, photos, work, preprocessing }, python) {
  const script = await readFile(join(root, 'src/export/pixels.mjs'), 'utf8');
  await writeFile(
    join(onnx, 'pixels.mjs'),
    `${script}export const preprocessing = ${JSON.stringify(preprocessing)};\n`,
  );
  const run = join(work, 'preprocessing.json');
  await writeFile(run, JSON.stringify(preprocessing));
  const [fromPython, fromJs] = [join(work, 'python.safetensors'), join(work, 'javascript.safetensors')];
  const continued = join(root, 'src/export/continue.py');
  const outcomes = await Promise.all([
    runPython(python, 'check_consumers.py', [hf, continued, run, photos, fromPython]),
    collect(process.execPath, [join(import.meta.dirname, 'check-consumers.mjs'), onnx, photos, fromJs]),
  ]);
  const problems = outcomes
    .filter(({ code }) => code !== 0)
    .map(({ err }) => err.trim().split('\n').slice(-3).join(' ').slice(0, 400));
  const tensors = new Map([...(await tensorsOf(fromPython)), ...(await tensorsOf(fromJs))]);
  const wanted = tensors.get('logits.graft');
  if (wanted === undefined) return { seen: [], photos: 0, problems };
  const [count = 0, classes = 0] = wanted.shape;
  const seen = [...consumers].flatMap(([key, name]) => {
    const logits = tensors.get(`logits.${key}`);
    if (logits === undefined) return [];
    let [largest, sum, values] = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const [ours, theirs] = [tensors.get(`graft.${i}`), tensors.get(`${key}.${i}`)];
      ours?.data.forEach((value, at) => {
        const channel = Math.floor((3 * at) / ours.data.length);
        const off = Math.abs(value - (theirs?.data[at] ?? NaN));
        const levels = (off * (preprocessing.std[channel] ?? NaN)) / preprocessing.rescale;
        largest = Math.max(largest, levels);
        sum += levels;
        values++;
      });
    }
    let [logit, changed] = [0, 0];
    for (let i = 0; i < count; i++) {
      const row = (/** @type {Float32Array} */ data) => data.subarray(i * classes, (i + 1) * classes);
      const [ours, theirs] = [row(wanted.data), row(logits.data)];
      ours.forEach((value, c) => (logit = Math.max(logit, Math.abs(value - (theirs[c] ?? NaN)))));
      if (ours.indexOf(Math.max(...ours)) !== theirs.indexOf(Math.max(...theirs))) changed++;
    }
    return [{ name, largest, mean: sum / values, logit, changed }];
  });
  return { seen, photos: count, problems };
}

/** @param {{ seen: readonly Consumer[], photos: number }} found */
export function consumerTable({ seen, photos }) {
  return [
    '| Consumer | pixels, largest | pixels, mean | logits, largest | another first class |',
    '|---|---|---|---|---|',
    ...seen.map(
      ({ name, largest, mean, logit, changed }) =>
        `| ${name} | ${largest.toFixed(1)} | ${mean.toFixed(3)} | ${logit.toExponential(1)} | ${changed} of ${photos} |`,
    ),
  ].join('\n');
}
