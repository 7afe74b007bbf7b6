// The memory plan in words: the sum, every part that takes something, and what was given up.
import { expect, test } from 'vitest';
import type { MemoryPlan } from '../../worker/protocol.ts';
import { memorySentence } from './memory-sentence.ts';

const plan: MemoryPlan = {
  bytes: { weights: 46e6, adapter: 9e6, activations: 350e6, prefix: 0, uploads: 0, readBack: 7e6 },
  totalBytes: 412e6,
  batch: 16,
  microBatch: 8,
  recomputedBlocks: 0,
  storage: 'f32',
  arithmetic: 'float32',
  note: null,
};

test('names the sum and the parts, and leaves out what takes nothing', () => {
  expect(memorySentence(plan)).toBe(
    '412 MB on the GPU: weights of the model 46 MB, what learns and its moments 9 MB, activations 350 MB, reading back 7 MB.',
  );
});

test('says what was given up', () => {
  const note = 'The GPU refused 762 MB: a step takes its 16 images as 2 x 8.';
  expect(memorySentence({ ...plan, note })).toMatch(/reading back 7 MB\. The GPU refused 762 MB: a step/);
});
