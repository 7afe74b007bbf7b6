// The command line of `npm run finetune`: text to checked values, or a sentence that names the flag.
import { parseArgs } from 'node:util';
import { UserError } from './user-error.mjs';

export const usage = `npm run finetune -- [flags]

Fine-tunes a vision transformer with DMLoRA in a headless browser and writes the merged model.

  --model DIR          folder with model.safetensors and config.json, or a zip or tar of it   (default: the model that ships with Graft)
  --model OWNER/NAME   a model of the Hugging Face Hub where there is no such folder, also with @revision; it is
                       downloaded for this run. HF_TOKEN in the environment opens private and gated ones, GRAFT_HUB
                       names a mirror and, after commas, the hosts that it redirects to
  --weights PATH       file or folder inside of --model, where it holds several models  (default: the shallowest
                       folder's; beside each other the newest checkpoint's or the first; one file of model.safetensors)
  --adapter DIR        folder of a PEFT adapter (LoRA) made for --model
  --adapter-as NAME    merged: added to the weights before training (default); branches: what the branches start from, where
                       it is nothing but LoRAs of linear layers and a head, and the recipe has room for its ranks
  --image-size N       side of the images in pixels, a multiple of the model's patches   (default: the model's own)
  --data ZIP_OR_DIR    one folder of images a class, or a zip or tar(.gz) of such  (default: the images that ship with Graft)
  --data OWNER/NAME    a data set of the Hub in Parquet where there is no such file or folder, also with a subset
                       (OWNER/NAME/SUBSET) and @revision; token and mirror as for --model
  --class-folder NAME  first or last: which of the folders around an image is its class, where there are several below
                       the split (default: auto, as their names suggest; what was taken is said)
  --names-encoding NAME  what names in a zip or tar are in that are not UTF-8 and do not say it: gb18030, big5, shift_jis,
                       euc-kr, ibm866, windows-1251, cp437, cp850 ...   (default: auto, a guess that is said)
  --labels NAME        what names the class of an image: folders, names (of the files), table (metadata.csv or another
                       one beside the images) or column:NAME of a table   (default: auto, and what was taken is said)
  --grey16 NAME        how grey of 16 bits becomes 8: high-byte (default), image (each from its 1st to its 99th
                       percentile) or set (all by the percentiles of the set)
  --validation ZIP_OR_DIR  images to validate on instead of a share of --data
  --out DIR            where the files go, made if missing             (default: out)
  --recipe FILE        JSON with the settings that differ from the defaults, or the run.json of an export
  --set PATH=VALUE     one setting over those of the file, by its name in README's table; as often as wanted:
                       --set dmlora.rank=8 --set learningRate=1e-3
  --steps N            optimiser steps                                 (these four are --set steps=N and so on)
  --epochs N           passes over the training images, where --steps is not given
  --batch N            images of one step
  --seed N             seeds split, order, initial values and drops
  --runtime NAME       browser or node: without a browser, on Dawn's WebGPU (Vulkan) or wasm    (default: browser)
  --backend NAME       auto, webgpu, wasm or cpu      (default: auto, a real GPU or else wasm)
  --engine NAME        auto, autodiff or kernels (webgpu only)         (default: auto, kernels wherever webgpu runs)
  --autotune NAME      auto measures tiles on a GPU that is new, off takes those of its kind  (default: auto)
  --export LIST        formats, each into a folder of its name in DIR: hf, hf-v5, timm, peft, onnx, onnx-q8,
                       onnx-q4, comma-separated; the last two are ONNX in 8 and 4 bits, refused where answers change
                       (default: none, the merged model as its source had it, directly in DIR)
  --dtype NAME         type of the written weights: f32, f16 or bf16   (default: as the source)
  --temperature        calibrated probabilities: the head is divided by the temperature that fits the validation
                       images best; answers stay, result.json says what it did
  --proof              also proof.safetensors: up to 8 validation images as the model takes them, and its logits
  --json               nothing but one line of JSON on standard output
  --help               this text

Files in DIR: model.safetensors, config.json, preprocessor_config.json, result.json; with --export the folders and
result.json. Every format is read back and compared before it is written. The last line of standard output is
result.json on one line. On any fault the exit code is 1 and standard error ends with one sentence. A run that
diverged (a learning rate too high) writes its best validated state, which may be that before training: standard
error ends with a warning, "diverged" in result.json is not null, and the exit code is 2.`;

