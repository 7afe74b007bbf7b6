// Pixels ahead of a run: while the user looks at images, those that are not kept yet are decoded for the open
// model and put into the pixel store, behind everything else. Owns the store; without one nothing is done
// ahead.
import { keepPixels, type AheadProgress } from '../data/pixel-cache.ts';
import type { ImageWorker } from '../data/image-work.ts';
import type { Preprocessing } from '../data/preprocessing.ts';
import { present } from '../shared/assert.ts';
import { ok, type Result } from '../shared/result.ts';
import { openOriginFiles } from '../storage/opfs.ts';
import { PixelStore, type PinnedPixels } from '../storage/pixel-store.ts';
import type { OpenData } from './open-data.ts';
import type { PixelStorage } from './protocol.ts';
import { RestingImages } from './resting-images.ts';

export class PixelsAhead {
  #store: Promise<PixelStore | null> | null = null;
  #stop: AbortController | null = null;
  #work: Promise<void> = Promise.resolve();
  /** Share of the images that were last looked at whose pixels are kept. */
  #ready = 0;
  readonly #images: RestingImages;

  constructor(
    images: ImageWorker,
    private readonly onProgress: (progress: AheadProgress) => void,
    private readonly pinned: () => Promise<readonly PinnedPixels[]>,
  ) {
    this.#images = new RestingImages(images);
  }

  /** Somebody needs the cores for a moment. */
  rest(): void {
    this.#images.rest();
  }

  /** The pixels on the disk; null where the browser gives none (memory would hold them twice). */
  store(): Promise<PixelStore | null> {
    this.#store ??= openOriginFiles().then((files) =>
      files.kind === 'disk' ? new PixelStore(files, navigator.userAgent, this.pinned) : null,
    );
    return this.#store;
  }

  /** Begins anew for these images and this way of making pixels; what was under way before stops. */
  begin({ images, split }: OpenData, preprocessing: Preprocessing): void {
    const former = this.stop();
    const stop = new AbortController();
    this.#stop = stop;
    this.#ready = 0;
    // In the order of their files, as disks and archives like it.
    const used = [...split.train, ...split.validation, ...split.test]
      .sort((a, b) => a - b)
      .map((index) => present(images[index], 'image'));
    this.#work = former.then(async () => {
      const store = await this.store();
      if (store === null || stop.signal.aborted) return;
      const told = (progress: AheadProgress): void => {
        if (stop.signal.aborted) return;
        this.#ready = (progress.ready + progress.failed) / Math.max(1, progress.total);
        this.onProgress(progress);
      };
      await keepPixels(used, preprocessing, this.#images, store, told, stop.signal);
    });
  }

  /** Stops what is under way and waits until its files are closed: no longer than a block takes to write. */
  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#work;
  }

  /** Stops once all is done, or after a while; what is missing then can be begun anew. */
  async pause(afterMs: number, signal: AbortSignal): Promise<{ readonly missing: number }> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, afterMs);
      signal.addEventListener('abort', () => resolve(), { once: true });
      void this.#work.finally(resolve);
    });
    clearTimeout(timer);
    await this.stop();
    return { missing: this.missing };
  }

  /** Notes that a run has made, and kept, whatever was missing. */
  async noteAllKept(): Promise<void> {
    if ((await this.store()) !== null) this.#ready = 1;
  }

  /** Share of the images whose pixels are not kept, as far as is known. */
  get missing(): number {
    return 1 - this.#ready;
  }

  /** Bytes that are kept. */
  async stored(): Promise<Result<PixelStorage>> {
    const store = await this.store();
    if (store === null) return ok({ bytes: 0, isFull: false });
    const bytes = await store.bytes();
    return bytes.ok ? ok({ bytes: bytes.value, isFull: store.isFull }) : bytes;
  }

  /** Removes all that is kept. */
  async clear(): Promise<Result<PixelStorage>> {
    await this.stop();
    const cleared = await (await this.store())?.clear();
    return cleared === undefined || cleared.ok ? this.stored() : cleared;
  }
}
