// The kernels that only some families need, against float64: pooling and its gradient, layer scale, the two
// activations beside the exact GELU. Used like kernel-checks.ts, whose shapes these take.
import type { Activation } from '../../vit/vit-config.ts';
import { assertClose } from './close.ts';
import { plainFusion } from '../kernels/shaders/matmul.ts';
import { matmul } from '../kernels/shaders/matmul-variants.ts';
import {
  poolingGradientGrid,
  poolingGradientKernel,
  poolingGrid,
  poolingKernel,
} from '../kernels/shaders/pooling.ts';
import { scaledRowsGrid, scaledRowsKernel } from '../kernels/shaders/scaled-rows.ts';
import { smallestTuning } from '../kernels/tuning/tuning.ts';
import * as float64 from './float64.ts';
import { runKernel } from './kernel-runner.ts';
import type { Check } from './odd-shape.ts';
import { randomValues } from './random-model.ts';

/** Rounding of float32 sums of some ten values, and of exp and tanh, whose last bits are the device's own. */
const close = { abs: 2e-5, rel: 2e-5 };

const at = (values: ArrayLike<number>, i: number): number => values[i] ?? NaN;

/** rows are tokens of three images; the head reads the first token and the mean from the second third on. */
const pooling: Check = async (device, { rows: tokens, inner, seed }) => {
  const [images, padded] = [3, 4 * inner];
  const meanFrom = Math.floor(tokens / 3);
  const shape = { images, tokens, padded, vectors: [{ token: 0 }, { meanFrom }] };
  const x = randomValues(seed, images * tokens * padded);
  const y = await runKernel(
    device,
    poolingKernel(shape),
    poolingGrid(shape),
    { x, y: new Float32Array(images * 2 * padded) },
    'y',
  );
  const averaged = tokens - meanFrom;
  const pooled = Float64Array.from({ length: y.length }, (_, i) => {
    const [image, vector, c] = [Math.floor(i / (2 * padded)), Math.floor(i / padded) % 2, i % padded];
    if (vector === 0) return at(x, image * tokens * padded + c);
    let sum = 0;
    for (let t = meanFrom; t < tokens; t++) sum += at(x, (image * tokens + t) * padded + c);
    return sum / averaged;
  });
  assertClose('pooled', y, pooled, close);

  const dy = randomValues(seed + 1, images * 2 * padded);
  const dx = await runKernel(
    device,
    poolingGradientKernel(shape),
    poolingGradientGrid(shape),
    { dy, dx: new Float32Array(images * tokens * padded).fill(7) },
    'dx',
  );
  const expected = Float64Array.from({ length: dx.length }, (_, i) => {
    const [row, c] = [Math.floor(i / padded), i % padded];
    const [image, token] = [Math.floor(row / tokens), row % tokens];
    const own = token === 0 ? at(dy, image * 2 * padded + c) : 0;
    return own + (token >= meanFrom ? at(dy, (image * 2 + 1) * padded + c) / averaged : 0);
  });
  assertClose('gradient of the tokens', dx, expected, close);
};

/** Layer scale alone, with a residual, and with every second row of one. */
const scaledRows: Check = async (device, { rows, inner, seed }) => {
  const padded = 4 * inner;
  const [x, scale] = [randomValues(seed, rows * padded), randomValues(seed + 1, padded)];
  const residual = randomValues(seed + 2, 2 * rows * padded);
  for (const stride of [null, 1, 2]) {
    const shape = { rows, padded, residual: stride };
    const y = new Float32Array(rows * padded);
    const operands = { x, scale, ...(stride === null ? {} : { residual }), y };
    const got = await runKernel(device, scaledRowsKernel(shape), scaledRowsGrid(shape), operands, 'y');
    const expected = Float64Array.from({ length: got.length }, (_, i) => {
      const [row, c] = [Math.floor(i / padded), i % padded];
      return at(x, i) * at(scale, c) + (stride === null ? 0 : at(residual, row * stride * padded + c));
    });
    assertClose(`scaled rows, residual ${String(stride)}`, got, expected, close);
  }
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const bend = (x: number): number => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

/**
 * f and f' of each activation (Hendrycks and Gimpel, 2016): exact GELU, its tanh form, x sigmoid(1.702 x).
 */
const curves: Readonly<
  Record<Activation, { readonly f: (x: number) => number; readonly slope: (x: number) => number }>
> = {
  gelu: { f: float64.gelu, slope: float64.geluGradient },
  'gelu-tanh': {
    f: (x) => (x * (1 + bend(x))) / 2,
    slope: (x) =>
      (1 + bend(x)) / 2 +
      ((x * (1 - bend(x) ** 2)) / 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x),
  },
  'quick-gelu': {
    f: (x) => x * sigmoid(1.702 * x),
    slope: (x) => sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))),
  },
};

/** Behind a product, and as the factor of the backward product; z reaches far into both tails. */
const activations: Check = async (device, { rows, inner, columns, seed }) => {
  const [wide, out] = [4 * inner, 4 * columns];
  const shape = { rows, inner: wide, columns: out, parts: 1 } as const;
  const [x, w] = [randomValues(seed, rows * wide), randomValues(seed + 1, wide * out)];
  const z = randomValues(seed + 2, rows * out).map((value) => 9 * value);
  const product = float64.product(x, w, rows, wide, out);
  for (const [name, { f, slope }] of Object.entries(curves)) {
    const curve = name as Activation;
    const forward = matmul(
      shape,
      { ...plainFusion, activation: 'f', curve },
      smallestTuning.matmulTile(shape),
    );
    const empty = (): Float32Array<ArrayBuffer> => new Float32Array(rows * out);
    const operands = { x, w, out: empty(), activated: empty() };
    const activated = await runKernel(device, forward.kernel, forward.grid, operands, 'activated');
    assertClose(name, activated, product.map(f), close);
    const fusion = { ...plainFusion, activation: 'f-gradient', curve } as const;
    const backward = matmul(shape, fusion, smallestTuning.matmulTile(shape));
    const dz = await runKernel(device, backward.kernel, backward.grid, { x, w, out: z.slice() }, 'out');
    assertClose(
      `slope of ${name}`,
      dz,
      product.map((value, i) => value * slope(at(z, i))),
      close,
    );
  }
};

export const familyKernelChecks: Readonly<Record<string, Check>> = {
  pooling,
  'layer scale': scaledRows,
  activations,
};
