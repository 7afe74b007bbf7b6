// The head with its loss, the scalars of the branches, and sums of partial gradients.
// Rows of kernel-table.ts.
import * as float64 from '../float64.ts';
import {
  branchScalesKernel,
  branchScalesThreads,
  scalarSumsKernel,
} from '../../kernels/shaders/branch-scales.ts';
import {
  crossEntropyKernel,
  headGradientGrid,
  headGradientKernel,
  headInputGrid,
  headInputKernel,
} from '../../kernels/shaders/head.ts';
import {
  gradientSumKernel,
  reduceThreads,
  scalarGradientKernel,
  sharedScalarsKernel,
} from '../../kernels/shaders/reduce-gradients.ts';
import { entry, size, stepOf, partOf } from '../kernel-cases.ts';
import { randomValues } from '../random-model.ts';
import { zeros, at, filled, sum, place } from '../float64.ts';

const headSizes = { images: size(37), width: size(20, 4), classes: size(12, 4) };

export const headGradientRow = entry({
  about: 'd W and d bias of the head',
  file: 'head.ts',
  sizes: headSizes,
  choices: { behind: ['nothing', 'others'] },
  make({ behind, ...shape }, seed) {
    const { images, width, classes } = shape;
    // Bound with other things before them, as a training step keeps them.
    const before = behind === 'nothing' ? 0 : images;
    const dlogits = randomValues(seed, before * classes + images * classes);
    const feature = randomValues(seed + 1, before * width + images * width);
    const [dlogitsAt, featureAt] = [before * classes, before * width];
    const head = { ...shape, dlogitsAt, featureAt: featureAt / 4, biasAt: (classes * width) / 4 + 3 };
    const d = (image: number, c: number): number => at(dlogits, dlogitsAt + image * classes + c);
    return {
      kernel: headGradientKernel(head),
      grid: headGradientGrid(head),
      operands: { dlogits, feature, gradient: zeros(classes * width + 12 + classes) },
      outputs: [
        {
          of: 'gradient',
          values: filled(classes * width + 12 + classes, (i) => {
            const bias = i - classes * width - 12;
            if (bias >= 0) return sum(images, (image) => d(image, bias));
            if (bias >= -12) return 0;
            const [c, k] = place(i, width);
            return sum(images, (image) => d(image, c) * at(feature, featureAt + image * width + k));
          }),
        },
      ],
    };
  },
});

export const headInputRow = entry({
  about: 'd feature of the head',
  file: 'head.ts',
  sizes: headSizes,
  choices: {},
  make(shape, seed) {
    const { images, width, classes } = shape;
    const [dlogits, weight] = [randomValues(seed, images * classes), randomValues(seed + 1, classes * width)];
    return {
      kernel: headInputKernel(shape),
      grid: headInputGrid(shape),
      operands: { dlogits, weight, dx: zeros(images * width) },
      outputs: [{ of: 'dx', values: float64.product(dlogits, weight, images, classes, width) }],
    };
  },
});

export const crossEntropyRow = entry({
  about: 'loss of each image to its label or its targets, whether it is right, and d logits',
  file: 'head.ts',
  sizes: { images: size(3), classes: size(5) },
  choices: { to: ['labels', 'targets'] },
  make({ images, classes, to }, seed) {
    const padded = Math.ceil(classes / 4) * 4;
    // The second micro-batch: those before it belong to the first, and the last image is beyond the batch.
    const [first, given] = [images, images > 1 ? 2 * images - 1 : 2 * images];
    const logits = randomValues(seed, images * padded).map((value) => 3 * value);
    const labels = Uint32Array.from({ length: 2 * images }, (_, i) => (i * 5) % classes);
    const inside = (image: number): boolean => first + image < given;
    // Rows that add up to anything; those of labels are 1 at the label.
    const random = randomValues(seed + 1, 2 * images * classes).map(Math.abs);
    const targets =
      to === 'targets'
        ? random
        : random.map((_, i) => (i % classes === at(labels, Math.floor(i / classes)) ? 1 : 0));
    const target = (image: number, c: number): number => at(targets, (first + image) * classes + c);
    const row = (image: number): Float32Array => logits.subarray(image * padded, image * padded + classes);
    const total = (image: number): number => row(image).reduce((all, value) => all + Math.exp(value), 0);
    return {
      kernel: crossEntropyKernel(images, classes, padded, to),
      grid: [Math.ceil(images / 4), 1, 1],
      operands: {
        ...{ logits, labels, step: stepOf(given), part: partOf(first) },
        ...(to === 'targets' ? { targets } : {}),
        ...{ dlogits: zeros(logits.length), outcome: zeros(4 * images) },
      },
      outputs: [
        {
          of: 'outcome',
          see: (got) => got.subarray(2 * images),
          values: filled(2 * images, (i) => {
            const [image, which] = place(i, 2);
            if (!inside(image)) return 0;
            const own = at(row(image), at(labels, first + image));
            if (which === 1) return own >= Math.max(...row(image)) ? 1 : 0;
            return sum(classes, (c) => target(image, c) * (Math.log(total(image)) - at(row(image), c)));
          }),
        },
        {
          of: 'dlogits',
          values: filled(images * padded, (i) => {
            const [image, c] = place(i, padded);
            if (!inside(image) || c >= classes) return 0;
            const whole = sum(classes, (d) => target(image, d));
            return ((Math.exp(at(logits, i)) / total(image)) * whole - target(image, c)) / given;
          }),
        },
      ],
    };
  },
});

