// The only thing a steady step reads back: a ring of records on the device, copied whole at the end of each
// step into a mappable buffer of the step's own. One buffer is mapped for a report, that of the last step
// that is asked for, and so the device may work on later ones meanwhile: at most one mapAsync a step, and one
// for many steps when several are asked for at once.
import { assert, present } from '../../../shared/assert.ts';
import { plannedBuffer, type DeviceMemory, type PlannedBuffer } from './device-memory.ts';
import { recordRing } from '../shaders/adamw.ts';
import { recordStruct } from '../shaders/structs.ts';

export interface DeviceRecord {
  readonly sequence: number;
  readonly applied: boolean;
  readonly loss: number;
  readonly correct: number;
  readonly norm: number;
  readonly clip: number;
}

/** Steps that may wait for a report. */
export const maxInFlight = recordRing;

const ringBytes = recordRing * recordStruct.bytes;

/** The buffers that records are copied to, one for each step that may wait. */
export function planReports(): PlannedBuffer[] {
  return Array.from({ length: recordRing }, (_, n) => plannedBuffer(`report ${n}`, ringBytes, 'read-back'));
}

export class Reports {
  readonly #buffers: readonly GPUBuffer[];

  /** The buffers must be allocated. */
  constructor(memory: DeviceMemory, buffers: readonly PlannedBuffer[]) {
    this.#buffers = buffers.map((buffer) => memory.get(buffer));
  }

  #bufferOf(sequence: number): GPUBuffer {
    return present(this.#buffers[sequence % recordRing], 'a report buffer');
  }

  /** Encodes the copy of the records after a step; none that waits may have the same place in the ring. */
  encodeCopy(encoder: GPUCommandEncoder, records: GPUBuffer, sequence: number): void {
    encoder.copyBufferToBuffer(records, 0, this.#bufferOf(sequence), 0, ringBytes);
  }

  /** Waits for a step and gives the records as it left them, its own and those before it, by their number. */
  async read(last: number): Promise<(sequence: number) => DeviceRecord> {
    const buffer = this.#bufferOf(last);
    try {
      await buffer.mapAsync(GPUMapMode.READ);
      const words = new Uint32Array(buffer.getMappedRange().slice(0));
      const floats = new Float32Array(words.buffer);
      const { at } = recordStruct;
      return (sequence) => {
        const record = (sequence % recordRing) * (recordStruct.bytes / 4);
        assert(record < words.length, 'a record within the ring');
        const word = (field: keyof typeof at): number => words[record + at[field]] ?? 0;
        const float = (field: keyof typeof at): number => floats[record + at[field]] ?? NaN;
        return {
          sequence: word('sequence'),
          applied: word('applied') === 1,
          loss: float('loss'),
          correct: float('correct'),
          norm: float('norm'),
          clip: float('clip'),
        };
      };
    } finally {
      if (buffer.mapState === 'mapped') buffer.unmap();
    }
  }
}