/** @typedef {'hf' | 'hf-v5' | 'timm' | 'peft' | 'onnx' | 'onnx-q8' | 'onnx-q4'} ExportFormat */

/**
 * @typedef {object} FinetuneArguments
 * @property {string | null} model
 * @property {string | null} weights which of several models in the folder
 * @property {string | null} adapter
 * @property {'merged' | 'branches'} adapterAs
 * @property {number | null} imageSize null for the model's own
 * @property {string | null} data
 * @property {string | null} validation
 * @property {import('../../src/data/reading-options.ts').ReadingOptions} reading
 * @property {string} out
 * @property {string | null} recipe
 * @property {import('./recipe.mjs').Setting[]} settings over those of the recipe
 * @property {'browser' | 'node'} runtime what the app's page runs in
 * @property {'auto' | 'webgpu' | 'wasm' | 'cpu'} backend
 * @property {'auto' | 'autodiff' | 'kernels'} engine
 * @property {'auto' | 'off'} autotune
 * @property {ExportFormat[]} formats empty without --export
 * @property {'source' | 'F32' | 'F16' | 'BF16'} dtype
 * @property {boolean} temperature
 * @property {boolean} proof
 * @property {boolean} json
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} argv the arguments after the script's name
 * @returns {FinetuneArguments}
 * @throws {UserError}
 */
