// What is said of a run that goes on elsewhere: nothing on the same device and build, each difference once
// otherwise.
import { expect, test } from 'vitest';
import { differences, type RunFacts } from './saved-run.ts';
import { fixedRun } from './testing/any-run.ts';

const { facts } = fixedRun;
const { device } = facts;

test('the same device and build say nothing, in whatever order they stand', () => {
  const turned = <T extends object>(value: T): T =>
    Object.fromEntries(Object.entries(value).reverse()) as unknown as T;
  const now = { ...turned(facts), plan: turned(facts.plan), device: turned(device) };
  expect(differences(facts, now)).toEqual([]);
});

test.each<[string, Partial<RunFacts>, RegExp]>([
  [
    'another device',
    { device: { ...device, backend: 'wasm', adapter: 'a CPU', tiles: null } },
    /It ran on .*a GPU.* goes on on wasm, a CPU/,
  ],
  [
    'another cut',
    {
      device: {
        ...device,
        memory: { microBatch: 1, recomputedBlocks: 0, storage: 'f32', arithmetic: 'float32' },
      },
    },
    /cut otherwise/,
  ],
  ['other tiles', { device: { ...device, tiles: { '8x8x8x1': '8x8' } } }, /measured anew/],
  [
    'a smaller rate',
    { recipe: { ...facts.recipe, learningRate: facts.recipe.learningRate / 10 } },
    /had overflowed: .* \(learningRate\) \S+ instead of/,
  ],
  ['another build', { build: 'fedcba' }, /Build 0123456789ab .* build fedcba/],
  ['another plan', { plan: { ...facts.plan, dropSteps: [3, 4] } }, /plans its drops/],
])('%s is told in one sentence', (_, change, words) => {
  const notes = differences(facts, { ...facts, ...change });
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(words);
});
