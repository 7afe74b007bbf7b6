// Runs Graft's ONNX folders in JavaScript: onnxruntime-web on the file, and @huggingface/transformers on the
// folder as it is, first the model on Graft's own pixels, then pipeline('image-classification') on a picture;
// and the card's own snippet. WORK/node_modules must lead to the libraries.
//
//   node scripts/interop/check-exports.mjs WORK [FAMILY ...]
//
// One line of JSON for each check on standard output: family, check, difference (largest |logit difference|),
// or error; {"done": family} ends one.
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const [given = '', ...families] = process.argv.slice(2);
const work = resolve(given);

// By a name that is not written out, so that the types of this repository do without the libraries.
/** @param {string} name @returns {Promise<any>} */
const library = (name) => import(name);

/** @param {string} family @param {string} check @param {() => Promise<number>} compute */
async function attempt(family, check, compute) {
  /** @type {object} */
  const result = await compute().then(
    (difference) => ({ difference }),
    (thrown) => ({ error: String(thrown instanceof Error ? thrown.message : thrown).slice(0, 300) }),
  );
  console.log(JSON.stringify({ family, check, ...result }));
}

/**
 * The tensors of proof.safetensors, float32 both.
 * @param {string} file
 */
async function readProof(file) {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  /** @param {string} name */
  const tensor = (name) => {
    const { shape, data_offsets } = header[name];
    const [begin, end] = data_offsets.map((/** @type {number} */ at) => at + 8 + length);
    return { shape, data: new Float32Array(new Uint8Array(bytes.subarray(begin, end)).buffer) };
  };
  return { pixels: tensor('pixel_values'), logits: tensor('logits') };
}

/** @param {ArrayLike<number>} got @param {Float32Array} wanted */
function largest(got, wanted) {
  if (got.length !== wanted.length) throw new Error(`${got.length} logits where ${wanted.length} belong`);
  let most = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs(Number(got[i]) - Number(wanted[i]));
    if (!Number.isFinite(difference)) throw new Error('a logit is not finite');
    most = Math.max(most, difference);
  }
  return most;
}

/**
 * Runs a file of the folder in a Node of its own.
 * @param {string} folder
 * @param {string} file
 * @returns {Promise<string>}
 */
const printed = (folder, file) =>
  new Promise((resolve, reject) =>
    execFile(process.execPath, [file], { cwd: folder }, (error, text, words) =>
      error === null ? resolve(text) : reject(new Error(words.trim().split('\n').slice(-8).join(' '))),
    ),
  );

/**
 * The JavaScript of a folder's card as it is printed, in a Node of its own: its scores must be the softmax of
 * the logits on the pixels of pixels.mjs. Only the folder's and the picture's name are filled in.
 * @param {string} out
 * @param {string} name
 * @param {any} web
 */
async function snippetAsPrinted(out, name, web) {
  const files = await readdir(join(out, name));
  const card = files.includes('USE.md') ? 'USE.md' : 'README.md';
  const [, code] = /```js\n([^]*?)```/.exec(await readFile(join(out, name, card), 'utf8')) ?? [];
  if (code === undefined) throw new Error('the card has none');
  const picture = new RawImage(
    Uint8ClampedArray.from({ length: 150 * 121 * 3 }, (_, at) => (at * 7 + (at % 450) * (at % 3) * 5) % 256),
    ...[150, 121, 3],
  );
  await picture.save(join(out, 'photo.png'));
  const file = join(out, 'snippet.mjs');
  await writeFile(file, code.replaceAll('THIS_FOLDER', name).replaceAll('photo.jpg', 'photo.png'));
  const lines = (await printed(out, file)).trim().split('\n');
  const scores = lines.map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  const { pixelsOf } = await library(join(out, name, 'pixels.mjs'));
  const { data, dims } = await pixelsOf(join(out, 'photo.png'));
  const session = await web.InferenceSession.create(await readFile(join(out, name, 'onnx/model.onnx')), {
    executionProviders: ['wasm'],
  });
  const found = await session.run({ pixel_values: new web.Tensor('float32', data, dims) });
  await session.release();
  const logits = Array.from(found.logits.data, Number);
  const top = Math.max(...logits);
  const sum = logits.reduce((total, value) => total + Math.exp(value - top), 0);
  return largest(
    scores,
    Float32Array.from(logits, (value) => Math.exp(value - top) / sum),
  );
}

