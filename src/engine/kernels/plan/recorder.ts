// A program as data: the dispatches of a step in order, each with its kernel, its operands and its grid. Operands are
// regions of buffers that exist, or tensors that the arena will place when the whole program is known.
import { assert, present } from '../../../shared/assert.ts';
import type { Region } from '../device-memory.ts';
import type { Grid, Kernel } from '../kernel.ts';
import { valueBytes, type Storage } from '../storage.ts';

/** A tensor between two dispatches of one program. */
export interface Tensor {
  readonly label: string;
  readonly storage: Storage;
  readonly bytes: number;
}

export type Operand = Tensor | Region;

export function isRegion(operand: Operand): operand is Region {
  return 'buffer' in operand;
}

/** Which part of a step a dispatch belongs to; a run encodes the parts it needs. */
export type Phase = 'bytes' | 'cropped' | 'normalised' | 'forward' | 'loss' | 'backward' | 'update';

export interface Dispatch {
  readonly phase: Phase;
  readonly kernel: Kernel;
  readonly grid: Grid;
  /** The grid when branches do not learn (stage 2), where it is smaller; `none` leaves the dispatch out. */
  readonly scalarsOnly: Grid | 'none' | null;
  readonly operands: readonly Operand[];
}

export class Recorder {
  readonly dispatches: Dispatch[] = [];
  /** Tensors that the host reads or that later programs need: they live to the end. */
  readonly kept = new Set<Tensor>();
  phase: Phase = 'forward';

  tensor(label: string, values: number, storage: Storage = 'f32'): Tensor {
    return { label, storage, bytes: valueBytes[storage] * values };
  }

  /** Adds a dispatch; operands are given by the names of the kernel's bindings. */
  dispatch(
    kernel: Kernel,
    grid: Grid,
    operands: Readonly<Record<string, Operand>>,
    scalarsOnly: Dispatch['scalarsOnly'] = null,
  ): void {
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
      scalarsOnly,
      operands: kernel.bindings.map(({ name }) => present(operands[name], `${kernel.name}: ${name}`)),
    });
  }
}
