// What a run leaves to the next one on the same model and images: their pixels, where no disk keeps them, what the
// frozen model says of each, and the probe that was fitted to that. Arms and seeds then share all three.
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { KeptPixels } from '../data/pixel-cache.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import type { Probe } from '../train/linear-probe.ts';
import type { KnownFeatures, KnownProbe } from '../train/training-data.ts';

/** Features of more than these are computed anew. */
const mostBytes = 64e6;

export class RunMemory {
  /** Of the images of the last run; null where a disk keeps them. */
  pixels: KeptPixels | null = null;
  /** Of the last run. */
  readonly probe: KnownProbe = {
    known: (fittedTo) => (this.#probe?.fittedTo === fittedTo ? this.#probe.probe : null),
    keep: (fittedTo, probe) => (this.#probe = { fittedTo, probe }),
  };
  #probe: { readonly fittedTo: string; readonly probe: Probe } | null = null;
  #model: OpenModel | null = null;
  /** Of each way of computing, rows by the id of their image. */
  readonly #features = new Map<string, Map<string, Float32Array>>();

  /**
   * What is known of this model. One that begins with branches that say something is not frozen: of it
   * nothing is.
   */
  of(model: OpenModel): this {
    if (model !== this.#model) this.#features.clear();
    this.#model = model;
    return this;
  }

  /** For images by their ids; null where the model's features are none of a frozen one. */
  featuresOf(ids: readonly string[]): KnownFeatures | null {
    if (this.#model === null || this.#model.start !== null) return null;
    return {
      known: (how) => this.#known(how, ids),
      keep: (how, rows) => this.#keep(how, ids, rows),
    };
  }

  #known(how: string, ids: readonly string[]): NdArray | null {
    const kept = this.#features.get(how);
    const rows = ids.flatMap((id) => kept?.get(id) ?? []);
    const width = rows[0]?.length ?? 0;
    if (rows.length < ids.length || width === 0) return null;
    const all = new Float32Array(rows.length * width);
    rows.forEach((row, i) => all.set(row, i * width));
    return ndArray([rows.length, width], all);
  }

  #keep(how: string, ids: readonly string[], { data, shape: [, width = 0] }: NdArray): void {
    const kept = this.#features.get(how) ?? new Map<string, Float32Array>();
    if ((kept.size + ids.length) * width * Float32Array.BYTES_PER_ELEMENT > mostBytes) return;
    ids.forEach((id, i) => kept.set(id, data.slice(i * width, (i + 1) * width)));
    this.#features.set(how, kept);
  }
}
