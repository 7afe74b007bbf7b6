// The processor's kernels (assembly/kernels.ts) as functions of tensors, on the heap of tfjs's wasm backend. They
// reach into the backend, whose version is pinned. None has a gradient: that is their callers' affair.
import * as tf from '@tensorflow/tfjs-core';
import { assert } from '../../shared/assert.ts';
import type { Activation } from '../../vit/vit-config.ts';
import { kernelsFusedBase64 } from './kernels-fused.wasm.ts';
import { kernelsBase64 } from './kernels.wasm.ts';

/** What assembly/kernels.ts exports; addresses in bytes, steps and sizes in elements. */
interface Kernels {
  product(
    ...of: [
      ...[a: number, aRow: number, aStep: number, b: number, bStep: number, from: number, fromStep: number],
      ...[c: number, cStep: number, m: number, n: number, k: number, scale: number, panel: number],
      ...[a2: number, a2Row: number, b2: number, b2Step: number, k2: number],
    ]
  ): void;
  sum(a: number, b: number, out: number, count: number): void;
  times(a: number, b: number, out: number, count: number): void;
  layerNorm(
    ...of: [
      ...[x: number, weight: number, bias: number, y: number, stats: number],
      ...[rows: number, dim: number, eps: number],
    ]
  ): void;
  layerNormGradient(
    ...of: [
      ...[x: number, weight: number, stats: number, dy: number, dx: number],
      ...[rows: number, dim: number],
    ]
  ): void;
  activation(kind: number, x: number, y: number, slope: number, count: number): void;
  attention(
    ...of: [
      ...[q: number, k: number, v: number, out: number, p: number, scratch: number],
      ...[images: number, heads: number, queries: number, tokens: number, width: number],
    ]
  ): void;
  attentionGradient(
    ...of: [
      ...[q: number, k: number, v: number, p: number, dy: number, dq: number, dk: number, dv: number],
      ...[scratch: number, images: number, heads: number, queries: number, tokens: number, width: number],
    ]
  ): void;
}

/** The parts of tfjs's BackendWasm that are used here; its own types leave out the module. */
interface WasmBackend {
  readonly wasm: { readonly HEAPU8: Uint8Array; readonly asm: { readonly memory: WebAssembly.Memory } };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: readonly number[], dtype: 'float32'): tf.TensorInfo;
}

let loaded: { readonly memory: WebAssembly.Memory; readonly kernels: Kernels } | null = null;

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/**
 * Whether the kernels may multiply and add at once (WebAssembly's relaxed SIMD; Node 20 has it behind a flag). Sums
 * then differ in their last bits from those of the other module, and not from machine to machine where the
 * processor has a fused multiply-add.
 */
export const multiplyAddIsFused: boolean = WebAssembly.validate(bytesOf(kernelsFusedBase64));

/** Takes one of the two modules for the backend's heap. */
export function loadKernels(fused: boolean): Kernels {
  const { memory } = backend().wasm.asm;
  const module = new WebAssembly.Module(bytesOf(fused ? kernelsFusedBase64 : kernelsBase64));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  loaded = { memory, kernels: exports as unknown as Kernels };
  return loaded.kernels;
}

/** The kernels over the backend's heap: a backend has one for good, and a worker one backend. */
function kernels(): Kernels {
  if (loaded?.memory === backend().wasm.asm.memory) return loaded.kernels;
  return loadKernels(multiplyAddIsFused);
}

function backend(): WasmBackend {
  return tf.backend() as unknown as WasmBackend;
}

/** Whether these kernels can be used: they are wasm's alone. */
export function onWasm(): boolean {
  return tf.getBackend() === 'wasm';
}

/** A tensor with whatever its memory held. */
function fresh<R extends tf.Rank>(shape: tf.ShapeMap[R]): tf.Tensor<R> {
  const info = backend().makeOutput(shape, 'float32');
  return tf.engine().makeTensorFromTensorInfo(info) as tf.Tensor<R>;
}

/** A tensor of the same shape, with whatever its memory held. */
function like<T extends tf.Tensor>(tensor: T): T {
  return fresh(tensor.shape) as T;
}

/** Where a tensor lies in the heap, in bytes. */
function at(tensor: tf.Tensor): number {
  return backend().dataIdMap.get(tensor.dataId).memoryOffset;
}

/** Runs `work` with so many elements to write into, which are freed after it. */
function withScratch(elements: number, work: (address: number) => void): void {
  const scratch = fresh<tf.Rank.R1>([elements]);
  work(at(scratch));
  scratch.dispose();
}

/** A tensor whose values are written where they lie; `fill` makes no tensors. */
export function wasmFilled<R extends tf.Rank>(
  shape: tf.ShapeMap[R],
  fill: (values: Float32Array) => void,
): tf.Tensor<R> {
  const out = fresh<R>(shape);
  fill(new Float32Array(backend().wasm.asm.memory.buffer, at(out), out.size));
  return out;
}

