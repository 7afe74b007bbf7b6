// Weights of a linear in few bits, as onnxruntime's tools write them, and back: uint8 with a scale and a zero point for each
// output (MatMulInteger), 4 bits with a scale for each block of 32 inputs (MatMulNBits). Knows no graph and no model.

/** A linear's weight for MatMulInteger: value = (stored - zero) * scale, all by output. */
export interface Uint8Linear {
  /** [inputs, outputs] */
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Uint8Array;
}

/** A linear's weight for MatMulNBits: value = (stored - 8) * scale. */
export interface Int4Linear {
  /** [outputs, blocks, 16]: two values a byte, the first in the low half; behind the last input zeros. */
  readonly values: Uint8Array;
  /** [outputs * blocks] */
  readonly scales: Float32Array;
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

/** @param weight [outputs, inputs] */
export function toInt4Linear(weight: Float32Array, outputs: number): Int4Linear {
  const inputs = weight.length / outputs;
  const blocks = blocksOf(inputs);
  const values = new Uint8Array(outputs * blocks * (int4Block / 2));
  const scales = new Float32Array(outputs * blocks);
  for (let o = 0; o < outputs; o++)
    for (let b = 0; b < blocks; b++) {
      const from = o * inputs + b * int4Block;
      const block = weight.subarray(from, Math.min(from + int4Block, (o + 1) * inputs));
      // The value that is furthest from zero becomes exactly -8 steps, whatever its sign.
      const furthest = block.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
      const scale = Math.abs(furthest / 8) < tiniest ? 0 : Math.fround(furthest / -8);
      const at = o * blocks + b;
      scales[at] = scale;
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      block.forEach((value, i) => {
        const steps = Math.fround(value * inverse);
        const stored = clamp(Math.sign(steps) * Math.floor(Math.abs(steps) + 0.5) + 8, 15);
        const byte = at * (int4Block / 2) + (i >> 1);
        values[byte] = (values[byte] ?? 0) | (stored << (4 * (i & 1)));
      });
    }
  return { values, scales };
}

/** @returns [outputs, inputs] */
export function ofInt4Linear({ values, scales }: Int4Linear, inputs: number): Float32Array {
  const blocks = blocksOf(inputs);
  const weight = new Float32Array((scales.length / blocks) * inputs);
  return weight.map((_, at) => {
    const [o, i] = [Math.floor(at / inputs), at % inputs];
    const block = o * blocks + Math.floor(i / int4Block);
    const inside = i % int4Block;
    const byte = values[block * (int4Block / 2) + (inside >> 1)] ?? 0;
    return (((byte >> (4 * (inside & 1))) & 15) - 8) * (scales[block] ?? NaN);
  });
}
