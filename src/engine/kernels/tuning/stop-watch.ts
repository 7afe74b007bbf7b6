// How long work takes on the device: by timestamps where it has them, else by the time until the queue is
// done.
import type { Gpu } from '../../gpu.ts';

type Encode = (pass: GPUComputePassEncoder, times: number) => void;

/**
 * Browsers round timestamps to 0.1 ms; without them the way to the device and back must be small beside the
 * work.
 */
const enoughMs = { timestamps: 5, wall: 12 } as const;
const mostRepeats = 200;

export class StopWatch {
  readonly #stamps: { readonly set: GPUQuerySet; readonly raw: GPUBuffer; readonly back: GPUBuffer } | null;

  constructor(
    private readonly gpu: Gpu,
    private readonly now: () => number,
  ) {
    const { device, facts } = gpu;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    this.#stamps = facts.features.includes('timestamp-query')
      ? {
          set: device.createQuerySet({ type: 'timestamp', count: 2 }),
          raw: device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC }),
          back: device.createBuffer({ size: 16, usage: COPY_DST | MAP_READ }),
        }
      : null;
  }

  /** Milliseconds of one repetition: the better of two runs, each long enough to be measured. */
  async time(encode: Encode): Promise<number> {
    const enough = this.#stamps === null ? enoughMs.wall : enoughMs.timestamps;
    let times = 1;
    let ms = await this.#once(encode, times);
    while (ms < enough && times < mostRepeats) {
      times = Math.min(mostRepeats, Math.max(2 * times, Math.ceil((times * enough) / Math.max(ms, 0.05))));
      ms = await this.#once(encode, times);
    }
    return Math.min(ms, await this.#once(encode, times)) / times;
  }

  /** The median of several such times. */
  async median(encode: Encode, measurements: number): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < measurements; i++) times.push(await this.time(encode));
    return times.sort((a, b) => a - b)[measurements >> 1] ?? NaN;
  }

  async #once(encode: Encode, times: number): Promise<number> {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    const stamps = this.#stamps;
    const pass = encoder.beginComputePass(
      stamps === null
        ? {}
        : {
            timestampWrites: {
              querySet: stamps.set,
              beginningOfPassWriteIndex: 0,
              endOfPassWriteIndex: 1,
            },
          },
    );
    encode(pass, times);
    pass.end();
    if (stamps !== null) {
      encoder.resolveQuerySet(stamps.set, 0, 2, stamps.raw, 0);
      encoder.copyBufferToBuffer(stamps.raw, 0, stamps.back, 0, 16);
    }
    const begin = this.now();
    device.queue.submit([encoder.finish()]);
    if (stamps === null) {
      await device.queue.onSubmittedWorkDone();
      return this.now() - begin;
    }
    await stamps.back.mapAsync(GPUMapMode.READ);
    const [from = 0n, to = 0n] = new BigUint64Array(stamps.back.getMappedRange().slice(0));
    stamps.back.unmap();
    const ms = Number(to - from) / 1e6;
    // A driver may give timestamps that mean nothing: then the wall is what there is.
    return ms > 0 ? ms : this.now() - begin;
  }

  dispose(): void {
    this.#stamps?.set.destroy();
    this.#stamps?.raw.destroy();
    this.#stamps?.back.destroy();
  }
}
