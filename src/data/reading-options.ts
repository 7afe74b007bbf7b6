// ReadingOptions: the ways in which one pile of files can be read, as a user chooses them; and Reading: what
// a report says of the way that was taken, with what could be chosen instead. Types and defaults only; the
// import decides.

import type { NameEncoding } from '../formats/name-encoding.ts';
import type { Grey16Window } from './preprocessing.ts';

/** What the user asks for; 'auto' leaves it to the import. */
export interface ReadingOptions {
  /** Where class folders lie in folders: the first one below the split, or the last one, is the class. */
  readonly classFolder: 'auto' | 'first' | 'last';
  /**
   * What names the class of an image: its folders, the name of its file, or a table beside the images (its
   * likeliest column, or the one named).
   */
  readonly labels: 'auto' | 'folders' | 'names' | 'table' | `column:${string}`;
  /** What names in archives are in that do not say it themselves. */
  readonly nameEncoding: 'auto' | NameEncoding;
  /**
   * How grey of 16 bits becomes 8: by its high byte, or through a window of each image or of the whole set.
   */
  readonly grey16: 'auto' | 'high-byte' | 'image' | 'set';
}

export const autoReading: ReadingOptions = {
  classFolder: 'auto',
  labels: 'auto',
  nameEncoding: 'auto',
  grey16: 'auto',
};

/** Where the classes of a report come from. */
export type LabelSource =
  | { readonly kind: 'folders'; readonly end: 'first' | 'last' | null }
  | {
      readonly kind: 'table';
      readonly tables: readonly string[];
      readonly column: string;
      /** Where it says the splits as well. */
      readonly splitColumn: string | null;
      /** Where it names the files, if others could as well. */
      readonly fileColumn: string | null;
    }
  | { readonly kind: 'names'; readonly example: { readonly name: string; readonly label: string } };

/** One thing about a pile that can be read in more than one way. */
export type ReadingChoice = {
  [K in keyof ReadingOptions]: {
    readonly option: K;
    /** What is chosen, in a few words, to stand before the choices: "The class is". */
    readonly label: string;
    /** The way that was taken: the value of one that is offered. */
    readonly value: ReadingOptions[K];
    /** In the order to show them, none of them 'auto'. */
    readonly offered: readonly {
      readonly value: ReadingOptions[K];
      /** In a few words: "the first folder (2: Aves, Insecta)". */
      readonly words: string;
    }[];
  };
}[keyof ReadingOptions];

export interface Reading {
  /** Where the classes come from, in one sentence: "2 classes from the names of folders." */
  readonly sentence: string;
  /** By what the classes are numbered, in one sentence; of a table, whose numbers may be its own. */
  readonly numbering?: string;
  /** How 16-bit grey becomes 8, null for its high byte; left out where no image is 16-bit grey. */
  readonly grey16?: Grey16Window | null;
  /** Empty where the pile can be read in one way only. */
  readonly choices: readonly ReadingChoice[];
}
