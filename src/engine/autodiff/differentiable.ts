// Functions of tensors whose gradient is written by hand, and the tape that strings them together backward. A function
// names what its gradient uses: just that survives the forward pass, and all of it is freed when the gradients are
// done. (tfjs has a tape too. It would keep every tensor in between, clone what a function saves, and give
// the browser objects of ever new shapes to compile for as long as a run takes.) Between two functions
// the thread gives a sign of life, and on the processor way to the user's hand: a part of a batch is one piece
// of work, which lets nothing else in, and may take longer than a dead worker, or a click, is waited for.
import * as tf from '@tensorflow/tfjs-core';
import { assert, present } from '../../shared/assert.ts';
import { giveWay } from '../../shared/hand.ts';
import { beat } from '../../shared/heartbeat.ts';
import { onWasm, wasmSum } from './wasm-kernels.ts';

export interface Differentiated<T extends tf.Tensor> {
  readonly value: T;
  /**
   * Every tensor that `gradient` reads, inputs included: what lives no longer than the step, or is kept by
   * somebody.
   */
  readonly uses: readonly tf.Tensor[];
  /** The gradient of each input, from that of the value; a tensor of its own for each. */
  readonly gradient: (dy: T) => tf.Tensor[];
}

/** A function that was computed on the way from what is wanted. */
interface Entry {
  readonly inputs: readonly tf.Tensor[];
  readonly value: tf.Tensor;
  /** As a method, since only the function itself knows what its value's gradient is a tensor of. */
  gradient(dy: tf.Tensor): tf.Tensor[];
}

class Tape {
  readonly #entries: Entry[] = [];
  /** What is wanted, and whatever was computed from it. */
  readonly #leading: Set<tf.Tensor>;
  /** What gradients use. */
  readonly #waiting: tf.Tensor[] = [];

  constructor(readonly wanted: readonly tf.Tensor[]) {
    this.#leading = new Set(wanted);
  }

  leads(tensor: tf.Tensor): boolean {
    return this.#leading.has(tensor);
  }

  record(entry: Entry): void {
    this.#entries.push(entry);
    this.#leading.add(entry.value);
  }

  /** Keeps a tensor for the way back; who kept it already frees it. */
  keep(tensor: tf.Tensor): void {
    if (!tensor.kept) this.#waiting.push(tf.keep(tensor));
  }

  /** The gradients of what is wanted, of the last value of all: backward through what was recorded. */
  backward(last: tf.Scalar): tf.Tensor[] {
    const gradients = new Map<tf.Tensor, tf.Tensor>([[last, tf.onesLike(last)]]);
    for (const entry of this.#entries.reverse()) {
      const { inputs, value } = entry;
      const dy = gradients.get(value);
      if (dy === undefined) continue;
      breathe();
      const parts = tf.tidy(() => entry.gradient(dy));
      const fits = (part: tf.Tensor, i: number): boolean => part !== dy && part.size === inputs[i]?.size;
      assert(parts.length === inputs.length && parts.every(fits), 'each input has a gradient of its size');
      // All that used the value have had their turn.
      dy.dispose();
      gradients.delete(value);
      for (const [i, part] of parts.entries()) this.#add(gradients, inputs[i], part);
    }
    // What has none was lost on the way, in an operation of tfjs that is no differentiable function.
    return this.wanted.map((one) => present(gradients.get(one), 'the gradient of what is wanted'));
  }

  #add(gradients: Map<tf.Tensor, tf.Tensor>, input: tf.Tensor | undefined, part: tf.Tensor): void {
    if (input === undefined || !this.leads(input)) {
      part.dispose();
      return;
    }
    const others = gradients.get(input);
    gradients.set(input, others === undefined ? part : elementSum(others, part));
    if (others === undefined) return;
    others.dispose();
    part.dispose();
  }

  free(): void {
    // One by one: tfjs's own function would look through the list for what lies in it.
    for (const tensor of this.#waiting) tensor.dispose();
  }
}

/** Null while nothing is being differentiated. */
let tape: Tape | null = null;

/** Whether a gradient of this tensor is going to be asked for. */
export function leadsBack(tensor: tf.Tensor): boolean {
  return tape?.leads(tensor) === true;
}

/**
 * What `work` computes, a value and something beside it, and the gradient of the value by each tensor that is wanted,
 * all of which lead to it, by `differentiable` functions alone. Call inside a tidy; not to be nested.
 */
export function valueAndGradients<Beside extends tf.Tensor>(
  wanted: readonly tf.Tensor[],
  work: () => [value: tf.Scalar, beside: Beside],
): { readonly value: tf.Scalar; readonly beside: Beside; readonly gradients: tf.Tensor[] } {
  assert(tape === null, 'one thing is differentiated at a time');
  const current = new Tape(wanted);
  try {
    tape = current;
    const [value, beside] = tf.tidy(work);
    tape = null;
    return { value, beside, gradients: current.backward(value) };
  } finally {
    tape = null;
    current.free();
  }
}

/**
 * a + b, of one shape; without a gradient of its own. On wasm by a kernel of ours: tfjs takes as long to call
 * its own as that takes to add.
 */
export function elementSum<T extends tf.Tensor>(a: T, b: T): T {
  return onWasm() ? wasmSum(a, b) : tf.add<T>(a, b);
}

/** What is done between two functions. */
function breathe(): void {
  beat();
  if (tf.getBackend() !== 'webgpu') giveWay();
}

/**
 * Makes a differentiable function of tensors. All gradients of a call are computed, so only what is trained or
 * can lead to something trained may be an input; frozen tensors come in by closure.
 */
export function differentiable<Inputs extends tf.Tensor[], T extends tf.Tensor>(
  forward: (...inputs: Inputs) => Differentiated<T>,
): (...inputs: Inputs) => T {
  return (...inputs) => {
    breathe();
    const current = tape;
    const isRecorded = current !== null && inputs.some((input) => current.leads(input));
    let back: Differentiated<T>['gradient'] = () => [];
    const value = tf.tidy(() => {
      const { value: result, uses, gradient } = forward(...inputs);
      if (isRecorded) for (const tensor of uses) current.keep(tensor);
      back = gradient;
      return result;
    });
    if (isRecorded) current.record({ inputs, value, gradient: back });
    return value;
  };
}
