// Weights of a linear in few bits, as onnxruntime's tools write them, and back: uint8 with a scale and a zero
// point for each output (MatMulInteger), 4 bits with a scale and a zero point for each block of 32 inputs
// (MatMulNBits), both searched. Knows no graph and no model.

/** A linear's weight for MatMulInteger: value = (stored - zero) * scale, all by output. */
export interface Uint8Linear {
  /** [inputs, outputs] */
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Uint8Array;
}

/** A linear's weight for MatMulNBits: value = (stored - zero) * scale, all by block. */
export interface Int4Linear {
  /** [outputs, blocks, 16]: two values a byte, the first in the low half; behind the last input zeros. */
  readonly values: Uint8Array;
  /** [outputs * blocks] */
  readonly scales: Float32Array;
  /** [outputs, half of the blocks, rounded up]: two a byte, as the values. */
  readonly zeros: Uint8Array;
}

/** Inputs that share a scale in 4 bits. */
export const int4Block = 32;
/** float32's smallest normal number: smaller scales lose their digits, and their weights are zero. */
const tiniest = 2 ** -126;
export const blocksOf = (inputs: number): number => Math.ceil(inputs / int4Block);

/** The nearest whole number, of two the even one, as numpy and DynamicQuantizeLinear round. */
export function roundEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

const clamp = (x: number, most: number): number => Math.min(Math.max(x, 0), most);

/**
 * Scale and zero point of uint8 for values between least and most, zero included.
 *
 * @returns a scale of 1 where every value is zero
 */
export function uint8Range(least: number, most: number): { readonly scale: number; readonly zero: number } {
  const [low, high] = [Math.min(least, 0), Math.max(most, 0)];
  const scale = Math.fround(high - low) / 255;
  if (!(Math.fround(scale) >= tiniest)) return { scale: 1, zero: 0 };
  return { scale: Math.fround(scale), zero: clamp(roundEven(-low / scale), 255) };
}

export const toUint8 = (x: number, scale: number, zero: number): number =>
  clamp(roundEven(Math.fround(x / scale)) + zero, 255);

/** @param weight [outputs, inputs] */
export function toUint8Linear(weight: Float32Array, outputs: number): Uint8Linear {
  const inputs = weight.length / outputs;
  const values = new Uint8Array(weight.length);
  const [scales, zeros] = [new Float32Array(outputs), new Uint8Array(outputs)];
  for (let o = 0; o < outputs; o++) {
    const row = weight.subarray(o * inputs, (o + 1) * inputs);
    const { scale, zero } = uint8Range(
      row.reduce((a, b) => Math.min(a, b), 0),
      row.reduce((a, b) => Math.max(a, b), 0),
    );
    scales[o] = scale;
    zeros[o] = zero;
    row.forEach((value, i) => {
      values[i * outputs + o] = toUint8(value, scale, zero);
    });
  }
  return { values, scales, zeros };
}

/** @returns [outputs, inputs] */
export function ofUint8Linear({ values, scales, zeros }: Uint8Linear): Float32Array {
  const outputs = scales.length;
  const inputs = values.length / outputs;
  return Float32Array.from(values, (_, at) => {
    const [o, i] = [Math.floor(at / inputs), at % inputs];
    return ((values[i * outputs + o] ?? 0) - (zeros[o] ?? 0)) * (scales[o] ?? NaN);
  });
}

/**
 * Shares of a block's range that its 16 values may span: ends that are cut cost less than coarse steps,
 * often.
 */
const spans = [1, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72];

/**
 * Each block with the scale and the zero point, of a few, that leave the smallest squared error; what
 * onnxruntime's own tool takes (the whole range) is among them.
 *
 * @param weight [outputs, inputs]
 */
export function toInt4Linear(weight: Float32Array, outputs: number): Int4Linear {
  const inputs = weight.length / outputs;
  const blocks = blocksOf(inputs);
  const values = new Uint8Array(outputs * blocks * (int4Block / 2));
  const scales = new Float32Array(outputs * blocks);
  const zeros = new Uint8Array(outputs * Math.ceil(blocks / 2));
  for (let o = 0; o < outputs; o++)
    for (let b = 0; b < blocks; b++) {
      const from = o * inputs + b * int4Block;
      const block = weight.subarray(from, Math.min(from + int4Block, (o + 1) * inputs));
      const { step, zero, scale } = int4Range(block);
      const at = o * blocks + b;
      scales[at] = scale;
      setHalf(zeros, 2 * o * Math.ceil(blocks / 2) + b, zero);
      for (let i = 0; i < block.length; i++)
        setHalf(values, at * int4Block + i, toInt4(block[i] ?? 0, step, zero));
    }
  return { values, scales, zeros };
}

const toInt4 = (x: number, step: number, zero: number): number => clamp(Math.round(x / step) + zero, 15);

/**
 * The step that a block is divided by, its zero point, and the scale that then brings its values back best.
 */
function int4Range(block: Float32Array): {
  readonly step: number;
  readonly zero: number;
  readonly scale: number;
} {
  let [low, high] = [0, 0];
  for (const value of block) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const whole = (high - low) / 15;
  let best = { step: 1, zero: 0, scale: 0 };
  if (whole < tiniest) return best;
  const middle = clamp(Math.round(-low / whole), 15);
  let most = 0;
  for (const span of spans)
    for (let zero = Math.max(0, middle - 1); zero <= Math.min(15, middle + 1); zero++) {
      // Of the steps c and the values x, the scale xc / cc is best, and takes (xc)^2 / cc off the squared
      // error.
      let [xc, cc] = [0, 0];
      for (let i = 0; i < block.length; i++) {
        const x = block[i] ?? 0;
        const c = toInt4(x, whole * span, zero) - zero;
        xc += x * c;
        cc += c * c;
      }
      if (cc === 0 || (xc * xc) / cc <= most) continue;
      most = (xc * xc) / cc;
      best = { step: whole * span, zero, scale: Math.fround(xc / cc) };
    }
  return best;
}

/** The `at`-th of values that lie two in a byte, the first in the low half. */
const halfOf = (bytes: Uint8Array, at: number): number => ((bytes[at >> 1] ?? 0) >> (4 * (at & 1))) & 15;

function setHalf(bytes: Uint8Array, at: number, value: number): void {
  bytes[at >> 1] = (bytes[at >> 1] ?? 0) | (value << (4 * (at & 1)));
}

/** @returns [outputs, inputs] */
export function ofInt4Linear({ values, scales, zeros }: Int4Linear, inputs: number): Float32Array {
  const blocks = blocksOf(inputs);
  const weight = new Float32Array((scales.length / blocks) * inputs);
  return weight.map((_, at) => {
    const [o, i] = [Math.floor(at / inputs), at % inputs];
    const b = Math.floor(i / int4Block);
    const block = o * blocks + b;
    const zero = halfOf(zeros, 2 * o * Math.ceil(blocks / 2) + b);
    return (halfOf(values, block * int4Block + (i % int4Block)) - zero) * (scales[block] ?? NaN);
  });
}
