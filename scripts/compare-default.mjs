// The default recipe against its own linear probe: fine-tunes the shipped model on the shipped data sets with
// several seeds through `npm run finetune`, and prints a Markdown table with the paired differences and their
// 95 % intervals. The probe is the one that each run starts from: same training images, same validation
// images, same test images. Each run's result is kept under .cache/compare, so an interrupted measurement
// goes on where it was.
//
//   node scripts/compare-default.mjs [--data fashion-1k --data emoji-8] [--seeds 5] [--recipe FILE] [--backend wasm]
//
// --jobs N runs N at a time: the wasm backend uses one core.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { root } from './setup/paths.mjs';

const { values } = parseArgs({
  options: {
    data: { type: 'string', multiple: true, default: ['fashion-1k', 'emoji-8'] },
    seeds: { type: 'string', default: '5' },
    recipe: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    jobs: { type: 'string', default: '1' },
  },
});
const cache = join(root, '.cache/compare');
await mkdir(cache, { recursive: true });
const recipe = values.recipe === undefined ? '' : await readFile(values.recipe, 'utf8');
/**
 * What decides a result besides the seed: other weights, other defaults or other images are another
 * measurement.
 */
async function keyOf(/** @type {string} */ data) {
  const digest = createHash('sha256').update(recipe);
  for (const file of [
    'public/models/graft-sprout-64/model.safetensors',
    'src/recipe/options.ts',
    `public/datasets/${data}.zip`,
  ])
    digest.update(await readFile(join(root, file)));
  return digest.digest('hex').slice(0, 8);
}

/**
 * @typedef {{ accuracy: number, loss: number }} Metrics
 * @typedef {{ test: Metrics, validation: Metrics, probe: { validation: Metrics, test: Metrics }, seconds:
 *   number, steps: number }} Result
 * @param {string} data
 * @param {number} seed
 * @returns {Promise<Result>}
 */
async function run(data, seed) {
  const file = join(cache, `${data}-${seed}-${await keyOf(data)}.json`);
  const known = await readFile(file, 'utf8').catch(() => null);
  if (known !== null) return JSON.parse(known);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      join(root, 'scripts/finetune.mjs'),
      ...[
        '--model',
        join(root, 'public/models/graft-sprout-64'),
        '--data',
        join(root, `public/datasets/${data}.zip`),
      ],
      ...[
        '--out',
        join(cache, `out-${data}-${seed}`),
        '--seed',
        String(seed),
        '--backend',
        values.backend,
        '--json',
      ],
      ...(values.recipe === undefined ? [] : ['--recipe', values.recipe]),
    ],
    { maxBuffer: 1e8 },
  );
  const line = stdout.trim().split('\n').at(-1) ?? '';
  await writeFile(file, line);
  return JSON.parse(line);
}

/** Two-sided 95 % quantile of Student's t for n - 1 degrees of freedom, n = 2 .. 10. */
const t95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/** @param {number[]} sample @returns {{ mean: number, half: number }} */
function interval(sample) {
  const mean = sample.reduce((a, b) => a + b, 0) / sample.length;
  const variance = sample.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, sample.length - 1);
  return { mean, half: (t95[sample.length - 2] ?? NaN) * Math.sqrt(variance / sample.length) };
}

/** @param {number} value */
const percent = (value) => (100 * value).toFixed(1);

const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const waiting = values.data.flatMap((data) => seeds.map((seed) => ({ data, seed })));
/** @type {Map<string, Result>} */
const results = new Map();
await Promise.all(
  Array.from({ length: Math.max(1, Number(values.jobs)) }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { data, seed } = next;
      const result = await run(data, seed);
      results.set(`${data} ${seed}`, result);
      console.error(
        `${data}, seed ${seed}: test ${percent(result.test.accuracy)} %, probe ${percent(result.probe.test.accuracy)} %`,
      );
    }
  }),
);

console.log('| Data set | Images | Linear probe | Fine-tuned | Difference | Steps | Seconds a run |');
console.log('|---|---|---|---|---|---|---|');
for (const data of values.data) {
  const runs = seeds.flatMap((seed) => results.get(`${data} ${seed}`) ?? []);
  /** @param {(result: Result) => number} of */
  const cell = (of) => {
    const { mean, half } = interval(runs.map(of));
    return `${percent(mean)} ± ${percent(half)}`;
  };
  const seconds = interval(runs.map((result) => result.seconds)).mean.toFixed(0);
  for (const part of /** @type {const} */ (['test', 'validation'])) {
    const difference = cell((result) => result[part].accuracy - result.probe[part].accuracy);
    console.log(
      `| ${data} | ${part} | ${cell((result) => result.probe[part].accuracy)} | ${cell((result) => result[part].accuracy)} | ${difference} | ${runs[0]?.steps ?? '-'} | ${seconds} |`,
    );
  }
}
