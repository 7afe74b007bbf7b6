// The suggestions: names that the Hub can have, and work that agrees with the operation counts that timm
// publishes.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseModelId } from '../hub/model-id.ts';
import { embeddedShape, suggestedModels } from './suggested-models.ts';

test('are named as the Hub names models, each once', () => {
  const ids = suggestedModels().map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(parseModelId(id)).toEqual({ ok: true, value: { id, revision: 'main' } });
});

test('are compared with the model that really ships', () => {
  const path = new URL('../../public/models/graft-sprout-64/config.json', import.meta.url);
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>;
  expect(embeddedShape).toEqual({
    imageSize: config['image_size'],
    patchSize: config['patch_size'],
    dim: config['hidden_size'],
    depth: config['num_hidden_layers'],
    heads: config['num_attention_heads'],
  });
});

// Multiply-adds of one image, in 10^9, from the model cards of timm, and the tokens and width of the model.
// Backward is as much again; 12 blocks of branches of rank 16 on every linear (18 widths in and out) cost
// three passes.
const stepOf = (published: number, tokens: number, dim: number): number =>
  2 * published + (3 * 12 * 16 * 18 * tokens * dim) / 1e9;

test.each([
  ['timm/deit_small_patch16_224.fb_in1k', 4.6, 197, 384],
  ['google/vit-base-patch16-224-in21k', 17.6, 197, 768],
  ['timm/vit_base_patch32_clip_224.openai_ft_in1k', 4.4, 50, 768],
])('%s is as much work beside DeiT-Tiny as its published operations say', (id, published, tokens, dim) => {
  const work = (wanted: string): number =>
    suggestedModels().find((model) => model.id === wanted)?.work ?? NaN;
  const ratio = work(id) / work('timm/deit_tiny_patch16_224.fb_in1k');
  const expected = stepOf(published, tokens, dim) / stepOf(1.26, 197, 192);
  expect(ratio / expected).toBeGreaterThan(0.9);
  expect(ratio / expected).toBeLessThan(1.1);
});
