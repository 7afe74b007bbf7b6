// The N-th buffer that is made, and the N-th read, fails, for every N of a short life of the kernel engine, on a
// device that computes nothing: every call answers with a fault and none throws, no buffer stays behind, and the
// engine works when it is prepared again.
import { describe, expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import type { Result } from '../shared/result.ts';
import { countingGpu, type Counts } from './checks/counting-device.ts';
import { readReference } from './checks/node-backends.ts';
import { plainNormalisation, randomAdapter, randomBatch, stage1 } from './checks/random-model.ts';
import { readMicroModel } from './checks/reference.ts';
import type { Gpu } from './gpu.ts';
import { KernelEngine } from './kernels/kernels-engine.ts';
import { smallestTuning } from './kernels/tuning/tuning.ts';

const model = await readMicroModel(readReference);
const { config } = model;
const classes = 3;
const adapter = randomAdapter(config, classes);
const batch = randomBatch(config, 4, classes);
const { pixels: oneImage } = randomBatch(config, 1, classes);

interface Failing {
  readonly gpu: Gpu;
  readonly counts: Counts;
  /** How often it was asked. */
  readonly asked: () => number;
}

type Way = 'a buffer is refused' | 'a buffer throws' | 'a read is refused';

/** A device on which the N-th request of a kind fails, as a device tells it. */
function failingDevice(way: Way, at: number): Failing {
  const counts: Counts = {};
  const gpu = countingGpu(counts);
  const { device } = gpu;
  let asked = 0;
  let refused = false;
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor): GPUBuffer => {
    const fails = way !== 'a read is refused' && ++asked === at;
    if (fails && way === 'a buffer throws') throw new RangeError('Array buffer allocation failed');
    refused ||= fails; // what is made is no buffer; the error scope around it says so
    const buffer = create(descriptor);
    const map = buffer.mapAsync.bind(buffer);
    buffer.mapAsync = (mode): Promise<undefined> => {
      if (way !== 'a read is refused' || ++asked !== at) return map(mode);
      return Promise.reject(new DOMException('The buffer cannot be mapped.', 'OperationError'));
    };
    return buffer;
  };
  const scoped = (): boolean => {
    const was = refused;
    refused = false;
    return was;
  };
  // The class of the error is a browser's.
  class OutOfMemory {
    readonly message = 'Out of memory.';
  }
  Object.assign(globalThis, { GPUOutOfMemoryError: OutOfMemory });
  device.popErrorScope = () => Promise.resolve(scoped() ? (new OutOfMemory() as unknown as GPUError) : null);
  return {
    counts,
    asked: () => asked,
    gpu: {
      ...gpu,
      guarded: async (step, work) => {
        const done = await gpu.guarded(step, work);
        return scoped() && done.ok
          ? { ok: false, fault: { kind: 'out-of-memory', askedBytes: 0, detail: 'Out of memory.' } }
          : done;
      },
    },
  };
}

/** Prepares, steps, evaluates, looks, reads and writes; what each call answered. */
async function life(engine: KernelEngine): Promise<readonly (string | null)[]> {
  const kind = (result: Result<unknown>): string | null => (result.ok ? null : result.fault.kind);
  const prepared = await engine.prepare(model, adapter, plainNormalisation, { batch: 4, classes });
  if (!prepared.ok) return [prepared.fault.kind];
  const answers: (string | null)[] = [null];
  for (const step of [0, 1]) {
    engine.step(batch, { ...stage1, step });
    answers.push((await engine.report()).fault?.kind ?? null);
  }
  answers.push(kind(await engine.evaluate(batch.pixels, allOpen)));
  answers.push(kind(await engine.features(batch.pixels, allOpen)));
  answers.push(kind(await engine.look(oneImage, 0, allOpen)));
  answers.push(kind(await engine.readAdapter()));
  answers.push(kind(await engine.writeAdapter(adapter)));
  return answers;
}

/** Whether a plan that takes less memory was chosen, which the page says. */
const tookLess = (engine: KernelEngine): boolean => engine.memoryPlan().note !== null;

/** What may be told of each. */
const ways: Record<Way, readonly string[]> = {
  'a buffer is refused': ['out-of-memory', 'less'],
  'a buffer throws': ['out-of-memory'],
  'a read is refused': ['gpu-error', 'bug'],
};

describe.each<Way>(['a buffer is refused', 'a buffer throws', 'a read is refused'])('where %s', (way) => {
  test('for every N a call says so, nothing stays behind, and the engine works again', async () => {
    let failures = 0;
    for (let at = 1; ; at++) {
      const { gpu, counts, asked } = failingDevice(way, at);
      const engine = new KernelEngine(gpu, smallestTuning);
      const answers = await life(engine);
      if (asked() < at) {
        expect(answers.every((answer) => answer === null)).toBe(true);
        engine.dispose();
        break;
      }
      failures += 1;
      const words = `number ${at}: ${answers.join()}`;
      const told = answers.find((answer) => answer !== null) ?? (tookLess(engine) ? 'less' : 'nothing');
      expect(ways[way], words).toContain(told);
      engine.release();
      expect(counts['bytes'] ?? 0, words).toBe(0);
      expect(new Set(await life(engine)), words).toEqual(new Set([null]));
      engine.dispose();
      expect(counts['bytes'], words).toBe(0);
    }
    expect(failures).toBeGreaterThan(way === 'a read is refused' ? 3 : 20);
  });
});
