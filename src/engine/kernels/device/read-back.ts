// Reads buffers outside the steady step: parameters and moments for checkpoints, gradients, logits and
// features.
import { ndArray, type NdArray } from '../../../shared/array.ts';
import { plannedBuffer, type DeviceMemory, type PlannedBuffer, type Region } from './device-memory.ts';

/** Copies regions into one mappable buffer with one submit and one map; the values as float32. */
export async function readRegions(memory: DeviceMemory, regions: readonly Region[]): Promise<Float32Array[]> {
  const { device } = memory;
  const planned = plannedBuffer(
    'read back',
    regions.reduce((sum, region) => sum + region.bytes, 0),
    'read-back',
  );
  const staging = memory.allocate(planned);
  try {
    const encoder = device.createCommandEncoder({ label: 'read back' });
    let at = 0;
    for (const { buffer, offset, bytes } of regions) {
      encoder.copyBufferToBuffer(memory.get(buffer), offset, staging, at, bytes);
      at += bytes;
    }
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const all = new Float32Array(staging.getMappedRange().slice(0));
    let begin = 0;
    return regions.map((region) => {
      const part = all.subarray(begin / 4, (begin + region.bytes) / 4);
      begin += region.bytes;
      return part;
    });
  } finally {
    memory.free(planned);
  }
}

/**
 * Where a program leaves a row for each image of a micro-batch, and how many values of a row are no padding.
 */
export interface Output {
  readonly region: Region;
  readonly width: number;
  readonly padded: number;
}

/**
 * Rows that micro-batches leave on the device one after another (logits, features), collected in one mappable
 * buffer and read once.
 */
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

/** Rows [images, width] without the columns from `classes` on, which pad them. */
function withoutPadding(padded: Float32Array, images: number, classes: number, width: number): NdArray {
  const data = new Float32Array(images * classes);
  for (let i = 0; i < images; i++) data.set(padded.subarray(i * width, i * width + classes), i * classes);
  return ndArray([images, classes], data);
}
