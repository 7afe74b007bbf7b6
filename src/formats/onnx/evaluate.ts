// Computes an ONNX graph, operator by operator, as the standard defines them (opset 17; MatMulNBits is
// onnxruntime's): the independent reading of an exported file. Plain on purpose; only the operators that Graft
// writes. float16 is computed in float32 and rounded after every operator; whole sums as large as
// those of MatMulInteger round to float32 when they are stored, as its Cast would round them.
import { sizeOf } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { roundedToFloat16 } from '../../shared/float16.ts';
import { decodeFloats } from '../float-types.ts';
import { onnxTypeCodes, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxType } from './graph.ts';
import {
  matMul,
  matMulInteger,
  matMulNBits,
  quantised,
  stridesOf,
  transpose,
  type Value,
} from './products.ts';

/** A tensor without its type, as a graph's input and output are. */
interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Runs the graph on one input.
 *
 * @param pixels [batch, 3, height, width]
 * @returns the graph's output, [batch, classes]
 */
export async function evaluateOnnx(model: OnnxModel, pixels: Tensor): Promise<Tensor> {
  return (await onnxEvaluator(model))(pixels);
}

/**
 * A function that runs the graph, its weights decoded once.
 *
 * @param between awaited after each operator; what it throws ends the run.
 */
export async function onnxEvaluator(
  model: OnnxModel,
  between: () => Promise<void> = () => Promise.resolve(),
): Promise<(pixels: Tensor) => Promise<Tensor>> {
  const weights = new Map<string, Value>();
  for (const { name, type, shape, bytes } of model.initializers) {
    const raw = bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes;
    weights.set(name, { type, shape, data: numbersOf(type, raw) });
  }
  return (pixels) => run(model, weights, pixels, between);
}

async function run(
  model: OnnxModel,
  weights: ReadonlyMap<string, Value>,
  pixels: Tensor,
  between: () => Promise<void>,
): Promise<Tensor> {
  const values = new Map(weights);
  values.set(model.input.name, { type: model.input.type, ...pixels });
  const lastUse = new Map(model.nodes.flatMap(({ inputs }, i) => inputs.map((name) => [name, i] as const)));
  for (const [i, node] of model.nodes.entries()) {
    const inputs = node.inputs.map((name) => present(values.get(name), `value ${name}`));
    const computed = node.op === 'DynamicQuantizeLinear' ? quantised(inputs) : [compute(node, inputs)];
    node.outputs.forEach((name, at) => values.set(name, rounded(present(computed[at], name))));
    for (const name of node.inputs) if (lastUse.get(name) === i) values.delete(name);
    await between();
  }
  return present(values.get(model.output.name), 'the output');
}

function numbersOf(type: OnnxType, raw: Uint8Array): Float32Array {
  switch (type) {
    case 'int64':
      return Float32Array.from(new BigInt64Array(raw.slice().buffer), Number);
    case 'uint8':
      return Float32Array.from(raw);
    case 'float16':
      return decodeFloats(raw, 'F16');
    case 'float32':
      return decodeFloats(raw, 'F32');
    default:
      return type satisfies never;
  }
}

function rounded(value: Value): Value {
  if (value.type !== 'float16') return value;
  return { ...value, data: roundedToFloat16(value.data) };
}

const unary = new Map<string, (x: number) => number>([
  ['Erf', erf],
  ['Tanh', Math.tanh],
  ['Sigmoid', (x) => 1 / (1 + Math.exp(-x))],
]);
const binary = new Map<string, (a: number, b: number) => number>([
  ['Add', (a, b) => a + b],
  ['Mul', (a, b) => a * b],
  ['Div', (a, b) => a / b],
]);