/** Whether every value is 0: asked of every layer in every part of a forward pass, so as a plain loop. */
export function wasmIsZero(x: tf.Tensor): boolean {
  const values = new Float32Array(backend().wasm.asm.memory.buffer, at(x), x.size);
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) return false;
  return true;
}

/** Copies the values of x into an array of their size. */
export function wasmRead(x: tf.Tensor, into: Float32Array): void {
  into.set(new Float32Array(backend().wasm.asm.memory.buffer, at(x), x.size));
}

/** The `size` values of x [n] from `begin` on. */
export function wasmSlice(x: tf.Tensor1D, begin: number, size: number): tf.Tensor1D {
  const out = fresh<tf.Rank.R1>([size]);
  const from = at(x) + 4 * begin;
  backend().wasm.HEAPU8.copyWithin(at(out), from, from + 4 * size);
  return out;
}

/**
 * Some of the rows of each image, [images * count, dim] of x [images * tokens, dim], from the first on; with
 * `tokens` the other way round, [images * count, dim] -> [images * tokens, dim], the others 0.
 */
export function wasmRows(x: tf.Tensor2D, images: number, rows: number): tf.Tensor2D {
  const [all, dim] = x.shape;
  const out = fresh<tf.Rank.R2>([images * rows, dim]);
  const heap = backend().wasm.HEAPU8;
  const [source, target] = [(4 * dim * all) / images, 4 * dim * rows]; // bytes of an image
  const [from, to] = [at(x), at(out)];
  for (let image = 0; image < images; image++) {
    const begin = from + image * source;
    heap.copyWithin(to + image * target, begin, begin + Math.min(source, target));
    if (target > source) heap.fill(0, to + image * target + source, to + (image + 1) * target);
  }
  return out;
}

/** Rows from which on copying columns of B pays (assembly/products.ts). */
const panelRows = 48;

/** A matrix [k, n] in panels of eight columns, [n / 8, k, 8]: what products read fastest, made once. */
export type Panels = tf.Tensor3D;

/** The panels of a matrix whose width can be divided by eight, which is disposed; another as it is. */
export function wasmPanels(b: tf.Tensor2D): tf.Tensor2D | Panels {
  const [k, n] = b.shape;
  if (n % 8 !== 0) return b;
  const panels = fresh<tf.Rank.R3>([n / 8, k, 8]);
  const { buffer } = backend().wasm.asm.memory;
  const [from, to] = [new Float32Array(buffer, at(b), b.size), new Float32Array(buffer, at(panels), b.size)];
  let place = 0;
  for (let column = 0; column < n; column += 8)
    for (let row = 0; row < k; row++) {
      const first = row * n + column;
      for (let i = 0; i < 8; i++) to[place++] = from[first + i] ?? NaN;
    }
  b.dispose();
  return panels;
}

/** Two matrices whose product is added to another: a [m, k], b [k, n]. */
export interface Factors {
  readonly a: tf.Tensor2D;
  readonly b: tf.Tensor2D;
}

/** The value of a scalar. */
export function wasmValue(scalar: tf.Scalar): number {
  return new Float32Array(backend().wasm.asm.memory.buffer, at(scalar), 1)[0] ?? NaN;
}

/**
 * F + scale (A B + A2 B2) for a [m, k], or with `transposed` A' for a [k, m]; b [k, n]; F [m, n], or [n] for each row,
 * or absent; the second factors too can be absent.
 */
export function wasmProduct(
  a: tf.Tensor2D,
  b: tf.Tensor2D | Panels,
  {
    transposed = false,
    scale = 1,
    plus,
    and,
  }: {
    transposed?: boolean;
    scale?: number;
    plus?: tf.Tensor2D | tf.Tensor1D | undefined;
    and?: Factors | undefined;
  } = {},
): tf.Tensor2D {
  const [rows, columns] = a.shape;
  const [m, k] = transposed ? [columns, rows] : [rows, columns];
  const isPacked = b.rank === 3;
  const [inner, n] = b.rank === 3 ? [b.shape[1], 8 * b.shape[0]] : b.shape;
  const k2 = and?.b.shape[0] ?? 0;
  assert(inner === k, 'the inner sizes of a product are equal');
  const out = fresh<tf.Rank.R2>([m, n]);
  const from = plus === undefined ? 0 : at(plus);
  const fromStep = plus === undefined || plus.rank === 1 ? 0 : n;
  const aRow = transposed ? 1 : columns;
  const aStep = transposed ? columns : 1;
  const bStep = isPacked ? 0 : n;
  const a2 = and === undefined ? 0 : at(and.a);
  const b2 = and === undefined ? 0 : at(and.b);
  const own = kernels();
  // prettier-ignore
  const compute = (panel: number): void =>
    own.product(at(a), aRow, aStep, at(b), bStep, from, fromStep, at(out), n, m, n, k, scale, panel, a2, k2, b2, n, k2);
  if (m < panelRows) compute(0);
  else withScratch(8 * Math.max(1, isPacked ? k2 : k + k2), compute);
  return out;
}

