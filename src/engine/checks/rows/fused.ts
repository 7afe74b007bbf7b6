// Kernels that do the work of several: LayerNorm with the intermediate that reads it, the head of a training step.
// Rows of kernel-table.ts; what they repeat is told in float64 once more.
import { headStepGrid, headStepKernel } from '../../kernels/shaders/head-step.ts';
import { normProductGrid, normProductKernel } from '../../kernels/shaders/norm-product.ts';
import { at, filled, place, sum, zeros } from '../float64.ts';
import { entry, partOf, size, stepOf } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { eps, normOf } from './token-rows.ts';

/** A row of one value: 1 / sqrt(eps) multiplies rounding. */
const tolerance = { abs: 1e-3, rel: 1e-5 };

export const normProductRow = entry({
  about: 'LayerNorm over rows, and the low-rank intermediate of what comes out',
  file: 'norm-product.ts',
  sizes: { rows: size(23), width: size(41), columns: size(12, 4), threads: size(64), groups: size(1, 1, 0) },
  choices: {},
  make({ rows, width, columns, threads, groups }, seed) {
    const { padded, x, norm, means, scales } = normOf(rows, width, seed);
    const f = randomValues(seed + 4, columns * padded);
    const y = filled(rows * padded, (i) => {
      const [r, c] = place(i, padded);
      if (c >= width) return 0;
      return (at(x, i) - at(means, r)) * at(scales, r) * at(norm, c) + at(norm, padded + c);
    });
    const product = { rows, width, padded, eps, threads, groups };
    const site = new Uint32Array(16);
    site[0] = columns / 4;
    return {
      kernel: normProductKernel(product),
      grid: normProductGrid(product),
      operands: {
        ...{ x, norm, f, site },
        ...{ y: zeros(rows * padded), statistics: zeros(2 * rows), u: zeros(rows * columns) },
      },
      outputs: [
        { of: 'y', values: y, tolerance: { abs: 1e-4, rel: 1e-5 } },
        {
          of: 'statistics',
          values: filled(2 * rows, (i) => at(i % 2 === 0 ? means : scales, Math.floor(i / 2))),
        },
        {
          of: 'u',
          values: filled(rows * columns, (i) => {
            const [r, j] = place(i, columns);
            return sum(padded, (k) => at(y, r * padded + k) * at(f, j * padded + k));
          }),
          tolerance,
        },
      ],
    };
  },
});

export const headStepRow = entry({
  about: 'the head of a training step: LayerNorm, logits, loss, d logits, and d x through LayerNorm',
  file: 'head-step.ts',
  sizes: { images: size(3), width: size(41), classes: size(5), threads: size(32) },
  choices: { to: ['labels', 'targets'], backward: ['yes', 'no'] },
  make({ images, width, classes, threads, to, backward }, seed) {
    const { padded, x, norm, means, scales } = normOf(images, width, seed);
    const paddedClasses = Math.ceil(classes / 4) * 4;
    // The second micro-batch, whose last image is beyond the batch, and a bias that lies behind the weight.
    const [first, given] = [images, images > 1 ? 2 * images - 1 : 2 * images];
    const biasAt = (paddedClasses * padded) / 4 + 2;
    const weight = randomValues(seed + 4, 4 * biasAt + paddedClasses).map((value, i) =>
      i < classes * padded ? (i % padded < width ? value : 0) : value,
    );
    const labels = Uint32Array.from({ length: 2 * images }, (_, i) => (i * 5) % classes);
    const random = randomValues(seed + 5, 2 * images * classes).map(Math.abs);
    const targets =
      to === 'targets'
        ? random
        : random.map((_, i) => (i % classes === at(labels, Math.floor(i / classes)) ? 1 : 0));
    const target = (image: number, c: number): number => at(targets, (first + image) * classes + c);
    const inside = (image: number): boolean => first + image < given;
    const h = (r: number, c: number): number => (at(x, r * padded + c) - at(means, r)) * at(scales, r);
    const feature = filled(images * padded, (i) => {
      const [r, c] = place(i, padded);
      return c < width ? h(r, c) * at(norm, c) + at(norm, padded + c) : 0;
    });
    const logits = filled(images * paddedClasses, (i) => {
      const [r, c] = place(i, paddedClasses);
      return (
        sum(padded, (k) => at(feature, r * padded + k) * at(weight, c * padded + k)) +
        at(weight, 4 * biasAt + c)
      );
    });
    const row = (r: number): readonly number[] =>
      Array.from({ length: classes }, (_, c) => at(logits, r * paddedClasses + c));
    const largest = filled(images, (r) => Math.max(...row(r)));
    const total = filled(images, (r) => sum(classes, (c) => Math.exp(at(row(r), c) - at(largest, r))));
    const dlogits = filled(images * paddedClasses, (i) => {
      const [r, c] = place(i, paddedClasses);
      if (c >= classes || !inside(r)) return 0;
      const softmax = Math.exp(at(logits, i) - at(largest, r)) / at(total, r);
      return (softmax * sum(classes, (d) => target(r, d)) - target(r, c)) / given;
    });
    const dx = filled(images * padded, (i) => {
      const [r, c] = place(i, padded);
      if (c >= width) return 0;
      const g = (k: number): number =>
        at(norm, k) * sum(classes, (d) => at(dlogits, r * paddedClasses + d) * at(weight, d * padded + k));
      const meanG = sum(width, g) / width;
      const meanGh = sum(width, (k) => g(k) * h(r, k)) / width;
      return (g(c) - meanG - h(r, c) * meanGh) * at(scales, r);
    });
    const shape = { images, width, padded, eps, classes, paddedClasses, biasAt, threads } as const;
    const head = { ...shape, to, backward: backward === 'yes' } as const;
    return {
      kernel: headStepKernel(head),
      grid: headStepGrid(head),
      operands: {
        ...{ x, norm, weight, labels, step: stepOf(given), part: partOf(first) },
        ...(to === 'targets' ? { targets } : {}),
        ...{ scores: zeros(2 * images * paddedClasses), rows: zeros(2 * images * padded) },
        outcome: zeros(4 * images),
      },
      outputs: [
        { of: 'scores', values: Float64Array.from([...logits, ...dlogits]), tolerance },
        {
          of: 'rows',
          values: Float64Array.from([...(backward === 'yes' ? dx : zeros(images * padded)), ...feature]),
          tolerance,
        },
        {
          of: 'outcome',
          see: (got) => got.subarray(2 * images),
          values: filled(2 * images, (i) => {
            const [r, which] = place(i, 2);
            if (!inside(r)) return 0;
            if (which === 1) return at(row(r), at(labels, first + r)) >= at(largest, r) ? 1 : 0;
            const whole = at(largest, r) + Math.log(at(total, r));
            return sum(classes, (c) => target(r, c) * (whole - at(row(r), c)));
          }),
          tolerance,
        },
      ],
    };
  },
});
