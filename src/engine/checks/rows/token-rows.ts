// Kernels over rows of tokens: LayerNorm, layer scale, pooling, patches, the cache of the frozen prefix.
// Rows of kernel-table.ts.
import { layerNormGradientKernel, layerNormGrid, layerNormKernel } from '../../kernels/shaders/layer-norm.ts';
import { patchRowsGrid, patchRowsKernel } from '../../kernels/shaders/patch-rows.ts';
import {
  poolingGradientGrid,
  poolingGradientKernel,
  poolingGrid,
  poolingKernel,
} from '../../kernels/shaders/pooling.ts';
import { prefixCacheGrid, prefixCacheKernel } from '../../kernels/shaders/prefix-cache.ts';
import { scaledRowsGrid, scaledRowsKernel } from '../../kernels/shaders/scaled-rows.ts';
import { entry, size, WrongShape, stepOf, partOf } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { zeros, at, filled, sum, place, exact } from '../float64.ts';

export const eps = 1e-3;

/** Rows with zeros in the padding, and their means and scales. */
export function normOf(rows: number, width: number, seed: number) {
  const padded = Math.ceil(width / 4) * 4;
  const masked = (values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> =>
    values.map((value, i) => (i % padded < width ? value : 0));
  const [x, dy] = [masked(randomValues(seed, rows * padded)), masked(randomValues(seed + 1, rows * padded))];
  const norm = masked(randomValues(seed + 2, 2 * padded));
  const means = filled(rows, (r) => sum(width, (i) => at(x, r * padded + i)) / width);
  const scales = filled(rows, (r) => {
    const variance = sum(width, (i) => (at(x, r * padded + i) - at(means, r)) ** 2) / width;
    return 1 / Math.sqrt(variance + eps);
  });
  return { padded, x, dy, norm, means, scales };
}

export const layerNormRow = entry({
  about: 'LayerNorm over rows, with their mean and 1 / sqrt(variance + eps)',
  file: 'layer-norm.ts',
  sizes: { rows: size(23), width: size(41), threads: size(16) },
  choices: {},
  make({ rows, width, threads }, seed) {
    const { padded, x, norm, means, scales } = normOf(rows, width, seed);
    const shape = { rows, width, padded, eps, threads };
    return {
      kernel: layerNormKernel(shape),
      grid: layerNormGrid(shape),
      operands: { x, norm, y: zeros(rows * padded), statistics: zeros(2 * rows) },
      outputs: [
        {
          of: 'y',
          values: filled(rows * padded, (i) => {
            const [r, c] = place(i, padded);
            if (c >= width) return 0;
            return (at(x, i) - at(means, r)) * at(scales, r) * at(norm, c) + at(norm, padded + c);
          }),
          tolerance: { abs: 1e-4, rel: 1e-5 }, // a row of one value: 1 / sqrt(eps) multiplies rounding
        },
        {
          of: 'statistics',
          values: filled(2 * rows, (i) => at(i % 2 === 0 ? means : scales, Math.floor(i / 2))),
        },
      ],
    };
  },
});

export const layerNormGradientRow = entry({
  about: 'the gradient of LayerNorm, and a residual added to it',
  file: 'layer-norm.ts',
  sizes: { rows: size(23), width: size(41), threads: size(16) },
  choices: { residual: ['all', 'none', 'every-3'] },
  make({ rows, width, threads, residual: kind }, seed) {
    const { padded, x, dy, norm, means, scales } = normOf(rows, width, seed);
    const shape = { rows, width, padded, eps, threads };
    const every = kind === 'none' ? null : kind === 'all' ? 1 : 3;
    const residual = randomValues(seed + 3, Math.ceil(rows / (every ?? 1)) * padded).map((value, i) =>
      i % padded < width ? value : 0,
    );
    const statistics = Float32Array.from({ length: 2 * rows }, (_, i) =>
      at(i % 2 === 0 ? means : scales, Math.floor(i / 2)),
    );
    return {
      kernel: layerNormGradientKernel(shape, every),
      grid: layerNormGrid(shape),
      operands: { x, norm, statistics, dy, residual, dx: zeros(rows * padded) },
      outputs: [
        {
          of: 'dx',
          values: filled(rows * padded, (i) => {
            const [r, c] = place(i, padded);
            if (c >= width) return 0;
            const g = (j: number): number => at(dy, r * padded + j) * at(norm, j);
            const h = (j: number): number => (at(x, r * padded + j) - at(means, r)) * at(scales, r);
            const meanG = sum(width, g) / width;
            const meanGh = sum(width, (j) => g(j) * h(j)) / width;
            const added = every !== null && r % every === 0 ? at(residual, (r / every) * padded + c) : 0;
            return (g(c) - meanG - h(c) * meanGh) * at(scales, r) + added;
          }),
          tolerance: { abs: 1e-3, rel: 1e-5 },
        },
      ],
    };
  },
});

export const scaledRowsRow = entry({
  about: 'a residual branch: rows times a vector and a factor of their image, and a residual',
  file: 'scaled-rows.ts',
  sizes: { rows: size(37), width: size(20, 4) },
  choices: { residual: ['none', 'stride-1', 'stride-2'], scale: ['yes', 'no'], factors: ['no', 'yes'] },
  make({ rows, width, residual: kind, scale: hasScale, factors: hasFactors }, seed) {
    const stride = kind === 'none' ? null : kind === 'stride-1' ? 1 : 2;
    const rowsOfImage = hasFactors === 'yes' ? 3 : null;
    const shape = { rows, padded: width, residual: stride, scale: hasScale === 'yes', rowsOfImage };
    const factors = randomValues(seed + 3, rows + 2);
    const [x, scale] = [randomValues(seed, rows * width), randomValues(seed + 1, width)];
    const residual = randomValues(seed + 2, 2 * rows * width);
    return {
      kernel: scaledRowsKernel(shape),
      grid: scaledRowsGrid(shape),
      operands: { x, scale, residual, factors, batchPart: partOf(2), y: zeros(rows * width) },
      outputs: [
        {
          of: 'y',
          values: filled(rows * width, (i) => {
            const [r, c] = place(i, width);
            const factor = rowsOfImage === null ? 1 : at(factors, 2 + Math.floor(r / rowsOfImage));
            const scaled = at(x, i) * (hasScale === 'yes' ? at(scale, c) : 1) * factor;
            return scaled + (stride === null ? 0 : at(residual, r * stride * width + c));
          }),
        },
      ],
    };
  },
});

/** The head reads the first token and the mean from a third of the tokens on. */
function poolingOf(images: number, tokens: number, padded: number) {
  const meanFrom = Math.floor(tokens / 3);
  return { shape: { images, tokens, padded, vectors: [{ token: 0 }, { meanFrom }] }, meanFrom };
}

export const poolingRow = entry({
  about: 'what the head reads of an image’s tokens: the first one and a mean',
  file: 'pooling.ts',
  sizes: { images: size(3), tokens: size(37), width: size(20, 4) },
  choices: {},
  make({ images, tokens, width }, seed) {
    const { shape, meanFrom } = poolingOf(images, tokens, width);
    const x = randomValues(seed, images * tokens * width);
    return {
      kernel: poolingKernel(shape),
      grid: poolingGrid(shape),
      operands: { x, y: zeros(images * 2 * width) },
      outputs: [
        {
          of: 'y',
          values: filled(images * 2 * width, (i) => {
            const [line, c] = place(i, width);
            const [image, vector] = place(line, 2);
            if (vector === 0) return at(x, image * tokens * width + c);
            const averaged = tokens - meanFrom;
            return sum(averaged, (t) => at(x, (image * tokens + meanFrom + t) * width + c)) / averaged;
          }),
        },
      ],
    };
  },
});

export const poolingGradientRow = entry({
  about: 'the gradient of the tokens from that of the pooled vectors',
  file: 'pooling.ts',
  sizes: { images: size(3), tokens: size(37), width: size(20, 4) },
  choices: {},
  make({ images, tokens, width }, seed) {
    const { shape, meanFrom } = poolingOf(images, tokens, width);
    const dy = randomValues(seed, images * 2 * width);
    return {
      kernel: poolingGradientKernel(shape),
      grid: poolingGradientGrid(shape),
      operands: { dy, dx: zeros(images * tokens * width).fill(7) },
      outputs: [
        {
          of: 'dx',
          values: filled(images * tokens * width, (i) => {
            const [row, c] = place(i, width);
            const [image, token] = place(row, tokens);
            const mean = token >= meanFrom ? at(dy, (image * 2 + 1) * width + c) / (tokens - meanFrom) : 0;
            return mean + (token === 0 ? at(dy, image * 2 * width + c) : 0);
          }),
        },
      ],
    };
  },
});

export const patchRowsRow = entry({
  about: 'pixels to the rows of the patch embedding (crops: patch-checks.ts)',
  file: 'patch-rows.ts',
  sizes: { images: size(2), side: size(9), patch: size(3), prefix: size(1, 1, 0) },
  choices: { pixels: ['bytes', 'normalised'] },
  make({ images, side, patch, prefix, pixels: form }, seed) {
    if (side % patch !== 0) throw new WrongShape(`side ${side} is no multiple of patch ${patch}.`);
    const [grid, inputs, area] = [side / patch, 3 * patch * patch, side * side];
    const padded = Math.ceil(inputs / 4) * 4;
    const tokens = grid * grid + prefix;
    // The batch has three images before these; the last of these is beyond what the step holds.
    const [first, given] = [3, images > 1 ? 3 + images - 1 : 4];
    const normalisation = { rescale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7] } as const;
    const count = (first + images) * 3 * area;
    const words = new Uint32Array(Math.ceil(count / 4)).map((_, i) => Math.imul(i + seed, 2654435761) >>> 0);
    const bytes = new Uint8Array(words.buffer);
    const floats = randomValues(seed, count);
    const shape = { images, side, patch, prefix, padded };
    return {
      kernel: patchRowsKernel(shape, form === 'bytes' ? normalisation : 'normalised'),
      grid: patchRowsGrid(shape),
      operands: {
        pixels: form === 'bytes' ? bytes : floats,
        step: stepOf(given),
        part: partOf(first),
        y: zeros(images * tokens * padded),
      },
      outputs: [
        {
          of: 'y',
          values: filled(images * tokens * padded, (i) => {
            const [row, c] = place(i, padded);
            const [image, token] = place(row, tokens);
            if (first + image >= given || token < prefix || c >= inputs) return 0;
            const [channel, inside] = place(c, patch * patch);
            const [patchRow, patchColumn] = place(token - prefix, grid);
            const [dy, dx] = place(inside, patch);
            const [y, x] = [patchRow * patch + dy, patchColumn * patch + dx];
            if (form === 'normalised')
              return at(floats, ((first + image) * 3 + channel) * area + y * side + x);
            const value = at(bytes, ((first + image) * area + y * side + x) * 3 + channel) / 255;
            return (value - at(normalisation.mean, channel)) / at(normalisation.std, channel);
          }),
        },
      ],
    };
  },
});

