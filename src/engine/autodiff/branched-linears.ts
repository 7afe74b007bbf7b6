// DMLoRA's linear layer in tfjs: the frozen product and the live branches beside it, gated and scaled, as one
// function whose gradient is written out, so that what the branches add costs no pass over the result of its own.
import * as tf from '@tensorflow/tfjs-core';
import {
  factorOf,
  gatesOf,
  type AdaptedModule,
  type Gates,
  type ModuleName,
  type Trains,
} from '../../dmlora/adapter.ts';
import { sideGatesOf } from '../../dmlora/crossed.ts';
import { present } from '../../shared/assert.ts';
import { differentiable, leadsBack } from './differentiable.ts';
import {
  linear,
  matrixProduct,
  productOf,
  scaledProduct,
  transposedProduct,
  transposeOf,
  tunedGradients,
  tunedInputs,
  type LinearWeights,
} from './products.ts';
import type { Layout, Trainables } from './trainables.ts';
import type { LinearLayers } from './vit.ts';
import { onWasm, wasmIsZero } from './wasm-kernels.ts';

/** What the branches of a linear read of its input [n, in], where a step leaves some of it out. */
export type BranchInput = (x: tf.Tensor2D, name: ModuleName) => tf.Tensor2D;

/** What of the branches a backward pass is to give gradients of. */
type TrainsOfBranches = Pick<Trains, 'branches' | 'scalars'>;

const nothing: TrainsOfBranches = { branches: false, scalars: false };

/**
 * Frozen linears plus s sum_k g_k (x A_k') B_k', all live branches as one low-rank product; where they are crossed,
 * their gated sums as one branch.
 *
 * @param trains what is differentiated beside the inputs of the layers; nothing without it.
 * @param readBy what branches read; where it is not the input, the layers have no transpose.
 */
export function branchedLinears(
  layout: Layout,
  trainables: Trainables,
  gates: Gates,
  trains = nothing,
  readBy: BranchInput | null = null,
): LinearLayers {
  const places = new Map(layout.modules.map(({ module, rank }, i) => [module.name, { module, rank, i }]));
  const isTraining = trains.branches || trains.scalars;
  const branchesOf = (name: ModuleName): Pick<Inputs, 'scale' | keyof Branches> | null => {
    const place = places.get(name);
    if (place === undefined) return null;
    const { scalar, ...all } = present(trainables.modules[place.i], name);
    const { open, ...factors } =
      place.module.crossed === true
        ? crossedSums(place, all, gates)
        : { ...all, open: gatesOf(gates, place.module) };
    if (!isTraining && addsNothing(open, factors.up)) return null;
    const scale = open.every((gate) => gate === 1)
      ? scalar
      : gatedScale(
          scalar,
          open.flatMap((gate) => Array<number>(place.rank).fill(gate)),
        );
    return { scale, ...factors };
  };
  const apply: LinearLayers['apply'] = (x, frozen, name) => {
    const branches = branchesOf(name);
    if (branches === null) return linear(x, frozen);
    return withBranches({ x, read: readBy?.(x, name) ?? x, ...branches }, frozen, trains);
  };
  const applyTransposed: LinearLayers['apply'] = (x, frozen, name) => {
    const branches = branchesOf(name);
    const exchanged = transposeOf(frozen);
    if (branches === null) return linear(x, exchanged);
    const { scale, down, downTransposed, up, upTransposed } = branches;
    const turned = { down: up, downTransposed: upTransposed, up: down, upTransposed: downTransposed };
    return withBranches({ x, read: x, scale, ...turned }, exchanged, trains);
  };
  return { apply, applyTransposed: readBy === null ? applyTransposed : null };
}

/** A layer's scalar times the gate of each of its rows, [R]. */
function gatedScale(scalar: tf.Scalar, gates: readonly number[]): tf.Tensor1D {
  return differentiable((s: tf.Scalar) => {
    const by = tf.tensor1d([...gates]); // [R]
    return { value: tf.mul<tf.Tensor1D>(by, s), uses: [by], gradient: (dy) => [tf.sum(tf.mul(dy, by))] };
  })(scalar);
}

/** Whether branches leave the result as it is: all are switched off, or none has learned yet. */
function addsNothing(gates: readonly number[], up: tf.Tensor2D): boolean {
  return gates.every((gate) => gate === 0) || (onWasm() && wasmIsZero(up));
}

