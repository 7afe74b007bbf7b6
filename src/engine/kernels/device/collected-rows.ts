// Rows that micro-batches leave on the device one after another (logits, features), collected in one mappable buffer and
// read once.
import type { NdArray } from '../../../shared/array.ts';
import { plannedBuffer, type DeviceMemory, type PlannedBuffer } from './device-memory.ts';
import type { Output } from './device-model.ts';
import { withoutPadding } from './pixels.ts';

export class CollectedRows {
  readonly #planned: PlannedBuffer;
  readonly #staging: GPUBuffer;

  constructor(
    private readonly memory: DeviceMemory,
    private readonly output: Output,
    private readonly total: number,
  ) {
    this.#planned = plannedBuffer('collected rows', total * this.#line, 'read-back');
    this.#staging = memory.allocate(this.#planned);
  }

  get #line(): number {
    return 4 * this.output.padded;
  }

  /** Encodes the copy of `count` rows to their places from `first` on. */
  copy(encoder: GPUCommandEncoder, first: number, count: number): void {
    const { buffer, offset } = this.output.region;
    const line = this.#line;
    encoder.copyBufferToBuffer(this.memory.get(buffer), offset, this.#staging, first * line, count * line);
  }

  /** Waits for all rows, [total, width], and frees the buffer. */
  async read(): Promise<NdArray> {
    const { width, padded } = this.output;
    try {
      await this.#staging.mapAsync(GPUMapMode.READ);
      return withoutPadding(new Float32Array(this.#staging.getMappedRange()), this.total, width, padded);
    } finally {
      this.memory.free(this.#planned);
    }
  }
}
