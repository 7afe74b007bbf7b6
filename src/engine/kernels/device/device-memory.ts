// Buffers, planned and real. A plan speaks of planned buffers, whose sizes are known before anything is
// allocated, so what a run needs is a sum and not an estimate. DeviceMemory turns them into GPUBuffers: every
// one of the engine is made and destroyed here.
import { assert, present } from '../../../shared/assert.ts';

/** What a buffer is for: tensors, small tables that are also uniforms, or the ways from and to the host. */
export type Use = 'tensor' | 'table' | 'upload' | 'read-back';

export interface PlannedBuffer {
  readonly label: string;
  /** A multiple of 16. */
  readonly bytes: number;
  readonly use: Use;
}

export function plannedBuffer(label: string, bytes: number, use: Use = 'tensor'): PlannedBuffer {
  return { label, bytes: Math.max(16, Math.ceil(bytes / 16) * 16), use };
}

/** Part of a buffer, as a kernel binds it. */
export interface Region {
  readonly buffer: PlannedBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** A whole buffer, or its first `bytes`. */
export function wholeOf(buffer: PlannedBuffer, bytes = buffer.bytes): Region {
  return { buffer, offset: 0, bytes };
}

export function totalBytes(buffers: Iterable<PlannedBuffer>): number {
  let sum = 0;
  for (const { bytes } of buffers) sum += bytes;
  return sum;
}

function flagsOf(use: Use): GPUBufferUsageFlags {
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ, MAP_WRITE } = GPUBufferUsage;
  switch (use) {
    case 'tensor':
      return STORAGE | COPY_SRC | COPY_DST;
    case 'table':
      return STORAGE | UNIFORM | COPY_SRC | COPY_DST;
    case 'upload':
      return MAP_WRITE | COPY_SRC;
    case 'read-back':
      return MAP_READ | COPY_DST;
    default:
      return use satisfies never;
  }
}

export class DeviceMemory {
  readonly #real = new Map<PlannedBuffer, GPUBuffer>();
  #bytes = 0;
  #peak = 0;

  constructor(readonly device: GPUDevice) {}

  allocate(planned: PlannedBuffer): GPUBuffer {
    assert(!this.#real.has(planned), `${planned.label} is allocated once`);
    const { label, bytes, use } = planned;
    const buffer = this.device.createBuffer({ label, size: bytes, usage: flagsOf(use) });
    this.#real.set(planned, buffer);
    this.#bytes += bytes;
    this.#peak = Math.max(this.#peak, this.#bytes);
    return buffer;
  }

  /** The buffer that a planned one has become. */
  get(planned: PlannedBuffer): GPUBuffer {
    return present(this.#real.get(planned), planned.label);
  }

  bind({ buffer, offset, bytes }: Region): GPUBufferBinding {
    return { buffer: this.get(buffer), offset, size: bytes };
  }

  write({ buffer, offset }: Region, data: ArrayBufferView | ArrayBuffer): void {
    const target = this.get(buffer);
    if (data instanceof ArrayBuffer) this.device.queue.writeBuffer(target, offset, data);
    else this.device.queue.writeBuffer(target, offset, data.buffer, data.byteOffset, data.byteLength);
  }

  /** Fills buffers with zeros. */
  clear(buffers: Iterable<PlannedBuffer>): void {
    const encoder = this.device.createCommandEncoder({ label: 'clear' });
    for (const planned of buffers) encoder.clearBuffer(this.get(planned));
    this.device.queue.submit([encoder.finish()]);
  }

  free(planned: PlannedBuffer): void {
    const buffer = this.get(planned);
    this.#real.delete(planned);
    this.#bytes -= planned.bytes;
    buffer.destroy();
  }

  /**
   * Frees `old` and allocates `wanted`. Buffers of the same size and use change hands instead: their contents
   * stay, and a driver need not clear them again.
   */
  replace(old: Iterable<PlannedBuffer>, wanted: Iterable<PlannedBuffer>): void {
    const spare = [...old];
    const missing: PlannedBuffer[] = [];
    for (const planned of wanted) {
      const at = spare.findIndex(({ bytes, use }) => bytes === planned.bytes && use === planned.use);
      const [former] = at < 0 ? [] : spare.splice(at, 1);
      if (former === undefined) {
        missing.push(planned);
        continue;
      }
      const buffer = this.get(former);
      this.#real.delete(former);
      this.#real.set(planned, buffer);
    }
    for (const planned of spare) this.free(planned);
    for (const planned of missing) this.allocate(planned);
  }

  freeAll(): void {
    for (const planned of [...this.#real.keys()]) this.free(planned);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get peakBytes(): number {
    return this.#peak;
  }

  get count(): number {
    return this.#real.size;
  }
}
