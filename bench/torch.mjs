// PyTorch, on the processor or an NVIDIA GPU, where Python has it: bench/torch_step.py takes the same step on
// a file of the same weights, branches and batch.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { torchForms } from './cases.mjs';

const named = () => process.env['GRAFT_PYTHON'] ?? 'python3';

/** @param {string} program whether Python runs it */
const runs = (program) =>
  spawnSync(named(), ['-c', program], { stdio: 'ignore', timeout: 60_000 }).status === 0;

/** The interpreter: GRAFT_PYTHON, or python3. Null where it has no torch; asked once. */
function python() {
  known ??= { name: runs('import torch') ? named() : null };
  return known.name;
}
/** @type {{ name: string | null } | null} */
let known = null;

/** Whether Python has a PyTorch that finds a GPU. */
export const hasCuda = () => runs('import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)');

/** The workload files that were written, by shape: all forms of PyTorch read the same. @type {Map<string, any>} */
const written = new Map();
/** @type {string | null} */
let folder = null;

/** Removes the workload files. */
export async function cleanTorch() {
  if (folder !== null) await rm(folder, { recursive: true, force: true });
  written.clear();
  folder = null;
}

/**
 * @param {import('./cases.mjs').Case} wanted
 * @param {number} steps
 * @param {{ script: string, write: (wanted: import('./cases.mjs').Case, file: string) =>
 *   Promise<{ flops: number, tokens: number }> }} tools
 * @param {number} limitMs after which it is ended
 * @returns {Promise<import('./report.mjs').Outcome>}
 */
export async function runTorch(wanted, steps, { script, write }, limitMs = Infinity) {
  const interpreter = python();
  if (interpreter === null)
    throw new Error('no torch in python3; GRAFT_PYTHON names an interpreter that has it');
  folder ??= await mkdtemp(path.join(os.tmpdir(), 'graft-torch-'));
  const begin = performance.now();
  const shape = `${wanted.model.name}-b${wanted.batch}`;
  const file = path.join(folder, `${shape}.safetensors`);
  if (!written.has(shape)) written.set(shape, await write(wanted, file));
  const { flops, tokens } = written.get(shape);
  const left = limitMs - (performance.now() - begin);
  if (left < 1000) throw new Error('no time was left after its weights were written');
  const ran = spawnSync(interpreter, [script, file, String(steps), ...(torchForms[wanted.engine] ?? [])], {
    encoding: 'utf8',
    ...(Number.isFinite(left) ? { timeout: Math.floor(left), killSignal: 'SIGKILL' } : {}),
  });
  if (ran.error !== undefined && ran.signal === 'SIGKILL')
    throw new Error(`ended after ${Math.round(limitMs / 1000)} s, all the time that it had`);
  if (ran.status !== 0) throw new Error(ran.stderr.trim().split('\n').at(-1) ?? 'torch_step.py failed');
  const { firstStepMs, wallMs, cpuMs, losses, device } = JSON.parse(ran.stdout);
  return {
    started: { adapter: device, software: false, firstStepMs, prepareMs: 0, flops, tokens, heldBytes: 0 },
    measured: { counts: null, jsMs: null, wallMs, peakBufferBytes: null, liveBytes: null, losses },
    onGpu: null,
    profile: null,
    gpuCpuMs: null,
    pageCpuMs: cpuMs,
  };
}
