// What a run would look like before it has started: its modules, drops and stages, and how much of it learns,
// all asked of the method itself. The worker's RunSummary replaces this as soon as there is one.
import { adaptedLinears } from '../dmlora/adapter.ts';
import { dropSteps } from '../dmlora/drop-plan.ts';
import { stage2Step } from '../dmlora/stages.ts';
import { tunedNames } from '../dmlora/tuned.ts';
import type { Recipe } from '../recipe/options.ts';
import { batchOf, stepsOf } from '../recipe/recipe.ts';
import { backboneShapes, linearName, linearShape } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import type { ModuleView } from '../worker/protocol.ts';

/** The modules that a run on this model would have, with every branch alive and without strength. */
export function previewModules(config: VitConfig, { dmlora }: Recipe): ModuleView[] {
  return adaptedLinears(config, dmlora).map(({ block, linear }) => ({
    module: linearName(block, linear),
    scalar: dmlora.scalarStart,
    branches: Array.from({ length: dmlora.branches }, (_, index) => ({
      index,
      droppedAt: null,
      strength: 0,
    })),
  }));
}

/** Parameters of all branches before any is dropped. */
export function branchParameters(config: VitConfig, { dmlora }: Recipe): number {
  return adaptedLinears(config, dmlora).reduce((sum, { linear }) => {
    const [out, input] = linearShape(config, linear);
    return sum + dmlora.branches * dmlora.rank * (out + input);
  }, 0);
}

/**
 * Parameters of the backbone that learn: those that its checkpoint has no place for are counted too, as the page
 * knows of none.
 */
export function tunedParameters(config: VitConfig, { backbone }: Recipe): number {
  const shapes = backboneShapes(config);
  return tunedNames({ config }, backbone.tune).reduce(
    (sum, name) => sum + (shapes.get(name) ?? []).reduce((product, size) => product * size, 1),
    0,
  );
}

export interface LengthPreview {
  readonly steps: number;
  readonly stepsPerEpoch: number;
  /** The steps at which a branch of every module leaves. */
  readonly dropSteps: readonly number[];
  /** Where stage 2 begins; null without one. */
  readonly stage2Step: number | null;
  readonly scalars: Recipe['dmlora']['scalars'];
}

/** The plan of a run over so many training images. */
export function previewLength(recipe: Recipe, trainImages: number): LengthPreview | null {
  if (trainImages === 0) return null;
  const steps = stepsOf(recipe, trainImages);
  const stage2 = stage2Step(recipe.dmlora, steps);
  return {
    steps,
    stepsPerEpoch: trainImages / batchOf(recipe, trainImages),
    dropSteps: dropSteps(recipe.dmlora, steps),
    stage2Step: stage2 < steps ? stage2 : null,
    scalars: recipe.dmlora.scalars,
  };
}
