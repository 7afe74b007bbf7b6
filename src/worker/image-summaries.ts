// What the page is told of the images that are open, and of their edits: a part of the protocol's types.
import type { Edit } from '../data/edits.ts';
import type { SplitName } from '../data/import-report.ts';
import type { Together } from '../data/origins.ts';
import type { PixelFinding } from '../data/pixel-findings.ts';
import type { Reading } from '../data/reading-options.ts';
import type { Fault } from '../shared/fault.ts';

export interface ClassSummary {
  readonly name: string;
  readonly counts: Readonly<Record<SplitName, number>>;
  /** A few images of the class, to show; ids for `thumbnails`. */
  readonly samples: readonly number[];
}

export interface FileVerdict {
  readonly path: string;
  /** Stable code of the reason: "truncated", "svg". */
  readonly code: string;
  readonly reason: string;
}

/** What a user changed of the images, as far as it holds. */
export interface EditState {
  /** The same as long as images keep their numbers. */
  readonly set: number;
  /** The same as long as the images are; an undo brings the one before back. */
  readonly version: number;
  /** How many edits hold. */
  readonly inForce: number;
  /** Images that are left out. */
  readonly excluded: number;
  /** What an undo, and a redo, would do; null for nothing. */
  readonly undo: string | null;
  readonly redo: string | null;
}

/** A step between the edits that were made. */
export type EditStep = 'undo' | 'undo-all' | 'redo';

/** An edit of images by their numbers. */
export type ImageEdit = Edit<readonly number[]>;

/**
 * Where an image is: in a part of the split, in none because of limits for each class, or left out by hand.
 */
export type ImagePlace = SplitName | 'unused' | 'excluded';

/** What is shown of every image, in the order of their numbers. */
export interface Gallery {
  readonly set: number;
  readonly version: number;
  /** All classes, also those without an image. */
  readonly names: readonly string[];
  readonly classOf: Int32Array; // [images]
  /** Where images can be, and where each is: its number in `places`. */
  readonly places: readonly ImagePlace[];
  readonly placeOf: Uint8Array; // [images]
  /** 1 where label, split or whether it is used is another than was read. */
  readonly changed: Uint8Array; // [images]
  /** What is worth knowing, by its code, and the images that it is about. */
  readonly findings: readonly { readonly code: string; readonly images: Int32Array }[];
  /** Number of each image in the run that is there, -1 for none; null without a run. */
  readonly inRun: Int32Array | null; // [images]
}

/** A picture as a data URL: an object URL would hold the page up for half a millisecond each. */
export interface GalleryPicture {
  readonly image: number;
  readonly url: string;
}

export interface DataSummary {
  readonly title: string;
  readonly classes: readonly ClassSummary[];
  readonly images: number;
  /** How the files were read, and how else they can be: opened again with other options, they are. */
  readonly reading: Reading;
  /** Where the split comes from: folders named train and val, or a seeded draw, or either with edits. */
  readonly splitBy: 'folders' | 'seed' | 'hand';
  /** Whether a draw says which images validate. */
  readonly isDrawn: boolean;
  /** What the draw kept together; null where each picture was drawn by itself, or none was. */
  readonly together: Together | null;
  readonly edits: EditState;
  /** Not used, each with its reason. */
  readonly rejected: readonly FileVerdict[];
  /** Used, with something to know about. */
  readonly warnings: readonly FileVerdict[];
  /** Kinds of images that other tools read otherwise; also among the warnings. */
  readonly pixels: readonly PixelFinding[];
  /** Passed over: system files, folders, text beside the images. */
  readonly ignored: readonly FileVerdict[];
  /** Why training cannot start with these images; null when it can. */
  readonly fault: Fault | null;
}

export interface Thumbnail {
  readonly image: number;
  readonly path: string;
  readonly class: string;
  readonly split: SplitName | null;
  readonly blob: Blob;
}