export const branchScalesRow = entry({
  about: 'scalar of the module times gate of the branch, for every column',
  file: 'branch-scales.ts',
  sizes: { columns: size(37), modules: size(7) },
  choices: {},
  make({ columns: count, modules }, seed) {
    const [gates, scalars] = [randomValues(seed, count), randomValues(seed + 1, modules)];
    const columns = Uint32Array.from({ length: count }, (_, i) => (i * 5) % modules);
    return {
      kernel: branchScalesKernel(),
      grid: [Math.ceil(count / branchScalesThreads), 1, 1],
      operands: { columns, gates, scalars, scales: zeros(count) },
      outputs: [{ of: 'scales', values: filled(count, (c) => at(gates, c) * at(scalars, at(columns, c))) }],
    };
  },
});

export const scalarSumsRow = entry({
  about: 'd s of two modules from sums over groups of rows (stage 2)',
  file: 'branch-scales.ts',
  sizes: { columns: size(8, 4), rows: size(37) },
  choices: {},
  make({ columns, rows }, seed) {
    const [groups, width] = [rows + 2, columns + 4];
    const sums = randomValues(seed, width * groups);
    const total = (begin: number, end: number, used: number): number =>
      sum((end - begin) * used, (i) => at(sums, (begin + Math.floor(i / used)) * groups + (i % used)));
    return {
      kernel: scalarSumsKernel(groups),
      grid: [2, 1, 1],
      operands: {
        places: Uint32Array.of(0, columns, rows, 0, columns, 4, groups, 0),
        sums,
        gradient: zeros(2),
      },
      outputs: [{ of: 'gradient', values: [total(0, columns, rows), total(columns, width, groups)] }],
    };
  },
});

export const sharedScalarsRow = entry({
  about: 'd s that several modules share: their sum at the first place, 0 at the others',
  file: 'reduce-gradients.ts',
  sizes: { scalars: size(7), modules: size(6) },
  choices: {},
  make({ scalars, modules }, seed) {
    const scalarGradient = randomValues(seed, scalars * modules + 3);
    return {
      kernel: sharedScalarsKernel(),
      grid: [Math.ceil(scalars / reduceThreads), 1, 1],
      operands: {
        places: Uint32Array.from({ length: 2 * scalars }, (_, i) =>
          i % 2 === 0 ? (i / 2) * modules : modules,
        ),
        scalarGradient,
      },
      outputs: [
        {
          of: 'scalarGradient',
          values: filled(scalarGradient.length, (i) => {
            if (i >= scalars * modules) return at(scalarGradient, i);
            return i % modules === 0 ? sum(modules, (j) => at(scalarGradient, i + j)) : 0;
          }),
        },
      ],
    };
  },
});

export const gradientSumRow = entry({
  about: 'chunks of partial gradients added up, in place or to those of earlier micro-batches',
  file: 'reduce-gradients.ts',
  sizes: {
    /** In vec4s: those that come in chunks, and the others. */
    chunked: size(37),
    others: size(3, 1, 0),
    chunks: size(3),
    first: size(3, 1, 0),
  },
  choices: { into: ['others', 'itself'] },
  make({ chunked, others, chunks, first, into }, seed) {
    const end = chunked + others;
    const partials = randomValues(seed, 4 * end * chunks);
    const before = randomValues(seed + 1, 4 * end);
    const inPlace = into === 'itself';
    return {
      kernel: gradientSumKernel(chunks, !inPlace),
      grid: [Math.ceil(end / reduceThreads), 1, 1],
      operands: {
        ...{ span: Uint32Array.of(0, end, chunked, end), part: partOf(first) },
        ...{ partials, gradient: inPlace ? partials : before },
      },
      outputs: [
        {
          of: 'gradient',
          see: (got) => got.subarray(0, 4 * end),
          values: filled(4 * end, (i) => {
            const own = sum(i < 4 * chunked ? chunks : 1, (chunk) => at(partials, chunk * 4 * end + i));
            return own + (inPlace || first === 0 ? 0 : at(before, i));
          }),
        },
      ],
    };
  },
});

export const scalarGradientRow = entry({
  about: 'd s of two modules from d B, and d B times the scales',
  file: 'reduce-gradients.ts',
  sizes: { rows: size(8, 4), width: size(12, 4) },
  choices: {},
  make({ rows, width: line }, seed) {
    const width = rows + 4;
    const modules = Uint32Array.of(0, rows, line / 4, 0, (rows * line) / 4, 4, line / 4, rows);
    const [gates, scales] = [randomValues(seed, width), randomValues(seed + 1, width)];
    const total = width * line;
    const [parameters, gradient] = [randomValues(seed + 2, total), randomValues(seed + 3, total)];
    const column = (i: number): number => Math.floor(i / line);
    const term = (i: number): number => at(gates, column(i)) * at(parameters, i) * at(gradient, i);
    const first = rows * line;
    return {
      kernel: scalarGradientKernel(),
      grid: [2, 1, 1],
      operands: { modules, gates, scales, parameters, gradient, scalarGradient: zeros(2) },
      outputs: [
        { of: 'scalarGradient', values: [sum(first, term), sum(total - first, (i) => term(first + i))] },
        { of: 'gradient', values: filled(total, (i) => at(gradient, i) * at(scales, column(i))) },
      ],
    };
  },
});
