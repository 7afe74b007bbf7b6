// Every kernel against float64 over odd shapes: prime numbers of rows and tokens, narrow widths, one image,
// one class, rank 1. Few random shapes each: a shape is a compilation.
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { assertClose } from '../../checks/close.ts';
import * as float64 from '../../checks/float64.ts';
import { runKernel } from '../../checks/kernel-runner.ts';
import { missingGpu, nodeGpu } from '../../checks/node-gpu.ts';
import { checkCrops } from '../../checks/patch-checks.ts';
import { randomValues } from '../../checks/random-model.ts';
import { attentionGrid, attentionKernel, keyGradientKernel, queryGradientKernel } from './attention.ts';
import { crossEntropyKernel } from './head.ts';
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from './layer-norm.ts';
import { patchRowsGrid, patchRowsKernel } from './patch-rows.ts';

/**
 * Rounding of a float32 sum of some hundred products of values below 1, with room for another order of
 * addition.
 */
const close = { abs: 2e-5, rel: 2e-5 };
const runs = { numRuns: 3, seed: 20 } as const;
const odd = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

// Lavapipe compiles a kernel in seconds where others take milliseconds.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missingGpu !== null)('kernels against float64', () => {
  test('LayerNorm and its gradient, any width, one thread or many a row', async () => {
    const shapes = fc.record({
      rows: odd(23),
      width: odd(41),
      threads: fc.constantFrom(1, 16),
      seed: odd(99),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, width: dim, threads, seed }) => {
        const { device } = await nodeGpu();
        const padded = Math.ceil(dim / 4) * 4;
        const shape = { rows, width: dim, padded, eps: 1e-3, threads };
        const mask = (values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
          values.map((v, i) => (i % padded < dim ? v : 0));
        const [x, dy, residual] = [1, 2, 3].map((i) => mask(randomValues(seed + i, rows * padded)));
        const norm = mask(randomValues(seed + 4, 2 * padded));
        const operands = {
          x: x!,
          norm,
          y: new Float32Array(rows * padded),
          statistics: new Float32Array(2 * rows),
        };
        const y = await runKernel(device, layerNormKernel(shape), layerNormGrid(shape), operands, 'y');
        const statistics = Float32Array.from(
          await runKernel(device, layerNormKernel(shape), layerNormGrid(shape), operands, 'statistics'),
        );
        const dx = await runKernel(
          device,
          layerNormGradientKernel(shape, 1),
          layerNormGrid(shape),
          { x: x!, norm, statistics, dy: dy!, residual: residual!, dx: new Float32Array(rows * padded) },
          'dx',
        );
        const [expectedY, expectedDx] = [new Float64Array(rows * padded), new Float64Array(rows * padded)];
        for (let r = 0; r < rows; r++) {
          const row = Array.from({ length: dim }, (_, i) => x![r * padded + i]!);
          const mean = row.reduce((a, b) => a + b, 0) / dim;
          const scale = 1 / Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / dim + 1e-3);
          const h = row.map((value) => (value - mean) * scale);
          const g = h.map((_, i) => dy![r * padded + i]! * norm[i]!);
          const meanG = g.reduce((a, b) => a + b, 0) / dim;
          const meanGh = g.reduce((a, b, i) => a + b * h[i]!, 0) / dim;
          h.forEach((value, i) => {
            expectedY[r * padded + i] = value * norm[i]! + norm[padded + i]!;
            expectedDx[r * padded + i] =
              (g[i]! - meanG - value * meanGh) * scale + residual![r * padded + i]!;
          });
        }
        assertClose('y', y, expectedY, { abs: 1e-4, rel: 1e-5 }); // a row of one value: 1 / sqrt(eps) multiplies rounding
        assertClose('dx', dx, expectedDx, { abs: 1e-3, rel: 1e-5 });
      }),
      { ...runs, numRuns: 5 },
    );
  });

  test('attention and its gradients, any number of tokens, all queries or one', async () => {
    const shapes = fc.record({
      tokens: fc.constantFrom(1, 5, 37, 197),
      all: fc.boolean(),
      heads: odd(2),
      queries: odd(2),
      threads: fc.constantFrom(8, 32),
      sharing: fc.boolean(),
      seed: odd(99),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ tokens, all, heads, queries, threads, sharing, seed }) => {
        const { device } = await nodeGpu();
        const queryTokens = all ? tokens : 1;
        const quads = sharing && queryTokens === tokens && device.features.has('subgroups');
        const [images, headWidth, scale] = [2, quads ? 16 : 8, 0.7];
        const shape = {
          images,
          tokens,
          queryTokens,
          heads,
          headWidth,
          scale,
          storage: 'f32',
          queries,
          threads: quads ? 4 : threads,
          quads,
        } as const;
        const wide = heads * headWidth;
        const qkv = randomValues(seed, images * tokens * 3 * wide);
        const dout = randomValues(seed + 1, images * queryTokens * wide);
        const grid = attentionGrid(shape, queryTokens);
        const operands = {
          qkv,
          out: new Float32Array(dout.length),
          lse: new Float32Array(images * queryTokens * heads),
        };
        const out = Float32Array.from(await runKernel(device, attentionKernel(shape), grid, operands, 'out'));
        const lse = Float32Array.from(await runKernel(device, attentionKernel(shape), grid, operands, 'lse'));
        const backward = attentionGrid(shape, tokens);
        const query = {
          qkv,
          out,
          dout,
          lse,
          rowSums: new Float32Array(lse.length),
          dqkv: new Float32Array(qkv.length),
        };
        const dq = await runKernel(device, queryGradientKernel(shape), backward, query, 'dqkv');
        const rowSums = Float32Array.from(
          await runKernel(device, queryGradientKernel(shape), backward, query, 'rowSums'),
        );
        const dkv = await runKernel(
          device,
          keyGradientKernel(shape, true),
          backward,
          { qkv, dout, lse, rowSums, dqkv: Float32Array.from(dq) },
          'dqkv',
        );
        for (let image = 0; image < images; image++)
          for (let head = 0; head < heads; head++) {
            const pick = (
              source: Float32Array,
              rows: number,
              lines: number,
              line: number,
              offset: number,
            ): Float64Array =>
              Float64Array.from(
                { length: rows * headWidth },
                (_, i) =>
                  source[(image * lines + Math.floor(i / headWidth)) * line + offset + (i % headWidth)]!,
              );
            const part = (source: Float32Array, n: number, rows = tokens): Float64Array =>
              pick(source, rows, tokens, 3 * wide, n * wide + head * headWidth);
            const expected = float64.attention(
              part(qkv, 0),
              part(qkv, 1),
              part(qkv, 2),
              pick(dout, queryTokens, queryTokens, wide, head * headWidth),
              { queries: queryTokens, tokens, width: headWidth, scale },
            );
            assertClose(
              'out',
              pick(out, queryTokens, queryTokens, wide, head * headWidth),
              expected.out,
              close,
            );
            assertClose('dq', part(dkv, 0, queryTokens), expected.dq, close);
            assertClose('dk', part(dkv, 1), expected.dk, close);
            assertClose('dv', part(dkv, 2), expected.dv, close);
            assertClose(
              'dq without a query',
              part(dkv, 0).subarray(queryTokens * headWidth),
              new Float64Array((tokens - queryTokens) * headWidth),
              { abs: 0, rel: 0 },
            );
          }
      }),
      {
        ...runs,
        numRuns: 5,
        examples: [[{ tokens: 5, all: true, heads: 2, queries: 1, threads: 8, sharing: true, seed: 7 }]],
      },
    );
  });

  test.each([1, 2, 5])('cross entropy with %d classes and an image beyond the batch', async (classes) => {
    const { device } = await nodeGpu();
    const [images, given, padded] = [3, 2, Math.ceil(classes / 4) * 4];
    const logits = randomValues(classes, images * padded).map((v) => 3 * v);
    // The second micro-batch of three images: those before it belong to the first.
    const labels = Uint32Array.of(9, 9, 9, 0, classes - 1, 0);
    const step = new Uint32Array(20);
    step[2] = 3 + given;
    const operands = {
      logits,
      labels,
      step,
      part: Uint32Array.of(3, 0, 0, 0),
      dlogits: new Float32Array(logits.length),
      outcome: new Float32Array(2 * 6),
    };
    const kernel = crossEntropyKernel(images, classes, padded);
    const outcomes = await runKernel(device, kernel, [1, 1, 1], operands, 'outcome');
    const outcome = outcomes.slice(6);
    const dlogits = await runKernel(device, kernel, [1, 1, 1], operands, 'dlogits');
    for (let i = 0; i < images; i++) {
      const row = Array.from(logits.subarray(i * padded, i * padded + classes));
      const total = row.reduce((sum, z) => sum + Math.exp(z), 0);
      const label = labels[3 + i]!;
      const used = i < given ? 1 : 0;
      assertClose('loss', [outcome[2 * i]!], [used * (Math.log(total) - row[label]!)], close);
      const expected = row.map(
        (z, c) => (used * (Math.exp(z) / total - (c === label ? 1 : 0))) / (3 + given),
      );
      assertClose('dlogits', dlogits.subarray(i * padded, i * padded + classes), expected, close);
      expect(Array.from(dlogits.subarray(i * padded + classes, (i + 1) * padded)).every((d) => d === 0)).toBe(
        true,
      );
    }
  });

  test('patch rows from bytes: normalised, class tokens and absent images zero, odd sides', async () => {
    const { device } = await nodeGpu();
    const shape = { images: 2, side: 9, patch: 3, prefix: 1, padded: 28 };
    const pixels = Uint8Array.from({ length: 2 * 9 * 9 * 3 }, (_, i) => (i * 31) % 256);
    const batch = new Uint8Array(5 * 9 * 9 * 3);
    batch.set(pixels, 3 * 9 * 9 * 3);
    const normalisation = { rescale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] } as const;
    const step = new Uint32Array(20);
    step[2] = 4;
    const part = Uint32Array.of(3, 0, 0, 0); // the micro-batch that begins with the batch's last image
    const y = await runKernel(
      device,
      patchRowsKernel(shape, normalisation),
      patchRowsGrid(shape),
      { pixels: batch, step, part, y: new Float32Array(2 * 10 * 28) },
      'y',
    );
    const expected = new Float64Array(y.length);
    for (let token = 1; token < 10; token++)
      for (let i = 0; i < 27; i++) {
        const [channel, row, column] = [Math.floor(i / 9), Math.floor((i % 9) / 3), i % 3];
        const [py, px] = [Math.floor((token - 1) / 3) * 3 + row, ((token - 1) % 3) * 3 + column];
        expected[token * 28 + i] =
          (pixels[(py * 9 + px) * 3 + channel]! / 255 - normalisation.mean[channel]!) /
          normalisation.std[channel]!;
      }
    assertClose('rows', y, expected, close);
  });

  test('patch rows of crops and flips: the same as on the host within 1e-5', async () => {
    await checkCrops((await nodeGpu()).device);
  });
});
