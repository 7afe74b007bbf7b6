// An image worker that begins with nothing while somebody needs the cores: for work that nobody waits for.
import type { ImageWork, ImageWorker, ImageWorkName, WorkOptions } from '../data/image-work.ts';
import type { ItemProblem } from '../data/item.ts';
import { unlessAborted } from '../shared/concurrent.ts';
import type { Result } from '../shared/result.ts';

/** So long it rests after the last word that it should. */
export const restMs = 300;

export class RestingImages implements ImageWorker {
  /** Resolves when nobody needs the cores. */
  #rested: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly images: ImageWorker) {}

  get width(): number {
    return this.images.width;
  }

  /** Begins with no image for a moment; those that are begun are finished. */
  rest(): void {
    clearTimeout(this.#timer);
    if (this.#wake === null)
      this.#rested = new Promise((resolve) => {
        this.#wake = resolve;
      });
    this.#timer = setTimeout(() => {
      this.#wake?.();
      this.#wake = null;
    }, restMs);
  }

  async do<K extends ImageWorkName>(
    name: K,
    input: ImageWork[K]['input'],
    options?: WorkOptions,
  ): Promise<Result<ImageWork[K]['output'], ItemProblem>> {
    await unlessAborted(this.#rested, options?.signal);
    return this.images.do(name, input, options);
  }
}
