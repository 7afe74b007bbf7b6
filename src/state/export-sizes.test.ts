// The sizes that the dialogue tells before an export, against counts made by hand.
import { expect, test } from 'vitest';
import { exportBytes } from './export-sizes.ts';
import type { ModelSummary, ModuleView } from '../worker/protocol.ts';

const model = {
  parameters: 1000,
  dtype: 'float16',
  labels: [],
  config: { dim: 10, mlpDim: 20, pool: 'cls', depth: 1 },
} as unknown as ModelSummary;
const module = (name: string, live: number): ModuleView => ({
  module: name,
  scalar: 1,
  branches: [0, 1, 2].map((index) => ({ index, droppedAt: index < live ? null : 5, strength: 1 })),
});

test('a merged model has its parameters and a head of the classes', () => {
  const size = (format: 'hf' | 'onnx' | 'onnx-q8' | 'onnx-q4', dtype: 'source' | 'F32' | 'BF16'): number =>
    exportBytes(format, dtype, model, [], 4, 3);
  expect(size('hf', 'source')).toBe((1000 + 33) * 2);
  expect(size('hf', 'F32')).toBe((1000 + 33) * 4);
  expect(size('onnx', 'source')).toBe((1000 + 33) * 2);
  expect(size('onnx', 'BF16')).toBe((1000 + 33) * 4);
  // Of 1033 values the block's linears have 4 x 100 + 2 x 200.
  expect(size('onnx-q8', 'F32')).toBe((1033 - 800) * 4 + 800);
  expect(size('onnx-q4', 'source')).toBe((1033 - 800) * 4 + 800 * 0.640625);
});

test('an adapter has its live branches and the head, in float32 unless asked', () => {
  const modules = [module('blocks.0.q', 2), module('blocks.0.fc1', 1)];
  const values = 2 * 4 * (10 + 10) + 1 * 4 * (10 + 20) + 33;
  expect(exportBytes('peft', 'source', model, modules, 4, 3)).toBe(values * 4);
  expect(exportBytes('peft', 'F16', model, modules, 4, 3)).toBe(values * 2);
  expect(exportBytes('peft', 'F16', model, modules, 4, 3, 40)).toBe(values * 2 + 160);
  expect(exportBytes('hf', 'F32', model, modules, 4, 3, 40)).toBe((1000 + 33) * 4);
  const absorbing = modules.map((one) => ({ ...one, absorbed: 8 }));
  expect(exportBytes('peft', 'F16', model, absorbing, 4, 3)).toBe((values + 8 * (20 + 30)) * 2);
});