/** a + b, of one shape. */
export function wasmSum<T extends tf.Tensor>(a: T, b: T): T {
  assert(a.size === b.size, 'tensors of one shape');
  const out = like(a);
  kernels().sum(at(a), at(b), at(out), a.size);
  return out;
}

/** a b element by element, of one shape. */
export function wasmTimes<T extends tf.Tensor>(a: T, b: T): T {
  assert(a.size === b.size, 'tensors of one shape');
  const out = like(a);
  kernels().times(at(a), at(b), at(out), a.size);
  return out;
}

/** LayerNorm of x [n, dim], and what its gradient needs: mean and reciprocal root of each row [n, 2]. */
export function wasmLayerNorm(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  bias: tf.Tensor1D,
  eps: number,
): { value: tf.Tensor2D; stats: tf.Tensor2D } {
  const [rows, dim] = x.shape;
  const [value, stats] = [fresh<tf.Rank.R2>([rows, dim]), fresh<tf.Rank.R2>([rows, 2])];
  kernels().layerNorm(at(x), at(weight), at(bias), at(value), at(stats), rows, dim, eps);
  return { value, stats };
}

/** The gradient of x [n, dim] from that of the normed one. */
export function wasmLayerNormGradient(
  x: tf.Tensor2D,
  weight: tf.Tensor1D,
  stats: tf.Tensor2D,
  dy: tf.Tensor2D,
): tf.Tensor2D {
  const [rows, dim] = x.shape;
  const dx = fresh<tf.Rank.R2>([rows, dim]);
  kernels().layerNormGradient(at(x), at(weight), at(stats), at(dy), at(dx), rows, dim);
  return dx;
}

const kinds: Readonly<Record<Activation, number>> = { gelu: 0, 'gelu-tanh': 1, 'quick-gelu': 2 };

/** An activation of each element, and where it is wanted its derivative there; x has at least four. */
export function wasmActivation<Wanted extends boolean>(
  kind: Activation,
  x: tf.Tensor2D,
  wantsSlope: Wanted,
): { value: tf.Tensor2D; slope: Wanted extends true ? tf.Tensor2D : null };
export function wasmActivation(
  kind: Activation,
  x: tf.Tensor2D,
  wantsSlope: boolean,
): { value: tf.Tensor2D; slope: tf.Tensor2D | null } {
  assert(x.size >= 4, 'the kernel of an activation works on four elements at once');
  const value = fresh<tf.Rank.R2>(x.shape);
  const slope = wantsSlope ? fresh<tf.Rank.R2>(x.shape) : null;
  kernels().activation(kinds[kind], at(x), at(value), slope === null ? 0 : at(slope), x.size);
  return { value, slope };
}

/** How q, k and v are to be read: q [images * queries, heads * width], k and v [images * tokens, the same]. */
export interface Heads {
  readonly images: number;
  readonly heads: number;
}

interface AttentionSizes {
  readonly sizes: readonly [images: number, heads: number, queries: number, tokens: number, width: number];
  /** Columns of a row of probabilities: whole vectors. */
  readonly columns: number;
}

function sizesOf(q: tf.Tensor2D, k: tf.Tensor2D, { images, heads }: Heads): AttentionSizes {
  const [queries, tokens] = [q.shape[0] / images, k.shape[0] / images];
  return {
    sizes: [images, heads, queries, tokens, q.shape[1] / heads],
    columns: 4 * Math.ceil(tokens / 4),
  };
}

/** softmax(q k' / sqrt(width)) v by heads, and the probabilities for its gradient. */
export function wasmAttention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  by: Heads,
): { value: tf.Tensor2D; probabilities: tf.Tensor3D } {
  const { sizes, columns } = sizesOf(q, k, by);
  const [images, heads, queries, , width] = sizes;
  const value = fresh<tf.Rank.R2>(q.shape);
  const probabilities = fresh<tf.Rank.R3>([images * heads, queries, columns]);
  withScratch(width * columns, (scratch) =>
    kernels().attention(at(q), at(k), at(v), at(value), at(probabilities), scratch, ...sizes),
  );
  return { value, probabilities };
}

/** The gradients of q, k and v from that of the value. */
export function wasmAttentionGradient(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  probabilities: tf.Tensor3D,
  dy: tf.Tensor2D,
  by: Heads,
): [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D] {
  const { sizes, columns } = sizesOf(q, k, by);
  const [, , queries, , width] = sizes;
  const gradients = [q, k, v].map(({ shape }) => fresh<tf.Rank.R2>(shape));
  const [dq, dk, dv] = gradients as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  withScratch((width + queries) * columns, (scratch) =>
    kernels().attentionGradient(
      ...([at(q), at(k), at(v), at(probabilities), at(dy), at(dq), at(dk), at(dv)] as const),
      ...([scratch, ...sizes] as const),
    ),
  );
  return [dq, dk, dv];
}
