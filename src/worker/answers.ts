// What the worker answers about images, as it crosses the border: what the result of an ended run says to those of
// its split, to any other and about its branches, and what a step of the run to come would take. Types only, a
// part of the protocol.
import type { SplitName } from '../data/import-report.ts';
import type { SourceFile } from '../data/source-file.ts';
import type { Dropped } from '../train/dropped.ts';
import type { PairedChange } from '../understand/paired.ts';

/** What the result of a run answers to each image of a part of its split. */
export interface SetAnswers {
  readonly set: SplitName;
  readonly classes: readonly string[];
  readonly labels: Int32Array; // [images]
  readonly logits: Float32Array; // [images, classes]
  /** Ids for `runThumbnails`. */
  readonly images: readonly number[];
  readonly paths: readonly string[];
}

/** What the result of a run, and its linear probe, answer to an image that belongs to no set. */
export interface TriedImage {
  readonly path: string;
  /** Null where it could not be asked; `why` says why not. */
  readonly logits: Float32Array | null; // [classes]
  /** Of the linear probe that the run began with; null where it began without one. */
  readonly probe: Float32Array | null; // [classes]
  readonly why: string | null;
}

export interface Tried {
  readonly classes: readonly string[];
  readonly images: readonly TriedImage[];
  /** The done steps of the run's state that answered; null where no image was asked about, and without a run. */
  readonly step: number | null;
  /** What reading and preparing the images took, and what asking took. */
  readonly preparedMs: number;
  readonly askedMs: number;
}

/** A model to be tried without a run. */
export type TriedSource =
  /** The open one, with its own classifier. */
  | { readonly kind: 'open' }
  /** A model's folder or archive: an export, or anybody's. */
  | { readonly kind: 'files'; readonly title: string; readonly files: readonly SourceFile[] }
  /** What a saved run had learned. */
  | { readonly kind: 'saved'; readonly id: string };

/** A model that is open to be tried. */
export interface TriedSummary {
  readonly title: string;
  readonly classes: readonly string[];
  /** Of a saved run: the steps that were done; null for any other. */
  readonly step: number | null;
}

/** What the result would be without a module, or (where it has several) without one branch. */
export interface Removal {
  readonly module: string;
  /** Null for all of the module. */
  readonly branch: number | null;
  /** From the run to it. */
  readonly change: PairedChange;
}

export interface Removals {
  readonly costs: readonly Removal[];
  /** How many there are in all. */
  readonly total: number;
}

/** What the update of a module is made of (dmlora/updates.ts). */
export interface ModuleFigures {
  readonly module: string;
  /** Effective rank of its update, and the most that its branches have room for. */
  readonly rank: number;
  readonly mostRank: number;
  /** The live ones, in ascending number. */
  readonly branches: readonly {
    readonly branch: number;
    /** Frobenius norm of s B A. */
    readonly strength: number;
    readonly rank: number;
    /** The largest |cosine| to another; NaN where there is none. */
    readonly closeness: number;
    /** To each of them, itself too. */
    readonly cosines: readonly number[];
  }[];
}

/** A branch that left and can be brought back, and what it was to its module then (train/dropped.ts). */
export type DroppedFigures = Omit<Dropped, 'branch'> & { readonly branch: number };

export interface BranchFigures {
  readonly modules: readonly ModuleFigures[];
  readonly dropped: readonly DroppedFigures[];
}

/** An image that is looked at, by its place in the answers of a part of the split, and the class to tell of. */
export interface LookedAt {
  readonly set: SplitName;
  readonly row: number;
  readonly class: number;
}

/** Where a model looks in one image, patch by patch and row by row; figures of engine.ts, Look. */
export interface LookMaps {
  /** Of the last block, the mean of its heads. */
  readonly attention: Float32Array; // [grid * grid]
  readonly rollout: Float32Array; // [grid * grid]
  /** Of the chosen class; null where its head is a random one. */
  readonly relevance: Float32Array | null; // [grid * grid]
  /** What it answers; null likewise. */
  readonly logits: Float32Array | null; // [classes]
}

/** Where a run's model looks in one of its images, before fine-tuning (with the linear probe) and after. */
export interface ImageLooks {
  /** Patches along a side. */
  readonly grid: number;
  /** The image as the model gets it, [side, side, 3]. */
  readonly side: number;
  readonly pixels: Uint8Array<ArrayBuffer>;
  /** What the maps begin at: the class token, or the tokens that a head without one averages. */
  readonly from: 'class-token' | 'mean';
  readonly before: LookMaps;
  readonly after: LookMaps;
}

/** What the network would take of a step of the run to come. */
export interface StepView {
  /** 0-based, and how many the run has. */
  readonly step: number;
  readonly steps: number;
  /** Images of the step, of which the first are shown. */
  readonly batch: number;
  readonly side: number;
  readonly images: readonly ViewedImage[];
  /** [images.length, side, side, 3]: the normalisation undone, rounded to bytes. */
  readonly pixels: Uint8ClampedArray;
}

interface ViewedImage {
  readonly path: string;
  readonly class: string;
  /** The image that it is mixed with, and the share of that; null where none is. */
  readonly mixed: { readonly path: string; readonly class: string; readonly share: number } | null;
}
