// A program as data: the dispatches of a step in order, each with its kernel, its operands and its grid.
// Operands are regions of planned buffers, or tensors that the arena will place when the whole program is
// known.
import { assert, present } from '../../../shared/assert.ts';
import type { Region } from '../device/device-memory.ts';
import type { Grid, Kernel } from '../shaders/kernel.ts';
import { valueBytes, type Storage } from '../shaders/storage.ts';

/** A tensor between two dispatches of one program. */
export interface Tensor {
  readonly label: string;
  readonly storage: Storage;
  readonly bytes: number;
}

/** One region for each micro-batch of a step. */
export interface PartRegions {
  readonly ofPart: readonly Region[];
}

export type Operand = Tensor | Region | PartRegions;

export function isTensor(operand: Operand): operand is Tensor {
  return 'storage' in operand;
}

/**
 * Which part of a step a dispatch belongs to; a run encodes the phases it needs, in this order:
 *
 *   scales                                once
 *   bytes | cropped | mixed | normalised, prefix
 *                                         for each micro-batch: pixels to the input of the first adapted block;
 *   keep | kept                             then that is kept, or it is taken from what was kept
 *   forward, loss | targets, backward     for each micro-batch; the loss to labels, or to the batch's targets
 *   reduce, update                        once
 */
export type Phase =
  | 'scales'
  | 'bytes'
  | 'cropped'
  | 'mixed'
  | 'normalised'
  | 'prefix'
  | 'keep'
  | 'kept'
  | 'forward'
  | 'loss'
  | 'targets'
  | 'backward'
  | 'reduce'
  | 'update';

export interface Dispatch {
  readonly phase: Phase;
  readonly kernel: Kernel;
  readonly grid: Grid;
  readonly operands: readonly Operand[];
}

export class Trace {
  readonly dispatches: Dispatch[] = [];
  /** Tensors that the host reads or writes, or that micro-batches share: they have a slot to themselves. */
  readonly kept = new Set<Tensor>();
  phase: Phase = 'forward';

  tensor(label: string, values: number, storage: Storage = 'f32'): Tensor {
    return { label, storage, bytes: valueBytes[storage] * values };
  }

  /** Adds a dispatch; operands are given by the names of the kernel's bindings. */
  dispatch(kernel: Kernel, grid: Grid, operands: Readonly<Record<string, Operand>>): void {
    assert(
      Object.keys(operands).length === kernel.bindings.length,
      () => `${kernel.name} takes ${kernel.bindings.map(({ name }) => name).join(', ')}`,
    );
    assert(
      grid.every((count) => count >= 1 && count <= 65535),
      () => `${kernel.name}: grid ${grid.join(' x ')}`,
    );
    this.dispatches.push({
      phase: this.phase,
      kernel,
      grid,
      operands: kernel.bindings.map(({ name }) => present(operands[name], `${kernel.name}: ${name}`)),
    });
  }
}
