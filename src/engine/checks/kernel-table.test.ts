// The table of kernels without a device: it holds every kernel, says what is wrong in a request, and its
// checks can fail. Whether the kernels agree with it: kernels.test.ts on Dawn, e2e/engine.spec.ts in
// Chromium.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { agrees } from './kernel-cases.ts';
import { kernelOf, kernels, shapeInWords } from './try-kernel.ts';

const shaders = path.resolve(import.meta.dirname, '../kernels/shaders');
const request = (name: string, shape = {}, tile: string | null = null) => ({ name, shape, seed: 1, tile });

test('every kernel of shaders/ is in it', () => {
  const rows = path.resolve(import.meta.dirname, 'rows');
  const table = readdirSync(rows)
    .map((name) => readFileSync(path.join(rows, name), 'utf8'))
    .join('');
  // matmul-variants.ts makes these four.
  const made = ['matmulKernel', 'matmulWorkgroupKernel', 'matmulQuadsKernel', 'matmulSplitKernel'];
  const written = readdirSync(shaders)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .flatMap((name) => {
      const text = readFileSync(path.join(shaders, name), 'utf8');
      return [...text.matchAll(/export (?:const|function) (\w+Kernel)\b/g)].map(([, kernel = '']) => kernel);
    });
  expect(written.length).toBeGreaterThan(20);
  expect(written.filter((name) => !made.includes(name) && !table.includes(`${name}(`))).toEqual([]);
});

test.each(kernels)('%s: WGSL with a binding for each operand, and outputs among them', (name, row) => {
  const { kernel, values } = kernelOf(request(name));
  expect(kernel.code).toContain('@compute');
  const made = row.make(values, 1, undefined);
  for (const { name: binding } of kernel.bindings) expect(Object.keys(made.operands)).toContain(binding);
  for (const { of, values: expected } of made.outputs) {
    expect(kernel.bindings.find(({ name: binding }) => binding === of)?.access).toBe('write');
    expect(Array.from(expected).every(Number.isFinite)).toBe(true);
  }
});

describe('a wrong request', () => {
  test('lists the kernels', () => {
    expect(() => kernelOf(request('atention'))).toThrow(
      /There is no kernel "atention": give one of[^]*attention/,
    );
  });

  test('says which part of the shape, and what is allowed', () => {
    expect(() => kernelOf(request('matmul', { inner: '6' }))).toThrow(
      'inner is 6: give a whole number from 4',
    );
    expect(() => kernelOf(request('matmul', { rows: 'many' }))).toThrow('rows is many');
    expect(() => kernelOf(request('matmul', { parts: '2' }))).toThrow('parts is "2": give one of 3, 1.');
    expect(() => kernelOf(request('matmul', { depth: '2' }))).toThrow('There is no "depth" in its shape');
    expect(() => kernelOf(request('patch-rows', { side: 10 }))).toThrow('side 10 is no multiple of patch 3');
  });

  test('lists the tiles', () => {
    expect(() => kernelOf(request('matmul', {}, '99'))).toThrow(/There is no tile "99"[^]*registers 64x64/);
    expect(() => kernelOf(request('adamw', {}, '1'))).toThrow('adamw has no tiles');
    expect(kernelOf(request('matmul', {}, '1')).kernel.code).toContain('workgroupBarrier');
  });
});

test('a shape in words begins with its defaults', () => {
  const words = kernels.map(([name, row]) => `${name} ${shapeInWords(row)}`);
  expect(words).toContain('cross-entropy images=3 classes=5 to=labels|targets');
});

test('beyond what is allowed, and NaN, do not agree', () => {
  const found = { output: 'out', allowed: 1e-5, values: 3 };
  expect(agrees({ ...found, difference: 1e-6 })).toBe(true);
  expect(agrees({ ...found, difference: 1e-4 })).toBe(false);
  expect(agrees({ ...found, difference: NaN })).toBe(false);
});
