// Runs Graft's ONNX folders in JavaScript: onnxruntime-web on the file, and @huggingface/transformers on the folder as it
// is, first the model on Graft's own pixels, then pipeline('image-classification') on a picture.
//
//   node scripts/interop/check-exports.mjs WORK
//
// One line of JSON for each check on standard output: family, check, difference (largest |logit difference|), or error.
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const work = resolve(process.argv[2] ?? '');

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

const { AutoModelForImageClassification, RawImage, Tensor, env, pipeline } =
  await library('@huggingface/transformers');
const web = await library('onnxruntime-web');
env.allowRemoteModels = false;
env.allowLocalModels = true;
web.env.wasm.numThreads = 1;
web.env.logLevel = 'error';

for (const family of (await readdir(work)).sort()) {
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
      // The answers must be the softmax of the model's logits on the processor's own pixels, under the classes' names.
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
}
