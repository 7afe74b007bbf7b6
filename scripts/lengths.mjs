// What default lengths are chosen by: a grid of runs on subsets of several data sets, each beside its probe
// (docs/experiments/default-lengths.md). Results are appended to a file, a line each; what stands there
// already is not run again.
//
//   node scripts/lengths.mjs --out FILE --set NAME=ZIP... --cases SETS:IMAGES:STEPS:SEEDS:RATES...
//     [--model FOLDER] [--image-size N] [--backend torch|wasm] [--validations N] [--judges N] [--pause-while FILE]
//   node scripts/lengths.mjs --out FILE --table
//
// Each part of --cases is a list with commas, and all combinations are run. PyTorch computes, in the
// interpreter that GRAFT_PYTHON names; `--backend wasm` takes the app's own engine.
import { appendFile, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { appModule } from './setup/app-module.mjs';
import { printTables } from './lengths/table.mjs';
import { root } from './setup/paths.mjs';

/** @typedef {import('./lengths/lengths.ts').Case} Case */
/** @typedef {import('./lengths/lengths.ts').Measured} Measured */

/** @param {Case} wanted */
const keyOf = ({ set, n, steps, seed, rate }) => [set, n, steps, seed, rate].join(' ');

/** @param {string} text @returns {Case[]} */
function casesOf(text) {
  const [sets = [], images = [], steps = [], seeds = [], rates = []] = text
    .split(':')
    .map((part) => part.split(','));
  return images.flatMap((n) =>
    steps.flatMap((length) =>
      rates.flatMap((rate) =>
        seeds.flatMap((seed) =>
          sets.map((set) => ({ set, n: +n, steps: +length, seed: +seed, rate: +rate })),
        ),
      ),
    ),
  );
}

/** @param {string} file @returns {Promise<Measured[]>} */
async function measuredIn(file) {
  const lines = existsSync(file) ? (await readFile(file, 'utf8')).trim().split('\n') : [];
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

const { values: given } = parseArgs({
  options: {
    out: { type: 'string', default: '.cache/lengths.jsonl' },
    set: { type: 'string', multiple: true, default: [] },
    cases: { type: 'string', multiple: true, default: [] },
    model: { type: 'string', default: path.join(root, 'public/models/graft-sprout-64') },
    'image-size': { type: 'string' },
    backend: { type: 'string', default: 'torch' },
    validations: { type: 'string', default: '10' },
    judges: { type: 'string', default: '300' },
    'pause-while': { type: 'string' },
    table: { type: 'boolean', default: false },
  },
});

if (given.table) printTables(await measuredIn(given.out));
else await measure();

async function measure() {
  const known = new Set((await measuredIn(given.out)).map(keyOf));
  const wanted = given.cases.flatMap(casesOf).filter((one) => !known.has(keyOf(one)));
  const pause = given['pause-while'];
  /** @type {typeof import('./lengths/lengths.ts')} */
  const { Lengths } = await appModule('scripts/lengths/lengths.ts');
  const lengths = await Lengths.open({
    model: given.model,
    imageSize: given['image-size'] === undefined ? null : Number(given['image-size']),
    sets: Object.fromEntries(given.set.map((text) => text.split('=', 2))),
    python: process.env['GRAFT_PYTHON'] ?? 'python3',
    backend: given.backend === 'wasm' ? 'wasm' : 'torch',
    validations: Number(given.validations),
    judges: Number(given.judges),
    mayGoOn: async () => {
      while (pause !== undefined && existsSync(pause)) await new Promise((done) => setTimeout(done, 5000));
    },
  });
  let done = 0;
  for (const one of wanted) {
    if (known.has(keyOf(one))) continue;
    known.add(keyOf(one));
    const measured = await lengths.measure(one);
    await appendFile(given.out, `${JSON.stringify(measured)}\n`);
    const [probe] = measured.points;
    const say = (/** @type {typeof probe} */ at) =>
      at === undefined
        ? ''
        : `${(100 * at.validation.accuracy).toFixed(1)} / ${(100 * (at.judge?.accuracy ?? NaN)).toFixed(1)}`;
    done += 1;
    console.error(
      `${done} of ${wanted.length}: ${keyOf(one)}: ${say(probe)} -> ${say(measured.result)}, ${measured.seconds.toFixed(0)} s`,
    );
  }
  lengths.close();
}
