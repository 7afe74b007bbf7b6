// The kernels of a step's dropout beside inputFactors of the host, whose counters they share. Rows of
// kernel-table.ts.
import { streamKey } from '../../../shared/random.ts';
import {
  droppedInputGrid,
  droppedInputKernel,
  lowGradientGrid,
  lowGradientKernel,
} from '../../kernels/shaders/dropped-input.ts';
import { siteStruct } from '../../kernels/shaders/structs.ts';
import { dropThreshold, inputFactors, type Noise } from '../../noise.ts';
import { at, filled, place, sum, zeros } from '../float64.ts';
import { entry, partOf, size } from '../kernel-cases.ts';
import { micro, randomValues } from '../random-model.ts';

const noise: Noise = { seed: 7, step: 11, path: 0, input: 0.4 };
const linear = { block: 3, linear: 'fc1' } as const;

/**
 * Operands, and the factors of `images` images from `first` on, of which `read` of 5 tokens each are there.
 */
export function dropoutOf(
  images: number,
  read: number,
  width: number,
  first: number,
): {
  readonly factors: Float32Array;
  readonly shape: { readonly tokens: number; readonly read: number };
  readonly operands: Readonly<Record<'noise' | 'batchPart', Uint32Array<ArrayBuffer>>>;
  readonly place: number;
} {
  const config = { ...micro, imageSize: 2 * micro.patchSize, dim: width };
  const words = Uint32Array.of(
    noise.seed,
    streamKey('dropout'),
    noise.step,
    dropThreshold(noise),
    0,
    0,
    0,
    0,
  );
  new Float32Array(words.buffer)[4] = 1 / (1 - noise.input);
  return {
    factors: inputFactors(config, noise, linear, { first, images, read }),
    shape: { tokens: 5, read },
    operands: { noise: words, batchPart: partOf(first) },
    place: 4 * linear.block + 2,
  };
}

function site(width: number, counter: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(siteStruct.bytes / 4);
  words[siteStruct.at.width] = width;
  words[siteStruct.at.place] = counter;
  return words;
}

const sizes = { images: size(3), width: size(20, 4), first: size(2, 1, 0) };
const choices = { read: ['all', 'first'] } as const;

export const droppedInputRow = entry({
  about: 'what is left of the input of branches by dropout',
  file: 'dropped-input.ts',
  sizes,
  choices,
  make({ images, width, first, read: of }, seed) {
    const read = of === 'all' ? 5 : 1;
    const drop = dropoutOf(images, read, width, first);
    const shape = { rows: images * read, inner: width, ...drop.shape };
    const x = randomValues(seed, shape.rows * width);
    return {
      kernel: droppedInputKernel(shape),
      grid: droppedInputGrid(shape),
      operands: { x, site: site(0, drop.place), ...drop.operands, y: zeros(x.length) },
      outputs: [{ of: 'y', values: filled(x.length, (i) => at(x, i) * at(drop.factors, i)) }],
    };
  },
});

export const lowGradientRow = entry({
  about: 'the branches’ part of the gradient of their input, which was dropped',
  file: 'dropped-input.ts',
  sizes: { ...sizes, branches: size(2) },
  choices,
  make({ images, width, first, branches, read: of }, seed) {
    const read = of === 'all' ? 5 : 1;
    const drop = dropoutOf(images, read, width, first);
    const shape = { rows: images * read, inner: width, ...drop.shape };
    const v = randomValues(seed, shape.rows * 4 * branches);
    const f = randomValues(seed + 1, 4 * branches * width);
    const values = filled(shape.rows * width, (i) => {
      const [r, c] = place(i, width);
      return (
        at(drop.factors, i) * sum(4 * branches, (j) => at(v, 4 * branches * r + j) * at(f, j * width + c))
      );
    });
    return {
      kernel: lowGradientKernel(shape),
      grid: lowGradientGrid(shape),
      operands: { v, f, site: site(branches, drop.place), ...drop.operands, y: zeros(values.length) },
      outputs: [{ of: 'y', values }],
    };
  },
});
