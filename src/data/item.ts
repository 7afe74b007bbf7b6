// Item: one file of the pile or one entry of an archive, read only when asked. Types only.
import type { Result } from '../shared/result.ts';
import type { RejectionCode } from './import-report.ts';

export interface ItemProblem {
  readonly code: RejectionCode;
  /** A sentence for the user. */
  readonly reason: string;
}

export interface Item {
  /** As the report shows it. */
  readonly path: string;
  /** Index of the pile it comes from: 0 for loose files, then one for each archive. */
  readonly root: number;
  /** Folders and name; null when the path leaves its place. */
  readonly segments: readonly string[] | null;
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  /** Why it is not used whatever it holds: an archive in an archive that was not opened. */
  readonly refused?: ItemProblem;
  /** The first bytes without reading the rest, or null where that is not possible (packed entries). */
  readonly head: ((bytes: number) => Promise<Result<Uint8Array, ItemProblem>>) | null;
  /** The file itself where it lies on the disk as it is; null for an entry of an archive. */
  readonly file: Blob | null;
  readonly read: () => Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>>;
}
