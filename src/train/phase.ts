// Where a run stands: one union, changed by the loop alone.
import type { Stage } from '../dmlora/stages.ts';
import type { Fault } from '../shared/fault.ts';

/** What is being done before a run can begin, and how far it is. */
export type OnPreparing = (what: string, done: number, total: number) => void;

export type Phase =
  /** Nothing has been started. */
  | { readonly kind: 'idle' }
  /** Decoding images, uploading weights, compiling; `done` of `total` where it can be counted. */
  | { readonly kind: 'preparing'; readonly what: string; readonly done: number; readonly total: number }
  | { readonly kind: 'training'; readonly stage: Stage; readonly step: number; readonly steps: number }
  | { readonly kind: 'evaluating'; readonly step: number; readonly steps: number }
  | { readonly kind: 'paused'; readonly stage: Stage; readonly step: number; readonly steps: number }
  /** All steps are done, or the user ended the run early; the adapter can be exported. */
  | { readonly kind: 'finished'; readonly step: number; readonly steps: number; readonly early: boolean }
  /** The run ended with a fault; with `resumable` it can go on from step `step`. */
  | { readonly kind: 'failed'; readonly fault: Fault; readonly step: number; readonly resumable: boolean };
