// What a run has of the session that it runs in: a border between the two. Types only.
import type { ImageWorker } from '../data/image-work.ts';
import type { Forecasts } from './forecast.ts';
import type { EngineParts } from './launch.ts';
import type { PixelsAhead } from './pixels-ahead.ts';

/** What a run has of the session that it runs in. */
export interface Surroundings {
  readonly images: ImageWorker;
  readonly pixels: PixelsAhead;
  readonly engineParts: EngineParts;
  readonly forecasts: Forecasts;
  /** A start came to nothing: what is open has the worker to itself again. */
  readonly onUndone: () => void;
}
