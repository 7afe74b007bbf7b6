// What a header reader says of an image file: the types that image-header.ts and the readers of the single
// formats share, and the two ways to end. Owns no format.
import { fail, ok, type Result } from '../shared/result.ts';

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'bmp' | 'avif' | 'tiff' | 'heic';

export interface ImageHeader {
  readonly format: ImageFormat;
  /** Pixels, after the orientation is applied. */
  readonly width: number;
  /** Pixels, after the orientation is applied. */
  readonly height: number;
  /** EXIF orientation, 1 to 8; 1 is upright. */
  readonly orientation: number;
  /** Number of frames, or of pages; 1 for a still image. */
  readonly frames: number;
  /** Bits a channel as stored, 8 for most files. */
  readonly bitDepth: number;
  /** Whether the file can hold transparent pixels. */
  readonly alpha: boolean;
  /** Whether the colours are stored as CMYK. */
  readonly cmyk: boolean;
  /** Whether it is grey of 16 bits, which Pillow reads in a mode of its own. */
  readonly grey16: boolean;
  /**
   * What a reader that manages colours would convert by ("gamma 1", "Display P3"); null for sRGB and for
   * none.
   */
  readonly colours: string | null;
}

type HeaderProblemCode = 'empty' | 'not-an-image' | 'unsupported' | 'undecodable' | 'too-many-pixels';

export interface HeaderProblem {
  readonly code: HeaderProblemCode;
  /** A sentence for the user. */
  readonly reason: string;
}

export type HeaderResult = Result<ImageHeader, HeaderProblem>;

/** A header from its size as stored; what is not given is that of a plain upright 8-bit still. */
export function headerOf(
  stored: Pick<ImageHeader, 'format' | 'width' | 'height'> & Partial<ImageHeader>,
): HeaderResult {
  if (stored.width < 1 || stored.height < 1)
    return broken(`The header says ${stored.width} x ${stored.height} pixels.`);
  const orientation = stored.orientation ?? 1;
  const turned = orientation >= 5;
  return ok({
    format: stored.format,
    width: turned ? stored.height : stored.width,
    height: turned ? stored.width : stored.height,
    orientation,
    frames: stored.frames ?? 1,
    bitDepth: stored.bitDepth ?? 8,
    alpha: stored.alpha ?? false,
    cmyk: stored.cmyk ?? false,
    grey16: stored.grey16 ?? false,
    colours: stored.colours ?? null,
  });
}

/** The file is of the format but damaged. */
export function broken(reason: string): HeaderResult {
  return fail({ code: 'undecodable', reason });
}

/** The file is intact as far as one can tell, but browsers do not show its kind. */
export function unsupported(reason: string): HeaderResult {
  return fail({ code: 'unsupported', reason });
}

/** A DataView over exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes [begin, end) as Latin-1 text; what lies beyond the end is left out. */
export function asciiOf(bytes: Uint8Array, begin: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(begin, end));
}