export function readArguments(argv) {
  const values = parse(argv);
  for (const name of /** @type {const} */ ([
    'model',
    'weights',
    'adapter',
    'data',
    'validation',
    'out',
    'recipe',
  ])) {
    if (values[name] === '') throw new UserError(`--${name} needs a path: give one after it.`);
  }
  const imageSize = imageSizeOf(values['image-size']);
  return {
    model: values.model ?? null,
    weights: values.weights?.replace(/^\.\/|\/+$/g, '') ?? null,
    adapter: values.adapter ?? null,
    adapterAs: adapterAsOf(values['adapter-as'], values.adapter),
    imageSize,
    data: values.data ?? null,
    validation: values.validation ?? null,
    reading: {
      classFolder: oneOf('class-folder', values['class-folder'], ['auto', 'first', 'last']),
      nameEncoding: oneOf('names-encoding', encodingNamed(values['names-encoding']), encodings),
      labels: labelsOf(values.labels),
      grey16: oneOf('grey16', values.grey16, ['auto', 'high-byte', 'image', 'set']),
    },
    out: values.out ?? 'out',
    recipe: values.recipe ?? null,
    settings: settingsOf(values),
    runtime: oneOf('runtime', values.runtime, ['browser', 'node']),
    backend: oneOf('backend', values.backend, ['auto', 'webgpu', 'wasm', 'cpu']),
    engine: oneOf('engine', values.engine, ['auto', 'autodiff', 'kernels']),
    autotune: oneOf('autotune', values.autotune, ['auto', 'off']),
    formats: formatsOf(values.export),
    dtype: dtypes[oneOf('dtype', values.dtype, ['source', 'f32', 'f16', 'bf16'])],
    temperature: values.temperature ?? false,
    proof: values.proof ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

/** Those of src/formats/name-encoding.ts. */
const encodings = /** @type {const} */ ([
  'auto',
  'utf-8',
  'cp437',
  'cp850',
  'windows-1252',
  'gb18030',
  'big5',
  'shift_jis',
  'euc-jp',
  'euc-kr',
  'ibm866',
  'windows-1251',
  'koi8-r',
  'cp852',
  'windows-1250',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1258',
  'windows-874',
]);

/**
 * Other names of encodings, as Python and Windows call them.
 * @param {string | undefined} text
 */
function encodingNamed(text) {
  const name = text?.toLowerCase();
  const pages = { cp936: 'gb18030', cp932: 'shift_jis', cp949: 'euc-kr', cp950: 'big5', gbk: 'gb18030' };
  if (name === undefined || /** @type {readonly string[]} */ (encodings).includes(name)) return name;
  try {
    const known = new TextDecoder(pages[/** @type {keyof typeof pages} */ (name)] ?? name).encoding;
    return known === 'gbk' ? 'gb18030' : known;
  } catch {
    return text;
  }
}

const dtypes = /** @type {const} */ ({ source: 'source', f32: 'F32', f16: 'F16', bf16: 'BF16' });
/** @type {readonly [ExportFormat, ...ExportFormat[]]} */
const formats = ['hf', 'hf-v5', 'timm', 'peft', 'onnx', 'onnx-q8', 'onnx-q4'];

/**
 * @param {string | undefined} text
 * @returns {ExportFormat[]} each once
 */
function formatsOf(text) {
  if (text === undefined) return [];
  return [...new Set(text.split(',').map((name) => oneOf('export', name.trim(), formats)))];
}

/**
 * @param {string | undefined} text
 * @returns {import('../../src/data/reading-options.ts').ReadingOptions['labels']}
 */
function labelsOf(text) {
  if (text !== undefined && text.startsWith('column:') && text !== 'column:')
    return `column:${text.slice('column:'.length)}`;
  const found = /** @type {const} */ (['auto', 'folders', 'names', 'table']).find(
    (name) => name === (text ?? 'auto'),
  );
  if (found === undefined)
    throw new UserError(`--labels takes auto, folders, names, table or column:NAME, not "${text}".`);
  return found;
}

/**
 * @param {string | undefined} text
 * @param {string | undefined} adapter
 */
function adapterAsOf(text, adapter) {
  if (text !== undefined && adapter === undefined)
    throw new UserError('--adapter-as needs an adapter: name its folder with --adapter.');
  return oneOf('adapter-as', text, ['merged', 'branches']);
}

/** @param {readonly string[]} argv */
function parse(argv) {
  const text = /** @type {const} */ ({ type: 'string' });
  const flag = /** @type {const} */ ({ type: 'boolean' });
  try {
    return parseArgs({
      args: [...argv],
      options: {
        model: text,
        weights: text,
        adapter: text,
        'adapter-as': text,
        'image-size': text,
        data: text,
        validation: text,
        'class-folder': text,
        'names-encoding': text,
        labels: text,
        grey16: text,
        out: text,
        recipe: text,
        set: { type: 'string', multiple: true },
        steps: text,
        epochs: text,
        batch: text,
        seed: text,
        runtime: text,
        backend: text,
        engine: text,
        autotune: text,
        export: text,
        dtype: text,
        temperature: flag,
        proof: flag,
        json: flag,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (thrown) {
    const [first] = (thrown instanceof Error ? thrown.message : String(thrown)).split('. ');
    throw new UserError(`${first}. "npm run finetune -- --help" lists the flags.`);
  }
}

/**
 * @param {string | undefined} text
 * @returns {number | null}
 */
export function imageSizeOf(text) {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new UserError(`--image-size takes a whole number of at least 1, not "${text}".`);
  return Number(text);
}

/**
 * @param {string} setting
 * @returns {import('./recipe.mjs').Setting}
 */
export function settingOf(setting) {
  const [, path, text] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
  if (path === undefined || text === undefined)
    throw new UserError(`--set takes a setting as PATH=VALUE, like learningRate=1e-3, not "${setting}".`);
  return { path: path.trim(), text };
}

/**
 * What flags say of the recipe: the app's table of options checks it, once it can be read.
 * @param {ReturnType<typeof parse>} values
 * @returns {import('./recipe.mjs').Setting[]}
 */
function settingsOf(values) {
  const free = (values.set ?? []).map(settingOf);
  const short = /** @type {const} */ (['steps', 'epochs', 'batch', 'seed']).flatMap((path) => {
    const text = values[path];
    if (text === '') throw new UserError(`--${path} needs a number: give one after it.`);
    return text === undefined ? [] : [{ path, text }];
  });
  // A recipe may fix the steps; passes asked for here take their place.
  const given = [...free, ...short].map(({ path }) => path);
  const byEpochs = given.includes('epochs') && !given.includes('steps');
  return [...(byEpochs ? [{ path: 'steps', text: 'null' }] : []), ...free, ...short];
}

/**
 * @template {string} Choice
 * @param {string} name
 * @param {string | undefined} text
 * @param {readonly [Choice, ...Choice[]]} choices the first is the default
 * @returns {Choice}
 */
export function oneOf(name, text, choices) {
  const found = text === undefined ? choices[0] : choices.find((choice) => choice === text);
  if (found === undefined) throw new UserError(`--${name} takes ${choices.join(', ')}, not "${text}".`);
  return found;
}