/** The branches of a linear, one below the other, in both layouts. */
interface Branches {
  readonly down: tf.Tensor2D; // [R, in]
  readonly downTransposed: tf.Tensor2D; // [in, R]
  readonly up: tf.Tensor2D; // [R, out]
  readonly upTransposed: tf.Tensor2D; // [out, R]
}

interface Inputs extends Branches {
  readonly x: tf.Tensor2D; // [n, in]
  /** What the branches read: x, or what is left of it. */
  readonly read: tf.Tensor2D; // [n, in]
  readonly scale: tf.Scalar | tf.Tensor1D; // [] or [R]
}

/**
 * y = x W' + b + ((read A') scale) B with A `down` and B `up`. With d the gradient of (read A') scale, which
 * is dy B': dx = dy W, to which the branches add (d scale) A where they read x itself, dscale = d (read A'),
 * dA = (d scale)' read, dB = ((read A') scale)' dy. Only what is wanted is computed, and what is tuned of W and b.
 */
function withBranches(
  { x, read, scale, down, downTransposed, up, upTransposed }: Inputs,
  { weight, transposed, bias, tuned }: LinearWeights,
  wanted: TrainsOfBranches,
): tf.Tensor2D {
  const isApart = read !== x;
  const isInputWanted = leadsBack(x);
  const inputs = [
    ...(isInputWanted ? (isApart ? [x, read] : [x]) : []),
    ...(wanted.scalars ? [scale] : []),
    ...(wanted.branches ? [down, up] : []),
    ...tunedInputs(tuned, transposed, bias),
  ];
  return differentiable<tf.Tensor[], tf.Tensor2D>(() => {
    const hidden = wanted.scalars ? matrixProduct(read, downTransposed) : null; // [n, R]
    const gated =
      hidden === null ? scaledProduct(read, downTransposed, scale) : tf.mul<tf.Tensor2D>(hidden, scale);
    return {
      value: matrixProduct(x, weight, bias ?? undefined, { a: gated, b: up }), // [n, out]
      uses: [
        ...[scale, down, up, upTransposed],
        ...(hidden === null ? [] : [hidden]),
        ...(wanted.branches ? [read, gated] : []),
        ...(tuned.weight ? [x] : []),
      ],
      gradient: (dy) => {
        const d = hidden === null ? null : matrixProduct(dy, upTransposed); // [n, R]
        const ofHidden = d === null ? scaledProduct(dy, upTransposed, scale) : tf.mul<tf.Tensor2D>(d, scale);
        const toInput = { a: ofHidden, b: down };
        const ofInput = (): tf.Tensor2D[] =>
          isApart
            ? [matrixProduct(dy, transposed), matrixProduct(ofHidden, down)]
            : [matrixProduct(dy, transposed, undefined, toInput)];
        return [
          ...(isInputWanted ? ofInput() : []), // [n, in]
          ...(d === null || hidden === null
            ? []
            : [tf.sum(tf.mul(d, hidden), scale.rank === 0 ? undefined : 0)]),
          ...(wanted.branches ? [transposedProduct(ofHidden, read), transposedProduct(gated, dy)] : []),
          ...tunedGradients(tuned, x, dy),
        ];
      },
    };
  })(...inputs);
}

/**
 * The gated sums of a crossed module's matrices, [r, in] and [r, out]: products with the gates on diagonals
 * side by side.
 */
function crossedSums(
  { module, rank }: { readonly module: AdaptedModule; readonly rank: number },
  { down, up }: Pick<Branches, 'down' | 'up'>,
  gates: Gates,
): Branches & { readonly open: readonly number[] } {
  const sides = sideGatesOf(gates, module);
  const sumOf = (stacked: tf.Tensor2D, of: readonly number[]): tf.Tensor2D => {
    const rows = Array.from({ length: rank }, (_, row) =>
      of.flatMap((gate) => Array.from({ length: rank }, (_, column) => (row === column ? gate : 0))),
    );
    return productOf(tf.tensor2d(rows, [rank, of.length * rank]), stacked);
  };
  const [downSum, upSum] = [sumOf(down, sides.down), sumOf(up, sides.up)];
  return {
    down: downSum,
    downTransposed: tf.transpose(downSum),
    up: upSum,
    upTransposed: tf.transpose(upSum),
    open: [factorOf(module)],
  };
}