export const prefixCacheRow = entry({
  about: 'rows of images kept at their places in the cache, and taken from there',
  file: 'prefix-cache.ts',
  sizes: { images: size(3), rows: size(37), width: size(20, 4), first: size(2, 1, 0) },
  choices: { direction: ['keep', 'take'] },
  make({ images, rows, width, first, direction }, seed) {
    const [line, given] = [rows * width, images + 1];
    const kept = randomValues(seed, line * 11);
    const x = randomValues(seed + 1, line * images);
    const places = Uint32Array.from({ length: first + images }, (_, i) => (7 * i + 3) % 11);
    const shape = { images, size: line / 4 };
    const values = Float32Array.from(direction === 'keep' ? kept : x);
    for (let image = 0; image < images; image++) {
      const [there, own] = [at(places, first + image) * line, image * line];
      const isGiven = first + image < given;
      if (direction === 'take') values.set(isGiven ? kept.subarray(there, there + line) : zeros(line), own);
      else if (isGiven) values.set(x.subarray(own, own + line), there);
    }
    return {
      kernel: prefixCacheKernel(shape, direction),
      grid: prefixCacheGrid(shape),
      operands: { step: stepOf(given), part: partOf(first), places, x, kept },
      outputs: [{ of: direction === 'keep' ? 'kept' : 'x', values, tolerance: exact }],
    };
  },
});
