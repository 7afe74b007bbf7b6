// Whether a model can be trained at all is said before a weight of it is read.
import { expect, test } from 'vitest';
import { describeFault } from '../shared/describe-fault.ts';
import { unwrap } from '../shared/result.ts';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import { microBatchOf } from './autodiff/memory-plan.ts';
import { loadingProblem } from './loading-problem.ts';

const base: VitConfig = {
  imageSize: 224,
  patchSize: 16,
  dim: 768,
  depth: 12,
  heads: 12,
  mlpDim: 3072,
  layerNormEps: 1e-6,
  ...originalVit,
};
// ViT-H with layer scale, as DINOv2's: 632 million parameters, 2.5 GB in float32.
const huge: VitConfig = { ...base, patchSize: 14, dim: 1280, depth: 32, heads: 16, mlpDim: 5120 };
// ViT-L: 303 million, 1.2 GB, of which WebAssembly needs two copies.
const large: VitConfig = { ...base, dim: 1024, depth: 24, heads: 16, mlpDim: 4096 };

test('a model that fits WebAssembly needs no GPU', () => {
  expect(loadingProblem(base, null)).toBeNull();
});

test('one that fits a GPU alone needs one, with bindings as large as its largest tensor', () => {
  expect(loadingProblem(large, 2 ** 31)).toBeNull();
  expect(loadingProblem(large, null)).toMatch(
    /WebAssembly it needs about 3\.\d GB of 2 GB; on WebGPU, there is none/,
  );
  // fc1 and fc2 have 4 * 1024 * 4096 bytes.
  expect(loadingProblem(large, 2 ** 24 - 1)).toMatch(
    /largest tensor, blocks\.0\.fc1\.weight, has 16777216 bytes and the GPU takes 16777215/,
  );
});

test('what is refused at opening is refused by the engine, and the other way round', () => {
  const accepts = (config: VitConfig): boolean =>
    microBatchOf({ config, weights: new Map() }, 'wasm', { batch: 4 }, { branches: true, tuned: 0 }).ok;
  expect([base, large, huge].map(accepts)).toEqual([true, false, false]);
});

test('tuning all of a model is refused where its moments and gradients do not fit, tuning its biases is not', () => {
  const tuning = (tuned: number): unknown =>
    microBatchOf({ config: base, weights: new Map() }, 'wasm', { batch: 4 }, { branches: false, tuned });
  expect(tuning(101_000)).toMatchObject({ ok: true });
  expect(tuning(86_000_000)).toMatchObject({
    fault: {
      kind: 'out-of-memory',
      detail: expect.stringMatching(
        /^Tuning the backbone .* on wasm needs .*; .* are there\. LayerNorm tuning and BitFit need/,
      ) as string,
    },
  });
});

test('where not even one image fits, neither a smaller batch is advised nor a method that would not help', () => {
  const refused = microBatchOf(
    { config: huge, weights: new Map() },
    'wasm',
    { batch: 4 },
    { branches: false, tuned: 86_000_000 },
  );
  if (refused.ok) throw new Error('it was accepted');
  const { detail, advice } = describeFault(refused.fault);
  expect(detail).toMatch(/are there\.$/);
  expect(advice).toBe('Choose a smaller model or a smaller image size and start again.');
});

test('where the head alone learns, nothing waits for a backward pass: many more images fit', () => {
  const atOnce = (branches: boolean): number => {
    const at448 = { ...base, imageSize: 448 };
    const learns = { branches, tuned: 0 };
    return unwrap(microBatchOf({ config: at448, weights: new Map() }, 'cpu', { batch: 32 }, learns));
  };
  expect(atOnce(false)).toBeGreaterThanOrEqual(4 * atOnce(true));
});
