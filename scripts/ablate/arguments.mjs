// The command line of `npm run ablate`: text to checked values, or a sentence that names the flag.
import { parseArgs } from 'node:util';
import { imageSizeOf, oneOf, settingOf } from '../finetune/arguments.mjs';
import { UserError } from '../finetune/user-error.mjs';

export const usage = `npm run ablate -- --arms FILE [flags]

Trains every arm of FILE on every set of images with every seed, and says by how much the arms differ from the first of
them. Runs of one set and one seed have the same split, order and initial values.

  --arms FILE          JSON: {"base": RECIPE, "arms": [{"name": "lora-4", "recipe": RECIPE}, ...]}; recipes in full or in
                       part, over "base", over the defaults. docs/experiments/arms has some. The linear probe is
                       measured beside them without being named
  --seeds N            seeds 1 to N, or the seeds themselves with commas between            (default: 5)
  --data A.zip,B.zip   sets of images, as npm run finetune takes them; also given several times  (default: those that ship)
  --model DIR          or OWNER/NAME, as npm run finetune takes it   (default: the model that ships with Graft)
  --image-size N       side of the images in pixels                  (default: the model's own)
  --shots 1,2,4        few-shot curves: each with so many training images a class; "all" for all
  --protocol vtab-1k   chooses by validation, trains the chosen on training and validation images, tests the last state
                       once, and writes vtab.md with both averages; see docs/ablation.md
  --choose PATH=A,B    with --protocol: what each arm chooses on each set, as often as wanted: --choose learningRate=1e-3,3e-3
  --set PATH=VALUE     one setting over those of every arm, as often as wanted: --set steps=100
  --out DIR            where records and results go                  (default: ablation)
  --jobs N             runs at a time, each in a page or process of its own  (default: 1; wasm takes all cores for one)
  --runtime NAME       browser or node: without a browser, on Dawn's WebGPU (Vulkan) or wasm  (default: browser)
  --backend NAME       auto, webgpu, wasm or cpu                     (default: auto)
  --engine NAME        auto, autodiff or kernels                     (default: auto)
  --help               this text

Each run is written into DIR/runs as soon as it ends. The same command again goes on where it was: what is done is not
done again, unless recipe, images or model are others, which is said. Ctrl-C ends it; runs that were under way begin
anew next time. DIR then has table.md (what it says), differences.svg, runs.csv and summary.json, of the runs that are
done. The exit code is 1 where runs failed, 130 after Ctrl-C.`;

/**
 * @typedef {object} AblateArguments
 * @property {string} arms
 * @property {readonly number[]} seeds
 * @property {readonly string[]} data empty for those that ship
 * @property {string | null} model
 * @property {number | null} imageSize
 * @property {readonly (number | null)[]} shots null for all training images
 * @property {readonly import('../finetune/recipe.mjs').Setting[]} settings
 * @property {'none' | 'vtab-1k'} protocol
 * @property {readonly import('../../src/lab/vtab.ts').Choice[]} choices of --choose
 * @property {string} out
 * @property {number} jobs
 * @property {'browser' | 'node'} runtime what the app runs in
 * @property {'auto' | 'webgpu' | 'wasm' | 'cpu'} backend
 * @property {'auto' | 'autodiff' | 'kernels'} engine
 */

/**
 * @param {readonly string[]} argv the arguments after the script's name
 * @returns {AblateArguments | null} null where only help is wanted
 * @throws {UserError}
 */