const { AutoModelForImageClassification, RawImage, Tensor, env, pipeline } =
  await library('@huggingface/transformers');
const web = await library('onnxruntime-web');
env.allowRemoteModels = false;
env.allowLocalModels = true;
web.env.wasm.numThreads = 1;
web.env.logLevel = 'error';

for (const family of families.length > 0 ? families : (await readdir(work)).sort()) {
  const out = join(work, family, 'out');
  for (const name of (await readdir(out).catch(() => [])).sort()) {
    if (!name.startsWith('onnx')) continue;
    const folder = join(out, name);
    const { pixels, logits } = await readProof(join(out, 'proof.safetensors'));
    // In few bits a share of the largest logit, as the export's own proof judges them.
    const most = logits.data.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
    const whole = name.startsWith('onnx-q') ? most : 1;
    const [file = ''] = (await readdir(join(folder, 'onnx'))).filter((entry) => entry.endsWith('.onnx'));

    await attempt(family, `${name}-web`, async () => {
      const session = await web.InferenceSession.create(await readFile(join(folder, 'onnx', file)), {
        executionProviders: ['wasm'],
      });
      const given = new web.Tensor('float32', pixels.data, pixels.shape);
      const found = await session.run({ pixel_values: given });
      await session.release();
      return largest(found.logits.data, logits.data) / whole;
    });

    await attempt(family, `${name}-js`, async () => {
      // No type is named: the folder itself says which file is there.
      const model = await AutoModelForImageClassification.from_pretrained(folder, { local_files_only: true });
      const given = new Tensor('float32', pixels.data, pixels.shape);
      const found = await model({ pixel_values: given });
      await model.dispose();
      return largest(found.logits.data, logits.data) / whole;
    });

    if (name === 'onnx-F32') await attempt(family, `${name}-snippet`, () => snippetAsPrinted(out, name, web));

    await attempt(family, `${name}-pipeline`, async () => {
      const classify = await pipeline('image-classification', folder, { local_files_only: true });
      const [, , height = 0, width = 0] = pixels.shape;
      const side = 2 * Math.max(height, width) + 5;
      const picture = new RawImage(
        Uint8ClampedArray.from({ length: side * side * 3 }, (_, at) => (at * at * 7 + at * 13) % 256),
        side,
        side,
        3,
      );
      const labels = Object.values(
        JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')).id2label ?? {},
      );
      const answers = await classify(picture, { top_k: labels.length });
      // The answers must be the softmax of the model's logits on the processor's own pixels, under the
      // classes' names.
      const inputs = await classify.processor(picture);
      if (inputs.pixel_values.dims.join() !== [1, 3, height, width].join())
        throw new Error(`the processor makes ${inputs.pixel_values.dims.join('x')}`);
      const found = Array.from((await classify.model(inputs)).logits.data, Number);
      await classify.dispose();
      const top = Math.max(...found);
      const sum = found.reduce((total, value) => total + Math.exp(value - top), 0);
      if (answers.length !== labels.length)
        throw new Error(`${answers.length} answers, ${labels.length} classes`);
      return Math.max(
        ...answers.map((/** @type {{ label: string, score: number }} */ { label, score }) => {
          const logit = found[labels.indexOf(label)] ?? NaN;
          return Math.abs(score - Math.exp(logit - top) / sum);
        }),
      );
    });
  }
  console.log(JSON.stringify({ done: family }));
}
