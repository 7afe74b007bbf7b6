// Matrices of the backbone survive the way into their buffers and back, whatever the widths; the buffers are
// ones that every device can bind, and the second layout is of each of them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isMatrix, tunedStart } from '../../../dmlora/tuned.ts';
import type { NdArray } from '../../../shared/array.ts';
import { backboneShapes } from '../../../vit/parameters.ts';
import { originalVit, type VitConfig } from '../../../vit/vit-config.ts';
import { randomModel } from '../../checks/random-model.ts';
import { plannedBuffer } from '../device/device-memory.ts';
import { packMatrix, planMatrices, unpackMatrices, type MatrixState } from './backbone-matrices.ts';
import { widthsOf } from './widths.ts';

const small = { imageSize: 8, patchSize: 8, layerNormEps: 1e-6, ...originalVit };

const planned = (config: VitConfig, adapter: Parameters<typeof planMatrices>[2]): MatrixState | null =>
  planMatrices(config, widthsOf(config, 2, 3), adapter, {
    make: plannedBuffer,
    table: (label, data) => plannedBuffer(label, data.byteLength, 'table'),
  });

const shapes = fc.record({
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 7 }),
  mlpDim: fc.integer({ min: 1, max: 19 }),
  depth: fc.integer({ min: 1, max: 3 }),
});

test('every matrix comes back from its place, and nothing lies on anything else', () => {
  fc.assert(
    fc.property(shapes, ({ heads, headDim, ...rest }) => {
      const config: VitConfig = { ...small, dim: heads * headDim, heads, ...rest };
      const { backbone = new Map<string, NdArray>() } = tunedStart(randomModel(config), 'all');
      const state = planned(config, { backbone });
      const shelves = state?.shelves ?? [];
      const back = new Map(
        shelves.flatMap((shelf) => {
          const flat = new Float32Array(shelf.parameters.bytes / 4);
          for (const { matrix, offset } of shelf.matrices)
            flat.set(
              packMatrix(matrix, (name) => backbone.get(name)?.data),
              offset / 4,
            );
          return [...unpackMatrices(shelf, flat)];
        }),
      );
      expect(back).toEqual(new Map([...backbone].filter(([name]) => isMatrix(name))));
    }),
  );
});

test('they learn together or not at all, in buffers of 128 MiB at most', () => {
  const config: VitConfig = { ...small, dim: 768, heads: 12, mlpDim: 3072, depth: 12 };
  const shapesOnly = [...backboneShapes(config)].map(
    ([name, shape]) => [name, { shape, data: new Float32Array() }] as const,
  );
  expect(planned(config, { backbone: new Map(shapesOnly.filter(([name]) => !isMatrix(name))) })).toBeNull();
  const last = `blocks.${config.depth - 1}.fc2.weight`;
  const mixture = new Map(shapesOnly.filter(([name]) => name !== last));
  expect(mixture.size).toBe(shapesOnly.length - 1);
  expect(() => planned(config, { backbone: mixture })).toThrow(`${last} learns with the other matrices`);
  const state = planned(config, { backbone: new Map(shapesOnly) });
  const sizes = state?.shelves.map(({ parameters }) => parameters.bytes) ?? [];
  const total = shapesOnly.reduce(
    (sum, [name, { shape }]) => sum + (isMatrix(name) ? shape.reduce((a, b) => a * b, 4) : 0),
    0,
  );
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(total);
  expect(sizes.length).toBe(Math.ceil(total / 2 ** 27));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 ** 27);
  const transposed = [...(state?.regions ?? [])].filter(([, { backward }]) => backward !== null);
  expect(transposed.length).toBe(4 * config.depth);
});
