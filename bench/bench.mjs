// The bench: one run, the same weights, batch and steps for every engine, counted and timed.
//
//   node bench/bench.mjs [--quick] [--cases kernels/small/b8,tfjs-webgpu/small/b8] [--steps 3] [--json FILE] [--node]
//
// Wall times lie on a shared machine, so the CPU time of the browser's GPU process stands beside them. On a machine
// without a GPU that process computes (SwiftShader), and its times say nothing about a GPU.
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { cpuMs, openBench } from './browser.mjs';
import { full, parseCase, quick } from './cases.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    node: { type: 'boolean', default: false },
    cases: { type: 'string' },
    steps: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const steps = Math.max(1, Number(options.steps));
const names =
  options.cases?.split(',') ?? (options.node ? ['kernels/small/b1'] : options.quick ? quick : full);

/** @typedef {{ measured: any, started: any, gpuCpuMs: number | null }} Outcome */

/** Runs one case in a fresh page. @param {Awaited<ReturnType<typeof openBench>>} bench @param {object} wanted @returns {Promise<Outcome>} */
async function inBrowser(bench, wanted) {
  const page = await bench.page();
  try {
    const started = await page.evaluate(
      (/** @type {any} */ one) => Reflect.get(globalThis, 'bench').start(one),
      wanted,
    );
    const before = cpuMs(bench.gpuProcess);
    const measured = await page.evaluate((count) => Reflect.get(globalThis, 'bench').steps(count), steps);
    const after = cpuMs(bench.gpuProcess);
    await page.evaluate(() => Reflect.get(globalThis, 'bench').stop());
    return {
      started,
      measured,
      gpuCpuMs: before === null || after === null ? null : (after - before) / steps,
    };
  } finally {
    await page.close();
  }
}

/** Runs one case of the kernel engine in this process. @param {object} wanted @returns {Promise<Outcome>} */
async function inNode(wanted) {
  const { createServer } = await import('vite');
  // Vite compiles the TypeScript; nothing is served.
  const vite = await createServer({ configFile: false, logLevel: 'warn', server: { middlewareMode: true } });
  try {
    const { start } = await vite.ssrLoadModule('/bench/node-entry.ts');
    const { measurement, started } = await start(wanted);
    const before = process.cpuUsage();
    const measured = await measurement.steps(steps);
    const { user, system } = process.cpuUsage(before);
    measurement.dispose();
    return { started, measured, gpuCpuMs: (user + system) / 1000 / steps };
  } finally {
    await vite.close();
  }
}

const bench = options.node ? null : await openBench();
const cases = [];
for (const name of names) {
  const wanted = parseCase(name);
  console.error(`running ${name} ...`);
  const { engine, model, batch } = wanted;
  const { started, measured, gpuCpuMs } =
    bench === null ? await inNode(wanted) : await inBrowser(bench, wanted);
  const weights = 4 * weightCount(model, started.tokens);
  cases.push({
    engine,
    model: model.name,
    tokens: started.tokens,
    depth: model.depth,
    width: model.dim,
    batch,
    adapter: started.adapter,
    counts: measured.counts,
    jsMs: measured.jsMs,
    // The wasm engine computes in the page's process, not in the GPU process.
    gpuCpuMs: engine === 'tfjs-wasm' ? null : gpuCpuMs,
    wallMs: measured.wallMs,
    peakBufferBytes: measured.peakBufferBytes,
    bytesPerImage: Math.round((measured.peakBufferBytes - (engine === 'kernels' ? 2 : 1) * weights) / batch),
    prepareMs: started.prepareMs,
    firstStepMs: started.firstStepMs,
    gflops: started.flops / measured.wallMs / 1e6,
    gflopPerStep: started.flops / 1e9,
    losses: measured.losses,
  });
}
await bench?.close();

/** Values of the frozen backbone. @param {import('./cases.mjs').Model} model @param {number} tokens */
function weightCount({ dim, depth, mlpDim, patchSize }, tokens) {
  const block = 4 * dim * dim + 2 * dim * mlpDim + 9 * dim + mlpDim;
  return depth * block + 3 * patchSize * patchSize * dim + (tokens + 4) * dim;
}

const round = (/** @type {number | null} */ value, digits = 0) =>
  value === null ? '-' : value.toFixed(digits);
console.table(
  Object.fromEntries(
    cases.map(({ engine, model, batch, counts, ...one }) => [
      `${engine}/${model}/b${batch}`,
      {
        dispatches: round(counts.dispatches),
        submits: round(counts.submits),
        createBuffer: round(counts.createBuffer),
        bindGroups: round(counts.bindGroups),
        'js ms': round(one.jsMs, 1),
        'gpu cpu ms': round(one.gpuCpuMs),
        'wall ms': round(one.wallMs),
        'peak MB': round(one.peakBufferBytes / 1e6, 1),
        'MB/image': round(one.bytesPerImage / 1e6, 1),
        'first step ms': round(one.firstStepMs),
        'GFLOP/s': round(one.gflops, 2),
        'last loss': round(one.losses.at(-1) ?? null, 4),
      },
    ]),
  ),
);
const machine = {
  cpus: os.cpus().length,
  cpu: os.cpus()[0]?.model ?? 'unknown',
  load: os.loadavg(),
  adapter: cases.find(({ engine }) => engine === 'kernels')?.adapter ?? null,
  runtime: options.node ? `node ${process.version}, Dawn` : 'Chromium',
};
console.log(
  `load average ${os
    .loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')} on ${machine.cpus} cores`,
);
if (options.json !== undefined)
  await writeFile(options.json, `${JSON.stringify({ machine, cases }, null, 2)}\n`);
process.exit(0);
