// Functions of tensors whose gradient is written by hand, and what they keep for the backward pass.
// tf.customGrad would clone whatever it saves (a copy each on wasm) and tfjs would keep every intermediate
// tensor besides; here a function names what its gradient uses, just that survives the forward pass, and all
// of it is freed when the gradients are done. Between two of them the thread gives a sign of life, and on the
// processor way to the user's hand: a part of a batch is one piece of work, which lets nothing else in, and may
// take longer than a dead worker, or a click, is waited for.
import * as tf from '@tensorflow/tfjs-core';
import { giveWay } from '../../shared/hand.ts';
import { beat } from '../../shared/heartbeat.ts';

export interface Differentiated<T extends tf.Tensor> {
  readonly value: T;
  /** Every tensor that `gradient` reads, inputs included. */
  readonly uses: readonly tf.Tensor[];
  /** The gradient of each input, from that of the value. */
  readonly gradient: (dy: T) => tf.Tensor[];
}

/** Tensors that wait for the backward pass; null while nothing is being differentiated. */
let waiting: Set<tf.Tensor> | null = null;

/** Whether what is computed now is going to be differentiated. */
export function isDifferentiating(): boolean {
  return waiting !== null;
}

/** Runs `work`, which differentiates, and frees what its functions kept. Not to be nested. */
export function differentiating<T>(work: () => T): T {
  waiting = new Set();
  try {
    return work();
  } finally {
    for (const tensor of waiting) tensor.dispose();
    waiting = null;
  }
}

/** What is done between two functions. */
function breathe(): void {
  beat();
  if (tf.getBackend() !== 'webgpu') giveWay();
}

/**
 * Makes a differentiable function of tensors. All gradients of a call are computed eagerly, so only what is
 * trained or leads to something trained may be an input; frozen tensors come in by closure.
 */
export function differentiable<Inputs extends tf.Tensor[], T extends tf.Tensor>(
  forward: (...inputs: Inputs) => Differentiated<T>,
): (...inputs: Inputs) => T {
  // tfjs types the inputs as "tensors and a save function in one list": the casts stand here and nowhere
  // else.
  return tf.customGrad((...args: (tf.Tensor | ((tensors: tf.Tensor[]) => void))[]) => {
    args.pop();
    breathe();
    const { value, uses, gradient } = forward(...(args as Inputs));
    if (waiting !== null) for (const tensor of uses) if (!tensor.kept) waiting.add(tf.keep(tensor)); // who keeps one frees it
    return { value, gradFunc: (dy: T) => backward(gradient, dy) };
  });
}

/**
 * Runs a gradient in a tidy of its own, and frees dy after it: nobody else reads it, since all that used the
 * value have had their turn. tfjs does neither for a customGrad and would keep everything to the end of the
 * backward pass.
 */
function backward<T extends tf.Tensor>(gradient: (dy: T) => tf.Tensor[], dy: T): tf.Tensor[] {
  breathe();
  const gradients = tf.tidy(() => gradient(dy));
  dy.dispose();
  return gradients;
}
