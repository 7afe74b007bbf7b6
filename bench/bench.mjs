// The bench: one run, the same weights, batch and steps for every engine, counted and timed.
//
//   node bench/bench.mjs [--quick] [--cases kernels/small/b8,tfjs-webgpu/small/b8] [--steps 3] [--repeat 3]
//                        [--json FILE] [--timestamps] [--profile] [--kernels] [--node | --pack DIR [--against DIR]]
//   node bench/bench.mjs --job ...: the whole job by phases (job.mjs)
//
// Wall times lie on a shared machine, so the CPU time of the browser's GPU process stands beside them. On a
// machine without a GPU that process computes (SwiftShader), and its times say nothing about a GPU.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf } from './answer.mjs';
import { caseName, defaultCases, parseCase, torchForms } from './cases.mjs';
import { bundle, commitOfTree, pack } from './pack.mjs';
import { printMachine, printRows, rowsOf, runAll, saverOf } from './report.mjs';
import { runTorch } from './torch.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    node: { type: 'boolean', default: false },
    pack: { type: 'string' },
    cases: { type: 'string' },
    steps: { type: 'string' },
    repeat: { type: 'string', default: '1' },
    timestamps: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    json: { type: 'string' },
    job: { type: 'boolean', default: false },
    model: { type: 'string' },
    data: { type: 'string' },
    recipe: { type: 'string' },
    look: { type: 'string', default: '0' },
    again: { type: 'boolean', default: false },
    against: { type: 'string' },
    turns: { type: 'string' },
    kernels: { type: 'boolean', default: false },
    budget: { type: 'string' },
  },
});
const here = path.dirname(fileURLToPath(import.meta.url));
/** Inside node_modules, so that the bundle finds Dawn's package. */
const cache = path.join(here, '..', 'node_modules', '.cache', `graft-bench-${process.pid}`);

if (options.job) {
  const { benchJob } = await import('./job.mjs');
  const { model, data, recipe, look, again, against, repeat, json } = options;
  const turns = options.turns?.split(',').map(Number);
  await benchJob({
    model,
    data,
    recipe,
    look: Number(look),
    again,
    against,
    turns,
    repeat: Number(repeat),
    json,
  });
  process.exit(0);
} else if (options.pack !== undefined) {
  const { folder, bytes } = await pack(options.pack, options.against);
  console.log(`${folder}: ${(bytes / 1e6).toFixed(1)} MB; node bench.mjs runs it there`);
} else if (options.node || options.kernels) {
  const file = await bundle(cache);
  const rest = process.argv.slice(2).filter((argument) => argument !== '--node');
  const commit = commitOfTree();
  const { status } = spawnSync(
    process.execPath,
    [file, ...rest, ...(commit === null ? [] : ['--commit', commit])],
    { stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
} else await inBrowser();

async function inBrowser() {
  const { browserRunner } = await import('./in-browser.mjs');
  const steps = options.steps === undefined ? null : Math.max(1, Number(options.steps));
  const runner = await browserRunner();
  const peak = await runner.peak();
  const { quick, timestamps, profile } = options;
  const names = options.cases?.split(',') ?? defaultCases({ quick, node: false, software: peak.software });
  /** @type {string | null} */
  let node = null;
  /**
   * The bundle for Node writes torch's file.
   * @param {import('./cases.mjs').Case} wanted
   * @param {string} file
   */
  const write = async (wanted, file) => {
    node ??= await bundle(cache);
    return answerOf(node, ['--workload', caseName(wanted), '--file', file]);
  };
  const script = path.join(here, 'torch_step.py');
  const run = (/** @type {import('./cases.mjs').Case} */ wanted) =>
    wanted.engine in torchForms
      ? runTorch(wanted, steps ?? 5, { script, write })
      : runner.run(wanted, { steps, timestamps, profile });
  const save = saverOf(options.json, { runtime: runner.runtime, peak, commit: commitOfTree() });
  const ran = await runAll(names.map(parseCase), Number(options.repeat), run, save);
  await runner.close();
  printRows(rowsOf(ran, peak.gflops));
  printMachine(peak);
  process.exit(0);
}
