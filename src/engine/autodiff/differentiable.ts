// A typed face for tf.customGrad: a function of tensors whose gradient is written by hand. tfjs types its inputs as
// "tensors and a save function in one list"; the casts that this needs stand here and nowhere else.
import * as tf from '@tensorflow/tfjs-core';

export interface Differentiated<T extends tf.Tensor> {
  readonly value: T;
  /** Kept for the backward pass and freed after it. */
  readonly saved: tf.Tensor[];
  /** The gradient of each input, from that of the value and what was saved. */
  readonly gradient: (dy: T, saved: tf.Tensor[]) => tf.Tensor[];
}

/**
 * Makes a differentiable function of tensors. All gradients of a call are computed eagerly, so only what is trained
 * or leads to something trained may be an input; frozen tensors come in by closure.
 */
export function differentiable<Inputs extends tf.Tensor[], T extends tf.Tensor>(
  forward: (...inputs: Inputs) => Differentiated<T>,
): (...inputs: Inputs) => T {
  return tf.customGrad((...args: (tf.Tensor | ((tensors: tf.Tensor[]) => void))[]) => {
    const save = args.pop() as (tensors: tf.Tensor[]) => void;
    const { value, saved, gradient } = forward(...(args as Inputs));
    save(saved);
    return { value, gradFunc: gradient };
  });
}