function compute(node: OnnxNode, inputs: readonly Value[]): Value {
  const x = present(inputs[0], 'input');
  const one = unary.get(node.op);
  if (one !== undefined) return { ...x, data: x.data.map(one) };
  const two = binary.get(node.op);
  if (two !== undefined) return broadcast(x, present(inputs[1], 'input'), two);
  switch (node.op) {
    case 'Conv':
      return conv(x, present(inputs[1], 'weight'), present(inputs[2], 'bias'), ints(node, 'strides'));
    case 'MatMul':
      return matMul(x, present(inputs[1], 'factor'));
    case 'MatMulInteger':
      return matMulInteger(x, ...[1, 2, 3].map((i) => present(inputs[i], 'factor or zero')));
    case 'MatMulNBits':
      return matMulNBits(
        x,
        [present(inputs[1], 'weight'), present(inputs[2], 'scales'), present(inputs[3], 'zeros')],
        int(node, 'K'),
        int(node, 'N'),
      );
    case 'Gemm':
      return gemm(x, present(inputs[1], 'weight'), present(inputs[2], 'bias'));
    case 'LayerNormalization':
      return layerNorm(x, present(inputs[1], 'scale'), present(inputs[2], 'bias'), float(node, 'epsilon'));
    case 'Softmax':
      return softmax(x);
    case 'Transpose':
      return transpose(x, ints(node, 'perm'));
    case 'Reshape':
      return reshape(x, [...present(inputs[1], 'shape').data]);
    case 'Concat':
      return concat(inputs, int(node, 'axis'));
    case 'Shape':
      return { type: 'int64', shape: [x.shape.length], data: Float32Array.from(x.shape) };
    case 'Expand':
      return broadcast(x, ones(x.type, [...present(inputs[1], 'shape').data]), (a) => a);
    case 'Gather':
      return gatherOne(x, int(node, 'axis'), present(inputs[1], 'index'));
    case 'Slice':
      return slice(x, inputs);
    case 'ReduceMean':
      return reduceMean(x, ints(node, 'axes'));
    case 'Cast': {
      const code = int(node, 'to');
      const type: OnnxType = code === onnxTypeCodes.float16 ? 'float16' : 'float32';
      return { ...x, type };
    }
    default:
      throw new Error(`the operator ${node.op} is none that Graft writes`);
  }
}

function attribute(node: OnnxNode, name: string): OnnxAttribute {
  return present(node.attributes.get(name), `${node.op}.${name}`);
}
function int(node: OnnxNode, name: string): number {
  const found = attribute(node, name);
  return found.kind === 'ints' ? NaN : found.value;
}
const float = int;
function ints(node: OnnxNode, name: string): readonly number[] {
  const found = attribute(node, name);
  return found.kind === 'ints' ? found.value : [found.value];
}

/**
 * The error function: a power series near zero, a continued fraction beyond; exact to float64's last digits.
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let [term, sum] = [z, z];
    for (let n = 1; n < 60; n++) {
      term *= (-z * z) / n;
      const before = sum;
      sum += term / (2 * n + 1);
      if (sum === before) break; // and all smaller terms
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / ((z + fraction) * Math.sqrt(Math.PI)));
}

const ones = (type: OnnxType, shape: readonly number[]): Value => ({
  type,
  shape,
  data: new Float32Array(sizeOf(shape)).fill(1),
});

/** Element by element over the common shape; a length of 1 stretches. */
function broadcast(a: Value, b: Value, f: (a: number, b: number) => number): Value {
  // The common cases first: one number, or the last axes of the other.
  const last = a.shape.slice(a.shape.length - b.shape.length);
  if (b.shape.length <= a.shape.length && (b.data.length === 1 || last.join() === b.shape.join())) {
    const data = new Float32Array(a.data.length);
    const length = b.data.length;
    for (let i = 0, at = 0; i < data.length; i++) {
      data[i] = f(a.data[i] ?? NaN, b.data[at] ?? NaN);
      if (++at === length) at = 0;
    }
    return { type: a.type, shape: a.shape, data };
  }
  const rank = Math.max(a.shape.length, b.shape.length);
  const widen = ({ shape }: Value): number[] => [
    ...Array.from({ length: rank - shape.length }, () => 1),
    ...shape,
  ];
  const [left, right] = [widen(a), widen(b)];
  const shape = left.map((length, axis) => Math.max(length, right[axis] ?? 1));
  const steps = (wide: number[]): number[] => stridesOf(wide).map((s, axis) => (wide[axis] === 1 ? 0 : s));
  const [stepsA, stepsB, outer] = [steps(left), steps(right), stridesOf(shape)];
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    let [atA, atB, rest] = [0, 0, i];
    for (let axis = 0; axis < rank; axis++) {
      const index = Math.floor(rest / (outer[axis] ?? 1));
      rest -= index * (outer[axis] ?? 1);
      atA += index * (stepsA[axis] ?? 0);
      atB += index * (stepsB[axis] ?? 0);
    }
    data[i] = f(a.data[atA] ?? NaN, b.data[atB] ?? NaN);
  }
  return { type: a.type, shape, data };
}

/**
 * A convolution whose kernel is as wide as its stride, without padding: every output sees a patch of its own.
 */
function conv(x: Value, weight: Value, bias: Value, strides: readonly number[]): Value {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const [out = 0, , patch = 0] = weight.shape;
  if (strides[0] !== patch) throw new Error('the stride is not the kernel');
  const [rows, columns] = [Math.floor(height / patch), Math.floor(width / patch)];
  const data = new Float32Array(batch * out * rows * columns); // [batch, out, rows, columns]
  let at = 0;
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < out; o++)
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++) {
          let sum = bias.data[o] ?? 0;
          let w = o * channels * patch * patch;
          for (let ch = 0; ch < channels; ch++)
            for (let y = 0; y < patch; y++) {
              const row = ((b * channels + ch) * height + r * patch + y) * width + c * patch;
              for (let i = 0; i < patch; i++) sum += (x.data[row + i] ?? 0) * (weight.data[w++] ?? 0);
            }
          data[at++] = sum;
        }
  return { type: x.type, shape: [batch, out, rows, columns], data };
}

