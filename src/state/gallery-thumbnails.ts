// Small pictures of the images in sight: asked for in small parts, given up when they have left, and at most so
// many held at once. The pictures that have been out of sight for longest go first.
import type { GalleryPicture } from '../worker/protocol.ts';

/** Pictures held at once; a window shows some hundred. */
const mostHeld = 800;
/** Images of one request, and requests under way: enough that no core waits, few enough to be given up soon. */
const [atOnce, mostRequests] = [8, 2];

export interface ThumbnailSource {
  /** Pictures of those that have one; null where it was stopped. */
  readonly ask: (images: readonly number[], signal: AbortSignal) => Promise<readonly GalleryPicture[] | null>;
  /** Told after each change. */
  readonly show: (thumbnails: ReadonlyMap<number, string | null>) => void;
}

export interface GalleryThumbnails {
  /** The images in sight, those to be seen first in front. */
  want(images: readonly number[]): void;
  /** Other images are open. */
  clear(): void;
}

export function galleryThumbnails({ ask, show }: ThumbnailSource): GalleryThumbnails {
  /** In the order in which they were last in sight. */
  const held = new Map<number, string | null>();
  const requests = new Map<AbortController, readonly number[]>();
  let wanted: ReadonlySet<number> = new Set();

  function next(): void {
    while (requests.size < mostRequests) {
      const asked = new Set([...requests.values()].flat());
      const missing = [...wanted].filter((image) => !held.has(image) && !asked.has(image)).slice(0, atOnce);
      if (missing.length === 0) return;
      void request(missing);
    }
  }

  async function request(images: readonly number[]): Promise<void> {
    const stop = new AbortController();
    requests.set(stop, images);
    const made = await ask(images, stop.signal);
    // That other images are open took the request back.
    if (!requests.delete(stop)) return;
    if (made !== null) {
      const urls = new Map(made.map(({ image, url }) => [image, url]));
      for (const image of images) held.set(image, urls.get(image) ?? null);
      for (const image of held.keys()) {
        if (held.size <= mostHeld) break;
        if (!wanted.has(image)) held.delete(image);
      }
      show(new Map(held));
    }
    next();
  }

  return {
    want(images) {
      wanted = new Set(images);
      for (const image of images) {
        const url = held.get(image);
        if (url === undefined) continue;
        held.delete(image);
        held.set(image, url);
      }
      for (const [stop, asked] of requests) if (!asked.some((image) => wanted.has(image))) stop.abort();
      next();
    },
    clear() {
      for (const stop of requests.keys()) stop.abort();
      requests.clear();
      held.clear();
      wanted = new Set();
      show(new Map());
    },
  };
}
