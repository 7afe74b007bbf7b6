// The table of `npm run interop`: what passes, what fails in words, and which difference each type of weights
// is allowed.
import { expect, test } from 'vitest';
import { passes, table, toleranceOf, type Check } from './report.mjs';

const check = (given: Partial<Check>): Check => ({
  family: 'hf-vit',
  check: 'onnx-F32',
  difference: 1e-6,
  tolerance: 1e-4,
  error: null,
  ...given,
});

test.each([
  ['hf-vit', 'onnx-F32', 1e-4],
  ['hf-vit', 'onnx-F16-web', 2e-2],
  ['hf-vit', 'hf-BF16', 1e-1],
  ['hf-vit', 'onnx-q8-F32-web', 0.1],
  ['hf-vit', 'onnx-q4-F32', 0.25],
  ['hf-vit-f16', 'source', 2e-2],
  ['hf-vit-f16', 'hf-F32', 1e-4],
  ['hf-vit-bf16', 'source', 1e-1],
  ['hf-vit-f16', 'read', 1e-4],
])('%s, %s: up to %f', (family, name, tolerance) => {
  expect(toleranceOf(family, name)).toBe(tolerance);
});

test('a difference beyond its tolerance fails, and so do nothing, an error and NaN', () => {
  expect(passes(check({}))).toBe(true);
  expect(passes(check({ difference: 2e-4 }))).toBe(false);
  expect(passes(check({ difference: null }))).toBe(false);
  expect(passes(check({ error: 'missing_keys' }))).toBe(false);
  expect(passes(check({ difference: NaN }))).toBe(false);
});

test('a row for each family, a dash where there is no export, failures in words', () => {
  const text = table([
    check({}),
    check({ family: 'timm-vit', check: 'timm-F32', difference: 0.5 }),
    check({ family: 'timm-vit', difference: null, error: 'no such key' }),
  ]);
  const lines = text.split('\n').map((line) => line.replaceAll(/ +/g, ' '));
  expect(lines).toEqual([
    '| family | timm-F32 | onnx-F32 |',
    '| --- | --- | --- |',
    '| hf-vit | - | 1.0e-6 |',
    '| timm-vit | 5.0e-1 FAILED | FAILED |',
    'FAILED timm-vit, timm-F32: 0.5 is more than 0.0001',
    'FAILED timm-vit, onnx-F32: no such key',
  ]);
});
