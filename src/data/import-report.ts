// ImportReport: what became of every file of a pile of images. Types only: import-images.ts makes it, the
// split, the pixel cache and the page read it.
import type { Fault } from '../shared/fault.ts';
import type { Result } from '../shared/result.ts';
import type { ImageFormat, ImageHeader } from './image-header.ts';
import type { Reading } from './reading-options.ts';
import type { StoredPixels } from './png-pixels.ts';

export type SplitName = 'train' | 'validation' | 'test';

type WarningCode =
  | 'sniffed'
  | 'backslash'
  | 'converted-colour'
  | 'reduced-depth'
  | 'flattened'
  | 'first-frame'
  | 'tiny'
  | 'extreme-aspect'
  | 'small-class';

export interface ImageWarning {
  readonly code: WarningCode;
  /** A sentence for the user. */
  readonly text: string;
}

export interface ImportedImage {
  /** SHA-256 of the bytes, 64 hexadecimal digits; no two images of a report share one. */
  readonly id: string;
  /**
   * As the user knows it: folders and name, inside its archive where it came from one. Text, never a storage
   * path.
   */
  readonly path: string;
  /** Index into `classes`. */
  readonly classIndex: number;
  /** The split that its folder names, or null where the folders name none. */
  readonly split: SplitName | null;
  readonly format: ImageFormat;
  /** Pixels, upright. */
  readonly width: number;
  /** Pixels, upright. */
  readonly height: number;
  readonly header: ImageHeader;
  readonly stored: StoredPixels | null;
  /** Length of the file. */
  readonly sizeBytes: number;
  readonly warnings: readonly ImageWarning[];
  /** Of an image whose path is not known any more: the number of its origin (origins.ts). */
  readonly origin?: number;
  /**
   * The file as it lies on the disk, or the bytes of an archive's entry, read anew at each call. Fails when
   * the archive has become unreadable.
   */
  content(): Promise<Result<Blob | Uint8Array<ArrayBuffer>>>;
}

export type RejectionCode =
  | 'empty'
  | 'not-an-image'
  | 'unsupported'
  | 'undecodable'
  | 'too-many-pixels'
  | 'too-large'
  | 'archive-damage'
  | 'not-a-zip'
  | 'encrypted'
  | 'nested-archive'
  | 'unreadable'
  | 'unsafe-path'
  | 'no-class'
  | 'duplicate'
  | 'label-conflict'
  | 'split-leak'
  | 'class-not-in-train';

export interface RejectedFile {
  readonly path: string;
  readonly code: RejectionCode;
  /** A sentence for the user. */
  readonly reason: string;
}

export type IgnoredCode = 'directory' | 'system-file' | 'not-an-image';

export interface IgnoredFile {
  readonly path: string;
  readonly code: IgnoredCode;
  /** A sentence for the user. */
  readonly reason: string;
}

type DatasetWarningCode =
  | 'empty-class'
  | 'small-class'
  | 'class-not-in-train'
  | 'imbalanced'
  | 'duplicates'
  | 'label-conflict'
  | 'split-leak'
  | 'no-train-split'
  | 'nested-classes'
  | 'name-encoding'
  | 'unnamed-splits'
  | 'guessed-split'
  | 'part-splits'
  | 'like-classes'
  | 'names-guessed'
  | 'table-rows'
  | 'two-labels';

export interface DatasetWarning {
  readonly code: DatasetWarningCode;
  /** A sentence for the user. */
  readonly text: string;
}

export interface ImportReport {
  /** How the pile was read, and how else it could be. */
  readonly reading: Reading;
  /** Names of the classes that have an image, NFC, trimmed, by code point; any Unicode text. */
  readonly classes: readonly string[];
  /** By class, then by path. */
  readonly images: readonly ImportedImage[];
  readonly rejected: readonly RejectedFile[];
  readonly ignored: readonly IgnoredFile[];
  /** Names of class folders in which no image is usable. */
  readonly emptyClasses: readonly string[];
  /** Names of classes that occur in validation or test folders alone and were left out. */
  readonly untrained: readonly string[];
  readonly warnings: readonly DatasetWarning[];
  /** Why these images cannot be trained on, or null when they can. */
  readonly fault: Fault | null;
}