/** x W' + b, [n, k] [m, k] [m]. */
function gemm(x: Value, weight: Value, bias: Value): Value {
  return broadcast(matMul(x, transpose(weight, [1, 0])), bias, (a, b) => a + b);
}

function layerNorm(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  const width = x.shape.at(-1) ?? 1;
  const data = new Float32Array(x.data.length);
  for (let begin = 0; begin < data.length; begin += width) {
    const row = x.data.subarray(begin, begin + width);
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
    const inverse = 1 / Math.sqrt(variance + epsilon);
    row.forEach((value, i) => {
      data[begin + i] = (value - mean) * inverse * (scale.data[i] ?? 0) + (bias.data[i] ?? 0);
    });
  }
  return { ...x, data };
}

/** Over the last axis. */
function softmax(x: Value): Value {
  const width = x.shape.at(-1) ?? 1;
  const data = new Float32Array(x.data.length);
  for (let begin = 0; begin < data.length; begin += width) {
    const row = x.data.subarray(begin, begin + width);
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = Float64Array.from(row, (value) => Math.exp(value - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    data.set(
      powers.map((power) => power / sum),
      begin,
    );
  }
  return { ...x, data };
}

/** 0 keeps a length, -1 takes what is left. */
function reshape(x: Value, wanted: readonly number[]): Value {
  const kept = wanted.map((length, axis) => (length === 0 ? (x.shape[axis] ?? 1) : length));
  const known = kept.reduce((product, length) => (length === -1 ? product : product * length), 1);
  const shape = kept.map((length) => (length === -1 ? x.data.length / known : length));
  return { ...x, shape };
}

function concat(inputs: readonly Value[], axis: number): Value {
  const first = present(inputs[0], 'input');
  const at = axis < 0 ? first.shape.length + axis : axis;
  const outer = sizeOf(first.shape.slice(0, at));
  const rows = inputs.map(({ shape }) => sizeOf(shape.slice(at)));
  const width = rows.reduce((sum, row) => sum + row, 0);
  const data = new Float32Array(outer * width);
  for (let o = 0; o < outer; o++) {
    let to = o * width;
    inputs.forEach((input, i) => {
      const row = rows[i] ?? 0;
      data.set(input.data.subarray(o * row, (o + 1) * row), to);
      to += row;
    });
  }
  const length = inputs.reduce((sum, { shape }) => sum + (shape[at] ?? 0), 0);
  return { type: first.type, shape: first.shape.map((n, i) => (i === at ? length : n)), data };
}

/** Gather of one index: a scalar's axis goes, that of a list of one stays. */
function gatherOne(x: Value, axis: number, { shape: [length], data: [index = 0] }: Value): Value {
  const cut = cutAxis(x, axis, index, index + 1);
  return length === undefined ? { ...cut, shape: x.shape.filter((_, i) => i !== axis) } : cut;
}

/** Slice with starts, ends and axes of one element each. */
function slice(x: Value, inputs: readonly Value[]): Value {
  const [begin = 0, end = 0, axis = 0] = inputs.slice(1, 4).map(({ data }) => data[0] ?? 0);
  return cutAxis(x, axis, begin, Math.min(end, x.shape[axis] ?? 0));
}

function cutAxis(x: Value, axis: number, begin: number, end: number): Value {
  const [outer, length] = [sizeOf(x.shape.slice(0, axis)), x.shape[axis] ?? 1];
  const inner = sizeOf(x.shape.slice(axis + 1));
  const data = new Float32Array(outer * (end - begin) * inner);
  for (let o = 0; o < outer; o++)
    data.set(
      x.data.subarray((o * length + begin) * inner, (o * length + end) * inner),
      o * (end - begin) * inner,
    );
  return { type: x.type, shape: x.shape.map((n, i) => (i === axis ? end - begin : n)), data };
}

/** The mean over one axis, which goes. */
function reduceMean(x: Value, axes: readonly number[]): Value {
  const axis = present(axes[0], 'axis');
  const [outer, length] = [sizeOf(x.shape.slice(0, axis)), x.shape[axis] ?? 1];
  const inner = sizeOf(x.shape.slice(axis + 1));
  const data = new Float32Array(outer * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      let sum = 0;
      for (let t = 0; t < length; t++) sum += x.data[(o * length + t) * inner + i] ?? 0;
      data[o * inner + i] = sum / length;
    }
  return { type: x.type, shape: [...x.shape.slice(0, axis), ...x.shape.slice(axis + 1)], data };
}
