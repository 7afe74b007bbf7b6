// Outcomes of cases -> rows of the JSON file, the table on the terminal, the comparison of losses.
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { leftOut } from './budget.mjs';
import { caseName, torchForms } from './cases.mjs';

/**
 * @typedef {{ started: any, measured: any, onGpu: any, profile: any, gpuCpuMs: number | null, pageCpuMs:
 *   number | null }} Outcome
 * @typedef {{ wanted: import('./cases.mjs').Case, outcomes: Outcome[], error: string | null }} Ran
 * @typedef {Record<string, any>} Row
 * @typedef {import('./kernel-times.ts').KernelTime} KernelTime
 */

/**
 * Losses of all engines on one shape agree when none differs by more than this from the reference's, at any
 * step. Two float32 implementations differ by rounding; Adam divides by the gradient's size and so enlarges
 * it step by step.
 */
export const lossTolerance = 1e-3;

/** Whose losses the others are compared with: the first of these that ran. */
const references = ['torch-cpu', 'tfjs-wasm', 'tfjs-webgpu', 'jax-js', 'autodiff-wasm', 'autodiff-webgpu'];

/** The run with the median CPU time (or wall time). @param {Outcome[]} outcomes */
function median(outcomes) {
  const cost = (/** @type {Outcome} */ one) => one.gpuCpuMs ?? one.pageCpuMs ?? one.measured.wallMs;
  return [...outcomes].sort((a, b) => cost(a) - cost(b))[Math.floor((outcomes.length - 1) / 2)];
}

/** @param {Ran[]} ran @param {number | null} peakGflops @returns {Row[]} */
export function rowsOf(ran, peakGflops) {
  const done = ran.filter(({ outcomes, error }) => outcomes.length > 0 || error !== null);
  const rows = done.map(({ wanted, outcomes, error }) => rowOf(wanted, outcomes, error, peakGflops));
  for (const row of rows) compareLosses(row, rows);
  return rows;
}

/**
 * @param {import('./cases.mjs').Case} wanted
 * @param {Outcome[]} outcomes
 * @param {string | null} error
 * @param {number | null} peakGflops
 * @returns {Row}
 */
function rowOf(wanted, outcomes, error, peakGflops) {
  const { engine, model, batch } = wanted;
  const one = median(outcomes);
  const tokens = (model.imageSize / model.patchSize) ** 2 + 1;
  const shape = { engine, model: model.name, tokens, depth: model.depth, width: model.dim, batch };
  if (one === undefined) return { ...shape, ...nothing, error };
  const { started, measured, onGpu } = one;
  const { wallMs, peakBufferBytes } = measured;
  const isTorch = engine in torchForms;
  // The whole step, from hand-over to its loss; on a GPU the pace of several in flight says more.
  const pace = onGpu === null ? wallMs : Math.min(wallMs, onGpu.queuedMs);
  const gflops = started.flops / pace / 1e6;
  return {
    ...shape,
    adapter: started.adapter,
    software: started.software,
    counts: measured.counts,
    jsMs: measured.jsMs,
    gpuCpuMs: one.gpuCpuMs,
    cpuMs: (one.gpuCpuMs ?? 0) + (one.pageCpuMs ?? 0),
    wallMs,
    queuedMs: onGpu?.queuedMs ?? null,
    gpuMs: onGpu?.gpuMs ?? null,
    gpuSpanMs: onGpu?.gpuSpanMs ?? null,
    peakBufferBytes,
    bytesPerImage:
      peakBufferBytes === null
        ? null
        : Math.max(0, Math.round((peakBufferBytes - started.heldBytes) / batch)),
    liveBytes: measured.liveBytes,
    tuning: started.tuning ?? null,
    memoryPlan: started.memoryPlan ?? null,
    prepareMs: started.prepareMs,
    firstStepMs: started.firstStepMs,
    gflopPerStep: started.flops / 1e9,
    gflops,
    shareOfPeak: peakGflops === null || isTorch ? null : gflops / peakGflops,
    losses: measured.losses,
    ...(one.profile === null ? {} : { profile: one.profile }),
    runs: outcomes.map(({ gpuCpuMs, pageCpuMs, measured: { wallMs: wall } }) => ({
      gpuCpuMs,
      pageCpuMs,
      wallMs: wall,
    })),
    error,
  };
}