export function readArguments(argv) {
  const values = parse(argv);
  if (values.help === true) return null;
  const { arms, data = [], model, out = 'ablation' } = values;
  if (arms === undefined || arms === '')
    throw new UserError('--arms needs a file of recipes: docs/experiments/arms has some.');
  if (out === '' || model === '')
    throw new UserError(`--${out === '' ? 'out' : 'model'} needs a path: give one after it.`);
  const sets = data.flatMap((list) => list.split(',')).map((path) => path.trim());
  if (sets.includes('')) throw new UserError('--data needs paths with commas between them.');
  const protocol = oneOf('protocol', values.protocol, ['none', 'vtab-1k']);
  const choices = (values.choose ?? []).map(choiceOf);
  const settings = (values.set ?? []).map(settingOf);
  const shots = shotsOf(values.shots);
  if (choices.length > 0 && protocol === 'none')
    throw new UserError('--choose needs --protocol vtab-1k: without one nothing is chosen.');
  if (protocol !== 'none' && shots.some((few) => few !== null))
    throw new UserError(
      '--shots and --protocol exclude each other: the protocol says how many images train.',
    );
  eachOnce(
    'choose',
    [...choices, ...(choices.length > 0 ? settings : [])].map(({ path }) => path),
  );
  return {
    arms,
    seeds: seedsOf(values.seeds),
    data: sets,
    model: model ?? null,
    imageSize: imageSizeOf(values['image-size']),
    shots,
    settings,
    protocol,
    choices,
    out,
    jobs: wholeOf('jobs', values.jobs ?? '1', 1, 64),
    runtime: oneOf('runtime', values.runtime, ['browser', 'node']),
    backend: oneOf('backend', values.backend, ['auto', 'webgpu', 'wasm', 'cpu']),
    engine: oneOf('engine', values.engine, ['auto', 'autodiff', 'kernels']),
  };
}

/**
 * @param {string} flag
 * @param {string} text
 * @param {number} least
 * @param {number} most
 */
function wholeOf(flag, text, least, most) {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new UserError(`--${flag} takes a whole number between ${least} and ${most}, not "${text}".`);
  return value;
}

/**
 * @template T
 * @param {string} flag
 * @param {readonly T[]} list
 */
function eachOnce(flag, list) {
  if (new Set(list).size < list.length) throw new UserError(`--${flag} names one twice: name each once.`);
  return list;
}

/**
 * @param {string} text PATH=A,B
 * @returns {import('../../src/lab/vtab.ts').Choice}
 */
function choiceOf(text) {
  const [, path = '', list = ''] = /^([\w.]+)=(.+)$/.exec(text) ?? [];
  const texts = list.split(',').map((value) => value.trim());
  if (path === '' || texts.includes(''))
    throw new UserError(`--choose takes PATH=A,B, as in learningRate=1e-3,3e-3, not "${text}".`);
  return { path, texts: eachOnce('choose', texts) };
}

/** @param {string | undefined} text */
function seedsOf(text = '5') {
  const parts = text.split(',').map((part) => part.trim());
  const [first = ''] = parts;
  if (parts.length === 1) return Array.from({ length: wholeOf('seeds', first, 1, 1000) }, (_, i) => i + 1);
  return eachOnce(
    'seeds',
    parts.filter((part) => part !== '').map((part) => wholeOf('seeds', part, 0, 2 ** 32 - 1)),
  );
}

/** @param {string | undefined} text */
function shotsOf(text) {
  if (text === undefined) return [null];
  return eachOnce(
    'shots',
    text
      .split(',')
      .map((part) => part.trim())
      .map((part) => (part === 'all' ? null : wholeOf('shots', part, 1, 1_000_000))),
  );
}

/** @param {readonly string[]} argv */
function parse(argv) {
  const text = /** @type {const} */ ({ type: 'string' });
  const many = /** @type {const} */ ({ type: 'string', multiple: true });
  try {
    return parseArgs({
      args: [...argv],
      options: {
        arms: text,
        seeds: text,
        data: many,
        model: text,
        'image-size': text,
        shots: text,
        set: many,
        protocol: text,
        choose: many,
        out: text,
        jobs: text,
        runtime: text,
        backend: text,
        engine: text,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (thrown) {
    const [first] = (thrown instanceof Error ? thrown.message : String(thrown)).split('. ');
    throw new UserError(`${first}. "npm run ablate -- --help" lists the flags.`);
  }
}
