// The work on single images: looking at a file, making its pixels, making its thumbnail. Each is a function
// of plain data, so that it runs here or in a worker of its own (worker/image-pool.ts); whoever has images to
// work on takes an ImageWorker and does not know which.
import { unlessAborted } from '../shared/concurrent.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { countValues, throughWindow, type Grey16Samples } from './grey16.ts';
import type { ImageTable, TableImages } from './image-tables.ts';
import { isOwn, makeBrowserDecoder, type DecodeImage } from './decode.ts';
import type { ItemProblem } from './item.ts';
import type { ImageHeader } from './image-header.ts';
import { lookAt, sha256, type Looked } from './look-at.ts';
import { preprocessImage, sizeProblem } from './preprocess.ts';
import { grey16OfPng } from './png-pixels.ts';
import type { Grey16Window, Preprocessing } from './preprocessing.ts';
import type { RgbaImage } from './raster.ts';
import { makeThumbnail } from './thumbnail.ts';

/** name -> input and output of each kind of work. */
export interface ImageWork {
  /** What a file is, by its bytes. */
  look: {
    input: { readonly content: Blob | Uint8Array<ArrayBuffer>; readonly looksLikeImage: boolean };
    output: Looked;
  };
  /** [height, width, 3] of the preprocessing's output size. */
  pixels: {
    input: {
      readonly content: Blob | Uint8Array<ArrayBuffer>;
      /** SHA-256 of what it should be, 64 hexadecimal digits. */
      readonly id: string;
      readonly header: ImageHeader;
      readonly preprocessing: Preprocessing;
    };
    output: Uint8Array<ArrayBuffer>;
  };
  thumbnail: {
    input: {
      readonly content: Blob | Uint8Array<ArrayBuffer>;
      readonly header: ImageHeader;
      /** The longer one at most, in pixels. */
      readonly side?: number | undefined;
      /** Through which 16-bit grey is seen. */
      readonly grey16?: Grey16Window | null | undefined;
    };
    output: Blob;
  };
  /** [65,536] how often each value occurs in 16-bit grey. */
  grey16Counts: {
    input: { readonly content: Blob | Uint8Array<ArrayBuffer>; readonly header: ImageHeader };
    output: Uint32Array<ArrayBuffer>;
  };
  /** What a table of images holds, by its description. */
  table: { input: { readonly content: Blob }; output: ImageTable };
  /** The images of some of its row groups, in their order, up to the group that goes beyond the limit. */
  rows: {
    input: { readonly content: Blob; readonly groups: readonly number[]; readonly limitBytes: number };
    output: TableImages[];
  };
}
export type ImageWorkName = keyof ImageWork;

export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Work that somebody waits for goes before work that nobody does. */
  readonly background?: boolean;
}

export interface ImageWorker {
  /** How many images are worked on at once. */
  readonly width: number;
  /** Does one piece of work; rejects as soon as the signal aborts, and otherwise never. */
  do<K extends ImageWorkName>(
    name: K,
    input: ImageWork[K]['input'],
    options?: WorkOptions,
  ): Promise<Result<ImageWork[K]['output'], ItemProblem>>;
}

type Work = {
  [K in ImageWorkName]: (
    input: ImageWork[K]['input'],
    decode: DecodeImage,
  ) => Promise<Result<ImageWork[K]['output'], ItemProblem>>;
};