const nothing = {
  ...{ adapter: null, software: null, counts: null, jsMs: null, gpuCpuMs: null, cpuMs: null, wallMs: null },
  ...{ queuedMs: null, gpuMs: null, gpuSpanMs: null, peakBufferBytes: null, bytesPerImage: null },
  ...{
    tuning: null,
    memoryPlan: null,
    liveBytes: null,
    prepareMs: null,
    firstStepMs: null,
    gflopPerStep: null,
    gflops: null,
  },
  ...{ shareOfPeak: null, losses: [], runs: [] },
};

/** Sets `lossReference`, `lossDifference` and `lossesAgree` of a row. @param {Row} row @param {Row[]} rows */
function compareLosses(row, rows) {
  const beside = rows.filter(
    ({ model, batch, losses }) => model === row['model'] && batch === row['batch'] && losses.length > 0,
  );
  const reference = references
    .map((name) => beside.find(({ engine }) => engine === name))
    .find((other) => other !== undefined);
  if (row['losses'].length === 0 || reference === undefined || beside.length < 2) {
    Object.assign(row, { lossReference: null, lossDifference: null, lossesAgree: null });
    return;
  }
  const steps = Math.min(row['losses'].length, reference['losses'].length);
  const difference = Math.max(
    ...Array.from({ length: steps }, (_, i) => Math.abs(row['losses'][i] - reference['losses'][i])),
  );
  Object.assign(row, {
    lossReference: reference['engine'],
    lossDifference: difference,
    lossesAgree: difference <= lossTolerance,
  });
}

const round = (/** @type {number | null | undefined} */ value, digits = 0) =>
  value === null || value === undefined ? '-' : value.toFixed(digits);

/** The table, and what failed. @param {Row[]} rows */
export function printRows(rows) {
  const measured = rows.filter(({ error, losses }) => error === null || losses.length > 0);
  const onGpu = measured.some(({ queuedMs }) => queuedMs !== null);
  console.table(
    Object.fromEntries(
      measured.map((row) => [
        `${row['engine']}/${row['model']}/b${row['batch']}`,
        {
          dispatches: round(row['counts']?.dispatches),
          submits: round(row['counts']?.submits),
          passes: round(row['counts']?.passes),
          bindGroups: round(row['counts']?.bindGroups),
          createBuffer: round(row['counts']?.createBuffer),
          writeBuffer: round(row['counts']?.writeBuffer),
          mapAsync: round(row['counts']?.mapAsync),
        },
      ]),
    ),
  );
  console.table(
    Object.fromEntries(
      measured.map((row) => [
        `${row['engine']}/${row['model']}/b${row['batch']}`,
        {
          'js ms': round(row['jsMs'], 1),
          'gpu cpu ms': round(row['gpuCpuMs']),
          'cpu ms': round(row['cpuMs']),
          'wall ms': round(row['wallMs'], row['wallMs'] < 100 ? 1 : 0),
          ...(onGpu ? { 'queued ms': round(row['queuedMs'], 2), 'gpu ms': round(row['gpuMs'], 2) } : {}),
          'first step ms': round(row['firstStepMs']),
          'peak MB': round(row['peakBufferBytes'] === null ? null : row['peakBufferBytes'] / 1e6, 1),
          'MB/image': round(row['bytesPerImage'] === null ? null : row['bytesPerImage'] / 1e6, 1),
          'GFLOP/s': round(row['gflops'], 2),
          '% of peak': round(row['shareOfPeak'] === null ? null : 100 * row['shareOfPeak'], 1),
          'last loss': round(row['losses'].at(-1), 4),
          'loss diff': row['lossDifference'] === null ? '-' : row['lossDifference'].toExponential(1),
          agrees: row['lossesAgree'] ?? '-',
        },
      ]),
    ),
  );
  for (const row of rows)
    if (row['error'] !== null)
      console.log(`${row['engine']}/${row['model']}/b${row['batch']} failed: ${row['error']}`);
  printRatios(measured);
  for (const { memoryPlan, peakBufferBytes, model, batch } of measured)
    if (memoryPlan !== null) {
      const { totalBytes, microBatch, recomputedBlocks, storage } = memoryPlan;
      console.log(
        `${model}/b${batch}, kernels: memory plan ${round(totalBytes / 1e6, 1)} MB, peak ${round(peakBufferBytes / 1e6, 1)} MB; ` +
          `${storage}, ${microBatch} images at once, ${recomputedBlocks} blocks computed again`,
      );
    }
  for (const row of measured.filter(({ profile }) => profile !== undefined)) printProfile(row);
}

