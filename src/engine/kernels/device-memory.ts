// Every GPUBuffer of the engine is made and destroyed here, so that `memory()` is a sum and not an estimate.
import { assert } from '../../shared/assert.ts';

/** Part of a buffer, as a kernel binds it. */
export interface Region {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

export class DeviceMemory {
  readonly #alive = new Set<GPUBuffer>();
  #bytes = 0;
  #peak = 0;

  constructor(readonly device: GPUDevice) {}

  create(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#alive.add(buffer);
    this.#bytes += size;
    this.#peak = Math.max(this.#peak, this.#bytes);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    assert(this.#alive.delete(buffer), 'a buffer is destroyed once');
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  destroyAll(): void {
    for (const buffer of [...this.#alive]) this.destroy(buffer);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get peakBytes(): number {
    return this.#peak;
  }

  get count(): number {
    return this.#alive.size;
  }
}
