// Pixels on their way to the device: a ring of mapped buffers. The host writes into memory that the device
// reads from, and the copy is one more command of the step, where writeBuffer would make a buffer of its own
// for every batch (4.8 MB: 10.3 ms against 0.74, measured on one GPU). A buffer is mapped again when the device
// is done with it; while none is, writeBuffer takes over, so that nobody waits.
import { plannedBuffer, type DeviceMemory, type PlannedBuffer, type Region } from './device-memory.ts';

/** Bytes of all buffers of a ring at most. */
const mostBytes = 2 ** 25;

/** The buffers of a ring for batches of `bytes` of pixels, as many as steps may be in flight or as have room. */
export function planUploads(bytes: number, buffers: number): PlannedBuffer[] {
  const count = Math.min(buffers, Math.floor(mostBytes / bytes));
  return Array.from({ length: count }, (_, n) => plannedBuffer(`upload ${n + 1}`, bytes, 'upload'));
}

export class UploadRing {
  /** Those that are mapped. */
  readonly #ready: GPUBuffer[] = [];
  /** Those whose copy is encoded and not yet submitted. */
  #used: GPUBuffer[] = [];

  /** The buffers must be allocated. */
  constructor(
    private readonly memory: DeviceMemory,
    buffers: readonly PlannedBuffer[],
  ) {
    for (const planned of buffers) this.#map(memory.get(planned));
  }

  /** Brings data to a region before anything that is encoded after it; whole words. */
  write(encoder: GPUCommandEncoder, region: Region, data: ArrayBufferView): void {
    const buffer = this.#ready.pop();
    // A device that was lost has unmapped it.
    if (buffer?.mapState !== 'mapped') {
      this.memory.write(region, data);
      return;
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    new Uint8Array(buffer.getMappedRange(0, data.byteLength)).set(bytes);
    buffer.unmap();
    encoder.copyBufferToBuffer(buffer, 0, this.memory.get(region.buffer), region.offset, data.byteLength);
    this.#used.push(buffer);
  }

  /** After what was encoded is submitted: its buffers come back when the device is done with them. */
  submitted(): void {
    for (const buffer of this.#used) this.#map(buffer);
    this.#used = [];
  }

  #map(buffer: GPUBuffer): void {
    buffer.mapAsync(GPUMapMode.WRITE).then(
      () => this.#ready.push(buffer),
      // A lost device or a freed buffer: writeBuffer goes on, or fails where a fault is looked for.
      () => undefined,
    );
  }
}
