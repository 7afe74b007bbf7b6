// The default recipe against a linear probe: fine-tunes the shipped model on the shipped data sets with several seeds
// through `npm run finetune`, and prints a Markdown table with the differences and their 95 % intervals. Each run's
// result is kept under .cache/compare, so an interrupted measurement goes on where it was.
//
//   node scripts/compare-default.mjs --probe fashion-1k=0.80 --probe emoji-8=0.60 [--seeds 5] [--recipe FILE] [--backend wasm]
//
// --probe gives the linear probe's test accuracy (scripts/pretrain/probe.py measures it on the same test images).
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { root } from './setup/paths.mjs';

const { values } = parseArgs({
  options: {
    probe: { type: 'string', multiple: true, default: [] },
    seeds: { type: 'string', default: '5' },
    recipe: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
  },
});
const cache = join(root, '.cache/compare');
await mkdir(cache, { recursive: true });
const recipe = values.recipe === undefined ? '' : await readFile(values.recipe, 'utf8');
const recipeKey = createHash('sha256').update(recipe).digest('hex').slice(0, 8);

/**
 * @typedef {{ test: { accuracy: number }, validation: { accuracy: number, loss: number }, initialValidation: { accuracy: number }, seconds: number, steps: number, testImages: number }} Result
 * @param {string} data @param {number} seed
 * @returns {Promise<Result>}
 */
async function run(data, seed) {
  const file = join(cache, `${data}-${seed}-${recipeKey}.json`);
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
console.log('| Data set | Linear probe | Fine-tuned, test | Difference | Validation | Seconds a run |');
console.log('|---|---|---|---|---|---|');
for (const entry of values.probe) {
  const [data = '', accuracy = ''] = entry.split('=');
  /** @type {Result[]} */
  const results = [];
  for (const seed of seeds) {
    results.push(await run(data, seed));
    console.error(`${data}, seed ${seed}: test ${percent(results.at(-1)?.test.accuracy ?? NaN)} %`);
  }
  const test = interval(results.map((result) => result.test.accuracy));
  const validation = interval(results.map((result) => result.validation.accuracy));
  const seconds = interval(results.map((result) => result.seconds));
  const difference = test.mean - Number(accuracy);
  console.log(
    `| ${data} | ${percent(Number(accuracy))} | ${percent(test.mean)} +- ${percent(test.half)} | ${difference > 0 ? '+' : ''}${percent(difference)} +- ${percent(test.half)} | ${percent(validation.mean)} | ${seconds.mean.toFixed(0)} |`,
  );
}
