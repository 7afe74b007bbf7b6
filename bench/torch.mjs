// PyTorch, on the processor or an NVIDIA GPU, where Python has it: bench/torch_step.py takes the same step on a file of the
// same weights, branches and batch.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { torchForms } from './cases.mjs';

/** The interpreter: GRAFT_PYTHON, or python3. Null where it has no torch. */
function python() {
  const name = process.env['GRAFT_PYTHON'] ?? 'python3';
  return spawnSync(name, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0 ? name : null;
}

/**
 * @param {import('./cases.mjs').Case} wanted
 * @param {number} steps
 * @param {{ script: string, write: (wanted: import('./cases.mjs').Case, file: string) =>
 *   Promise<{ flops: number, tokens: number }> }} tools
 * @returns {Promise<import('./report.mjs').Outcome>}
 */
export async function runTorch(wanted, steps, { script, write }) {
  const interpreter = python();
  if (interpreter === null)
    throw new Error('no torch in python3; GRAFT_PYTHON names an interpreter that has it');
  const folder = await mkdtemp(path.join(os.tmpdir(), 'graft-torch-'));
  try {
    const file = path.join(folder, 'workload.safetensors');
    const { flops, tokens } = await write(wanted, file);
    const ran = spawnSync(interpreter, [script, file, String(steps), ...(torchForms[wanted.engine] ?? [])], {
      encoding: 'utf8',
    });
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
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
