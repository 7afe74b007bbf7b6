// Which branch of each module can best be spared, measured: the validation loss without each of them, all others in
// as they are. Nothing is trained, and the engine is left as it was found.
import type { Adapter, ModuleName } from '../dmlora/adapter.ts';
import { asItIs, imagined } from '../dmlora/counterfactual.ts';
import type { DropEvent } from '../dmlora/drop-plan.ts';
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import type { Engine } from '../engine/engine.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { unwrap } from '../shared/result.ts';
import { logitsOf } from './evaluation.ts';
import { imagesOf, sampleRows } from './sample.ts';
import type { LabelledPixels } from './training-data.ts';

/**
 * The branch of each module of an event without which the loss on a sample of the images is smallest, of equals the
 * first; what fades already is not asked about. Every engine's answers depend on adapter and images alone, so a
 * resumed run chooses what an uninterrupted one chooses.
 *
 * @throws FaultError, `cancelled` when the signal aborts.
 */
export async function cheapestBranches(
  engine: Engine,
  adapter: Adapter,
  { drops }: Pick<DropEvent, 'drops'>,
  images: LabelledPixels,
  batch: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<ModuleName, number>> {
  const sample = imagesOf(images, sampleRows(images.labels));
  const cheapest = new Map<ModuleName, number>();
  for (const { name, branches } of adapter.modules.filter((module) => drops.has(module.name))) {
    let least = Infinity;
    for (const { index } of branches.filter(({ fading }) => fading === undefined)) {
      const { gates } = imagined(adapter, [], { ...asItIs, off: [{ module: name, branch: index }] });
      const logits = unwrap(await logitsOf(engine, sample, batch, { gates, signal }));
      const loss = meanCrossEntropy(logits, sample.labels);
      if (loss < least || !cheapest.has(name)) {
        least = loss;
        cheapest.set(name, index);
      }
      await yieldToEventLoop();
    }
  }
  return cheapest;
}
