// The importer's decoder and its thumbnails in a real browser: a page that reads one picture as the worker
// does. For tests only; e2e/pixels.spec.ts serves it, with the pictures under /pictures/.
import { makeBrowserDecoder } from '../decode.ts';
import { readImageHeader } from '../image-header.ts';
import { makeThumbnail } from '../thumbnail.ts';

interface Picture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly data: readonly number[];
}

export interface DecodePage {
  /** The picture as the importer decodes it, and its thumbnail. */
  read(name: string): Promise<{ readonly image: Picture; readonly thumbnail: Picture }>;
}

declare global {
  interface Window {
    decoding: DecodePage;
  }
}

window.decoding = {
  async read(name) {
    const bytes = new Uint8Array(await (await fetch(`/pictures/${name}`)).arrayBuffer());
    const header = readImageHeader(bytes);
    if (!header.ok) throw new Error(header.fault.reason);
    const blob = new Blob([bytes]);
    const image = await makeBrowserDecoder()(bytes, header.value);
    const small = await makeThumbnail(blob, header.value);
    if (!image.ok || !small.ok) throw new Error(`${name} was not decoded`);
    const bitmap = await createImageBitmap(small.value);
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    if (context === null) throw new Error('no canvas');
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return {
      image: { ...image.value, data: [...image.value.data] },
      thumbnail: { width, height, data: [...data] },
    };
  },
};