const works: Work = {
  async look({ content, looksLikeImage }) {
    const bytes = await bytesOf(content);
    return bytes.ok ? ok(await lookAt(bytes.value, looksLikeImage)) : bytes;
  },
  async pixels({ content, id, header, preprocessing }, decode) {
    const bytes = await bytesOf(content);
    if (!bytes.ok) return bytes;
    if ((await sha256(bytes.value)) !== id)
      return fail({ code: 'unreadable', reason: 'It was changed since it was opened: open it again.' });
    const decoded = await decodedBy(decode, bytes.value, header, preprocessing.grey16);
    if (!decoded.ok) return decoded;
    const problem = sizeProblem(decoded.value, preprocessing);
    if (problem !== null) return fail({ code: 'unsupported', reason: problem });
    return ok(preprocessImage(decoded.value, preprocessing));
  },
  async thumbnail({ content, header, side, grey16 }, decode) {
    if (isOwn(header) || (header.grey16 && grey16 != null)) {
      const bytes = await bytesOf(content);
      const decoded = bytes.ok ? await decodedBy(decode, bytes.value, header, grey16) : bytes;
      const own = decoded.ok ? await makeThumbnail(decoded.value, header, side) : decoded;
      return own.ok ? own : fail({ code: 'undecodable', reason: 'It cannot be decoded.' });
    }
    const blob = content instanceof Blob ? content : new Blob([content], { type: `image/${header.format}` });
    const small = await makeThumbnail(blob, header, side);
    return small.ok ? small : fail({ code: 'undecodable', reason: 'The browser cannot decode it.' });
  },
  async grey16Counts({ content, header }) {
    const bytes = await bytesOf(content);
    const samples = bytes.ok ? await grey16Of(bytes.value, header) : bytes;
    return samples.ok ? ok(countValues(samples.value.values)) : samples;
  },
  async table({ content }) {
    return (await import('./image-tables.ts')).lookAtTable(content);
  },
  async rows({ content, groups, limitBytes }) {
    return (await import('./image-tables.ts')).imagesOfTable(content, groups, limitBytes);
  },
};

/** Does one piece of work on this thread. */
export function doWork<K extends ImageWorkName>(
  name: K,
  input: ImageWork[K]['input'],
  decode: DecodeImage,
): Promise<Result<ImageWork[K]['output'], ItemProblem>> {
  const work: Work[K] = works[name];
  return work(input, decode);
}

/** Works on this thread by the browser's decoder. */
export const browserImageWorker = (): ImageWorker => localImageWorker(makeBrowserDecoder());

/** Works on this thread, one image after the other. */
export function localImageWorker(decode: DecodeImage): ImageWorker {
  return {
    width: 1,
    do: (name, input, { signal } = {}) => unlessAborted(doWork(name, input, decode), signal),
  };
}

/** The picture as it is to be seen: 16-bit grey through the window, all else by the decoder. */
async function decodedBy(
  decode: DecodeImage,
  bytes: Uint8Array<ArrayBuffer>,
  header: ImageHeader,
  window: Grey16Window | null | undefined,
): Promise<Result<RgbaImage, ItemProblem>> {
  if (header.grey16 && window != null) {
    const samples = await grey16Of(bytes, header);
    return samples.ok ? ok(throughWindow(samples.value, window, header.orientation)) : samples;
  }
  const decoded = await decode(bytes, header);
  if (decoded.ok) return decoded;
  const reason = decoded.fault.kind === 'bad-file' ? decoded.fault.detail : 'The browser cannot decode it.';
  return fail({ code: 'undecodable', reason });
}

/** The samples of 16-bit grey, which browsers give by its high byte only. */
async function grey16Of(
  bytes: Uint8Array<ArrayBuffer>,
  { format }: ImageHeader,
): Promise<Result<Grey16Samples, ItemProblem>> {
  try {
    if (format !== 'tiff') return ok(await grey16OfPng(bytes));
    return ok((await import('./tiff-pixels.ts')).grey16OfTiff(bytes));
  } catch {
    return fail({ code: 'undecodable', reason: 'It is damaged: its 16-bit grey cannot be read.' });
  }
}

async function bytesOf(
  content: Blob | Uint8Array<ArrayBuffer>,
): Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>> {
  if (content instanceof Uint8Array) return ok(content);
  try {
    return ok(new Uint8Array(await content.arrayBuffer()));
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : 'unknown error';
    return fail({
      code: 'unreadable',
      reason: `The browser could not read it (${name}): was it moved or changed?`,
    });
  }
}
