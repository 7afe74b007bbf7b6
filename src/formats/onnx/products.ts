// The products of an ONNX graph, in float, of uint8 and with weights of 4 bits, and the values that all
// operators of evaluate.ts take and give. Plain arithmetic; knows no graph.
import { sizeOf } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import type { OnnxType } from './graph.ts';
import { ofInt4Linear, toUint8, uint8Range } from './quantise.ts';

export interface Value {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return strides;
}

export function transpose(x: Value, perm: readonly number[]): Value {
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  const from = stridesOf(x.shape);
  const [steps, outer] = [perm.map((axis) => from[axis] ?? 1), stridesOf(shape)];
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) {
    let [at, rest] = [0, i];
    for (let axis = 0; axis < shape.length; axis++) {
      const index = Math.floor(rest / (outer[axis] ?? 1));
      rest -= index * (outer[axis] ?? 1);
      at += index * (steps[axis] ?? 1);
    }
    data[i] = x.data[at] ?? NaN;
  }
  return { type: x.type, shape, data };
}

/** [..., n, k] x [..., k, m]; a second factor of rank 2 is the same for all. */
export function matMul(a: Value, b: Value): Value {
  const [n = 0, k = 0] = a.shape.slice(-2);
  const m = b.shape.at(-1) ?? 0;
  const batches = sizeOf(a.shape.slice(0, -2));
  const shared = b.shape.length === 2;
  const data = new Float32Array(batches * n * m);
  const row = new Float64Array(m);
  for (let batch = 0; batch < batches; batch++)
    for (let i = 0; i < n; i++) {
      row.fill(0);
      const [left, right] = [(batch * n + i) * k, shared ? 0 : batch * k * m];
      let j = 0;
      // Four terms for one look at the sum, added in the same order as one by one.
      for (; j + 4 <= k; j += 4) {
        const at = left + j;
        const [f0, f1, f2, f3] = [
          a.data[at] ?? 0,
          a.data[at + 1] ?? 0,
          a.data[at + 2] ?? 0,
          a.data[at + 3] ?? 0,
        ];
        const [b0, b1, b2, b3] = [
          right + j * m,
          right + (j + 1) * m,
          right + (j + 2) * m,
          right + (j + 3) * m,
        ];
        for (let c = 0; c < m; c++)
          row[c] =
            (row[c] ?? 0) +
            f0 * (b.data[b0 + c] ?? 0) +
            f1 * (b.data[b1 + c] ?? 0) +
            f2 * (b.data[b2 + c] ?? 0) +
            f3 * (b.data[b3 + c] ?? 0);
      }
      for (; j < k; j++) {
        const factor = a.data[left + j] ?? 0;
        const from = right + j * m;
        for (let c = 0; c < m; c++) row[c] = (row[c] ?? 0) + factor * (b.data[from + c] ?? 0);
      }
      data.set(row, (batch * n + i) * m);
    }
  return { type: a.type, shape: [...a.shape.slice(0, -1), m], data };
}

/** DynamicQuantizeLinear: uint8, its scale and its zero point, one for the whole tensor. */
export function quantised([given]: readonly Value[]): readonly Value[] {
  const x = present(given, 'input');
  const { scale, zero } = uint8Range(
    x.data.reduce((a, b) => Math.min(a, b), 0),
    x.data.reduce((a, b) => Math.max(a, b), 0),
  );
  const one = (type: OnnxType, value: number): Value => ({ type, shape: [], data: Float32Array.of(value) });
  const data = x.data.map((value) => toUint8(value, scale, zero));
  return [{ type: 'uint8', shape: x.shape, data }, one('float32', scale), one('uint8', zero)];
}

/**
 * [..., n, k] x [k, m] of uint8 without their zero points: x's one, the weight's one for each of the m
 * columns.
 */
export function matMulInteger(x: Value, ...[weight, zeroX, zeros]: readonly Value[]): Value {
  const [k = 0, m = 0] = present(weight, 'weight').shape;
  const [zero, rows] = [present(zeroX, 'zero').data[0] ?? 0, x.data.length / k];
  const columns = present(zeros, 'zeros').data;
  const stored = present(weight, 'weight').data;
  const whole = memoized(stored, () => {
    const less = new Float32Array(stored.length);
    for (let i = 0; i < less.length; i++) less[i] = (stored[i] ?? 0) - (columns[i % m] ?? 0);
    return less;
  });
  // Sums of whole numbers below 2^53: exact.
  const centred = x.data.map((value) => value - zero);
  const { data } = matMul(
    { type: 'float32', shape: [rows, k], data: centred },
    { type: 'float32', shape: [k, m], data: whole },
  );
  return { type: 'float32', shape: [...x.shape.slice(0, -1), m], data };
}

/** onnxruntime's product with 4 bits: the weight's values first, then a product in float. */
export function matMulNBits(
  x: Value,
  [weight, scales, zeros]: readonly [weight: Value, scales: Value, zeros: Value],
  k: number,
  n: number,
): Value {
  const factor = memoized(weight.data, () => {
    const [values, points] = [Uint8Array.from(weight.data), Uint8Array.from(zeros.data)];
    const rows = ofInt4Linear({ values, scales: scales.data, zeros: points }, k); // [n, k]
    return transpose({ type: x.type, shape: [n, k], data: rows }, [1, 0]).data;
  });
  return matMul(x, { type: x.type, shape: [k, n], data: factor });
}

const unpacked = new WeakMap<Float32Array, Float32Array>();

/** What is made of a weight's stored values, once for all images. */
function memoized(stored: Float32Array, make: () => Float32Array): Float32Array {
  const made = unpacked.get(stored) ?? make();
  unpacked.set(stored, made);
  return made;
}