/** The kernels that take the longest, by timestamps of passes of their own. @param {Row} row */
function printProfile(row) {
  const all = row['profile'].reduce((/** @type {number} */ sum, /** @type {any} */ { ms }) => sum + ms, 0);
  console.log(
    `${row['engine']}/${row['model']}/b${row['batch']}, kernels of a step, ${all.toFixed(1)} ms in all`,
  );
  console.table(
    row['profile'].slice(0, 30).map((/** @type {any} */ { kernel, dispatches, ms }) => ({
      kernel,
      dispatches,
      ms: ms.toFixed(2),
      '%': ((100 * ms) / all).toFixed(1),
    })),
  );
}

/**
 * How often the kernel engine's cost each other engine takes, by CPU time of the GPU process, or on a GPU by
 * wall time.
 */
function printRatios(/** @type {Row[]} */ rows) {
  for (const own of rows.filter(({ engine }) => engine === 'kernels')) {
    const cost = (/** @type {Row} */ row) =>
      own['software'] ? row['gpuCpuMs'] : (row['queuedMs'] ?? row['wallMs']);
    const others = rows.filter(
      (row) =>
        row !== own && row['model'] === own['model'] && row['batch'] === own['batch'] && cost(row) !== null,
    );
    if (others.length === 0) continue;
    const ratios = others.map((row) => `${row['engine']} ${(cost(row) / cost(own)).toFixed(1)} x`);
    const unit = own['software'] ? 'CPU time of the GPU process' : 'wall time a step';
    console.log(`${own['model']}/b${own['batch']}, ${unit} by that of kernels: ${ratios.join(', ')}`);
  }
}

/**
 * Writes rows and machine to a file, if one is named: called after every case, so that a run that is cut off
 * loses one.
 * @param {string | undefined} file
 * @param {{ runtime: string, peak: any, commit: string | null }} facts
 */
export function saverOf(file, { runtime, peak, commit }) {
  return async (/** @type {Ran[]} */ ran, /** @type {KernelTime[]} */ kernels = []) => {
    if (file === undefined) return;
    const machine = {
      date: new Date().toISOString(),
      commit,
      cpus: os.cpus().length,
      cpu: os.cpus()[0]?.model ?? 'unknown',
      memoryBytes: os.totalmem(),
      load: os.loadavg(),
      runtime,
      adapter: peak.adapter,
      software: peak.software,
      peak,
      lossTolerance,
    };
    const result = { machine, cases: rowsOf(ran, peak.gflops), kernels };
    await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  };
}

/** Kernels alone: of each shape its variants, the fastest first. @param {KernelTime[]} times */
export function printKernels(times) {
  console.table(
    times.map(({ kernel, shape, variant, preset, ms, gflops }) => ({
      kernel,
      shape,
      variant: preset ? `${variant} (preset)` : variant,
      ms: ms === null ? 'not measured' : ms.toFixed(4),
      'TFLOP/s': ms === null ? '' : (gflops / 1000).toFixed(2),
    })),
  );
}

/** What stands under the table. @param {any} peak */
export function printMachine(peak) {
  const load = os.loadavg().map((one) => one.toFixed(1));
  console.log(`${peak.adapter}; measured peak ${peak.gflops.toFixed(1)} GFLOP/s float32`);
  console.log(`load average ${load.join(' ')} on ${os.cpus().length} cores`);
}

/**
 * Runs every case `repeat` times, round by round, so that a change of the machine's load meets all alike. A
 * case that fails is reported in its row; the others go on.
 * @param {import('./cases.mjs').Case[]} cases
 * @param {number} repeat
 * @param {(wanted: import('./cases.mjs').Case, limitMs: number) => Promise<Outcome>} run
 * @param {(ran: Ran[]) => Promise<void>} save called after every case
 * @param {import('./budget.mjs').Budget | null} budget
 * @returns {Promise<Ran[]>}
 */
export async function runAll(cases, repeat, run, save, budget = null) {
  /** @type {Ran[]} */
  const ran = cases.map((wanted) => ({ wanted, outcomes: [], error: null }));
  for (let round = 0; round < repeat; round++)
    for (const one of ran) {
      if (one.error !== null) continue;
      const limitMs = budget === null ? Infinity : budget.share();
      if (limitMs === null) {
        if (one.outcomes.length === 0) one.error = leftOut;
        continue;
      }
      const part = repeat > 1 ? ` (${round + 1} of ${repeat})` : '';
      console.error(`running ${caseName(one.wanted)}${part} ...`);
      try {
        one.outcomes.push(await run(one.wanted, limitMs));
      } catch (thrown) {
        one.error = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0] ?? '';
        console.error(`  failed: ${one.error}`);
      }
      await save(ran);
    }
  return ran;
}
