// The only thing a steady step reads back: a ring of records on the device, copied whole into one of a few
// mappable buffers at the end of each step and mapped when a report is asked for: at most one mapAsync a
// step, and one for many steps when several are in flight.
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

/** The buffers that records are copied to. */
export function planReports(): PlannedBuffer[] {
  return [1, 2, 3].map((n) => plannedBuffer(`report ${n}`, recordRing * recordStruct.bytes, 'read-back'));
}

export class Reports {
  readonly #free: GPUBuffer[];
  #latest: GPUBuffer | null = null;

  /** The buffers must be allocated. */
  constructor(memory: DeviceMemory, buffers: readonly PlannedBuffer[]) {
    this.#free = buffers.map((buffer) => memory.get(buffer));
  }

  /** Encodes the copy of the records; a step that follows another unread one copies over it. */
  encodeCopy(encoder: GPUCommandEncoder, records: GPUBuffer): void {
    this.#latest ??= present(this.#free.pop(), 'a free report buffer');
    encoder.copyBufferToBuffer(records, 0, this.#latest, 0, recordRing * recordStruct.bytes);
  }

  /** Waits for the last copy and gives the records by their place in the ring. */
  async read(): Promise<(sequence: number) => DeviceRecord> {
    const buffer = present(this.#latest, 'a step to report');
    this.#latest = null;
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
      this.#free.push(buffer);
    }
  }
}
