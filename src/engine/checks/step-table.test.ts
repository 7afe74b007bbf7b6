// The tables of docs/decisions/gpu-kernels.md are those of the plan, and count what a step's arithmetic is.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { gradientThrough, stepFlops } from '../../vit/step-flops.ts';
import { tiny } from './random-model.ts';
import { kernelsOfStep, stepTables } from './step-table.ts';

test('docs/decisions/gpu-kernels.md holds the tables of this plan (npm run kernel -- --table prints them)', () => {
  expect(readFileSync('docs/decisions/gpu-kernels.md', 'utf8')).toContain(stepTables());
});

test('the arithmetic of a step is the model’s, but for the last block’s rows and what attention makes twice', () => {
  const kernels = kernelsOfStep(tiny, 8);
  const products = kernels.filter(({ name }) => name.startsWith('matmul'));
  const flops = (of: typeof kernels): number => of.reduce((sum, one) => sum + one.dispatches * one.flops, 0);
  const { forward, backward } = stepFlops(tiny, 10, gradientThrough);
  const whole = 8 * (forward + backward);
  expect(flops(kernels) / whole).toBeGreaterThan(0.9);
  expect(flops(kernels) / whole).toBeLessThan(1.3);
  expect(flops(products) / whole).toBeLessThan(1);
  expect(kernels.reduce((sum, { dispatches }) => sum + dispatches, 0)).toBe(200);
  // Workgroup memory that every device has.
  expect(Math.max(...kernels.map(({ workgroupBytes }) => workgroupBytes))).toBeLessThanOrEqual(16384);
});
