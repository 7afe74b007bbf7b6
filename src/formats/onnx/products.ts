// The products of an ONNX graph, in float, of uint8 and with weights of 4 bits, and the values that all
// operators of evaluate.ts take and give. Plain arithmetic; knows no graph.
import { sizeOf } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import type { OnnxType } from './graph.ts';
import { productBase64 } from './product.wasm.ts';
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
  const steps = perm.map((axis) => from[axis] ?? 1);
  const [length, step] = [shape.at(-1) ?? 1, steps.at(-1) ?? 1];
  const data = new Float32Array(x.data.length);
  const index = shape.map(() => 0); // of the line that is written, its last place unused
  let start = 0; // where that line begins in x
  for (let to = 0; to < data.length; to += length) {
    for (let i = 0, at = start; i < length; i++, at += step) data[to + i] = x.data[at] ?? NaN;
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      const [next, size, distance] = [(index[axis] ?? 0) + 1, shape[axis] ?? 1, steps[axis] ?? 1];
      index[axis] = next === size ? 0 : next;
      start += next === size ? -distance * (size - 1) : distance;
      if (next < size) break;
    }
  }
  return { type: x.type, shape, data };
}

/** What assembly/product.ts exports, in a memory that grows; addresses in bytes. */
interface Multiplier {
  readonly memory: WebAssembly.Memory;
  readonly product: (a: number, b: number, c: number, n: number, k: number, m: number) => void;
}
let multiplier: Multiplier | null = null;

function loadMultiplier(): Multiplier {
  const memory = new WebAssembly.Memory({ initial: 0 });
  const bytes = Uint8Array.from(atob(productBase64), (letter) => letter.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { memory, product: exports['product'] as Multiplier['product'] };
}

/** a [n, k] b [k, m], every sum in float64 from the first term to the last. */
function product(a: Float32Array, b: Float32Array, n: number, k: number, m: number): Float32Array {
  const { memory, product: multiply } = (multiplier ??= loadMultiplier());
  const bytes = 4 * (n * k + k * m + n * m);
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / 65536);
  if (missing > 0) memory.grow(missing);
  const [atB, atC] = [4 * n * k, 4 * (n * k + k * m)];
  new Float32Array(memory.buffer, 0, n * k).set(a);
  new Float32Array(memory.buffer, atB, k * m).set(b);
  multiply(0, atB, atC, n, k, m);
  return new Float32Array(memory.buffer, atC, n * m).slice();
}

/** [..., n, k] x [..., k, m]; a second factor of rank 2 is the same for all. */
export function matMul(a: Value, b: Value): Value {
  const [n = 0, k = 0] = a.shape.slice(-2);
  const m = b.shape.at(-1) ?? 0;
  const batches = sizeOf(a.shape.slice(0, -2));
  const shape = [...a.shape.slice(0, -1), m];
  if (b.shape.length === 2) return { type: a.type, shape, data: product(a.data, b.data, batches * n, k, m) };
  const data = new Float32Array(batches * n * m);
  for (let i = 0; i < batches; i++) {
    const left = a.data.subarray(i * n * k, (i + 1) * n * k);
    const right = b.data.subarray(i * k * m, (i + 1) * k * m);
    data.set(product(left, right, n, k, m), i * n * m);
  }
  return { type: a.type, shape, data };
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
