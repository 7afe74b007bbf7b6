// The engine that proves exports, whoever makes it; kept from format to format and from export to export, so
// that a device is checked and tuned once and no pipeline is made twice. Between two proofs it holds no model.
// Knows no format.
import type { Adapter } from '../dmlora/adapter.ts';
import { asTried } from '../dmlora/tuned.ts';
import type { Engine, Normalisation } from '../engine/engine.ts';
import type { NdArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import { logitsOf } from '../train/evaluation.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import type { VitModel } from '../vit/parameters.ts';
import { noBranches, stepFlops } from '../vit/step-flops.ts';
import type { Pause } from './pause.ts';

/** Operations between two looks at a cancel, on a processor: some tenths of a second. */
const flopsAtOnce = 4e9;

export class ProofEngine {
  #engine: Engine | null = null;

  /** @param make gives an engine without a prepared model, when one is needed. */
  constructor(private readonly make: () => Promise<Result<Engine>>) {}

  /** Logits [n, classes] of a model with its head and branches. A fault costs the engine: the next is new. */
  async logits(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    images: LabelledPixels,
    batch: number,
    pause: Pause,
  ): Promise<Result<NdArray>> {
    const made = this.#engine === null ? await this.make() : ok(this.#engine);
    if (!made.ok) return made;
    const engine = made.value;
    this.#engine = null;
    let usable = false;
    try {
      const classes = adapter.head.bias.data.length;
      const atOnce = imagesAtOnce(engine, model.config, classes, batch);
      const tried = asTried(model, adapter);
      const options = { batch: atOnce, classes };
      const prepared = await engine.prepare(tried.model, tried.adapter, normalisation, options);
      if (!prepared.ok) return prepared;
      const between = async (): Promise<void> => {
        usable = true; // what a cancel ends here is in order
        await pause();
        usable = false;
      };
      const logits = await logitsOf(engine, images, atOnce, { between });
      usable = logits.ok || logits.fault.kind === 'not-finite';
      return logits;
    } finally {
      if (usable) engine.release();
      else engine.dispose();
      if (usable) this.#engine = engine;
    }
  }

  /** Gives the engine away, without a model; null where there is none, or a proof is under way. */
  take(): Engine | null {
    const engine = this.#engine;
    this.#engine = null;
    return engine;
  }

  dispose(): void {
    this.take()?.dispose();
  }
}

/** Images of one evaluation: a GPU's whole batch, and on a processor so many that a cancel is soon heard. */
export function imagesAtOnce(
  engine: Engine,
  config: VitModel['config'],
  classes: number,
  batch: number,
): number {
  if (engine.describe().backend === 'webgpu') return batch;
  const { forward } = stepFlops(config, classes, noBranches);
  return Math.max(1, Math.min(batch, Math.floor(flopsAtOnce / forward)));
}
