// The same seed gives the same bits on one device: no kernel adds through atomics, whose order is left to
// chance. Looks at the WGSL of everything that a run can dispatch, in every tile and storage.
import { expect, test } from 'vitest';
import { countingGpu } from '../../checks/counting-device.ts';
import { tunedStart } from '../../../dmlora/tuned.ts';
import { tileSet } from '../tuning/tile-set.ts';
import { matmul } from './matmul-variants.ts';
import { micro, plainNormalisation, randomAdapter, randomModel } from '../../checks/random-model.ts';
import { gpuTuning, processorTuning, quadTuning, smallestTuning, subgroupTuning } from '../tuning/tuning.ts';
import { KernelEngine } from '../kernels-engine.ts';
import { plainFusion } from './matmul.ts';

/** The code of every module that an engine asks its device for. */
async function codeOf(work: (gpu: ReturnType<typeof countingGpu>) => Promise<unknown>): Promise<string[]> {
  const gpu = countingGpu({});
  const codes: string[] = [];
  const { device } = gpu;
  const make = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    codes.push(descriptor.code);
    return make(descriptor);
  };
  await work(gpu);
  return codes;
}

test('no kernel uses atomics', async () => {
  const model = randomModel(micro);
  const all: string[] = [];
  for (const tuning of [gpuTuning, subgroupTuning, processorTuning, quadTuning, smallestTuning])
    for (const float16 of ['never', 'always'] as const)
      for (const microBatch of [2, 4]) {
        const codes = await codeOf(async (gpu) => {
          const tuned = tunedStart(model, microBatch === 2 ? 'all' : 'biases');
          const adapter = { ...randomAdapter(micro, 3, { targets: 'all' }), ...tuned };
          const shapes = { batch: 4, classes: 3, microBatch, memory: { budgetBytes: null, float16 } };
          const engine = new KernelEngine(gpu, tuning);
          const prepared = await engine.prepare(model, adapter, plainNormalisation, shapes);
          expect(prepared.ok).toBe(true);
        });
        expect(codes.length).toBeGreaterThan(30);
        all.push(...codes);
      }
  for (const tile of tileSet)
    for (const halves of [false, true])
      all.push(
        matmul({ rows: 8, inner: 8, columns: 8, parts: 1 }, { ...plainFusion, halves }, tile).kernel.code,
      );
  expect(all.filter((code) => /atomic/i.test(code))).toEqual([]);
});
