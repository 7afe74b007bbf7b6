// What of a model learns by a recipe, in words, and what follows from that for those who speak of a run.
// Pure.
import type { Recipe } from './options.ts';

/** What a recipe says of who learns; a recipe is one. */
export interface Learning {
  readonly dmlora: Pick<Recipe['dmlora'], 'branches' | 'scalars'>;
  readonly backbone: Recipe['backbone'];
}

const short = { none: null, norms: 'LayerNorms', biases: 'biases', all: 'backbone' } as const;

const long = {
  none: null,
  norms: 'weight and bias of every LayerNorm of the backbone',
  biases: 'all biases of the backbone (BitFit)',
  all: 'all of the backbone (full fine-tuning)',
} as const;

/** What of the backbone itself learns: "LayerNorms"; null where it is frozen. */
export const tunedName = ({ backbone }: Pick<Learning, 'backbone'>): string | null => short[backbone.tune];

/** The same as the field says it, at length; null where the backbone is frozen. */
export const tunedWords = ({ backbone }: Pick<Learning, 'backbone'>): string | null => long[backbone.tune];

export const hasBranches = ({ dmlora }: Pick<Learning, 'dmlora'>): boolean => dmlora.branches > 0;

/** Whether the model below its head stays as it was. */
export const learnsHeadAlone = (recipe: Learning): boolean =>
  !hasBranches(recipe) && tunedName(recipe) === null;

/** What learns from the first step on: "branches, LayerNorms and head", or "the head alone". */
export function whatLearns(recipe: Learning): string {
  if (learnsHeadAlone(recipe)) return 'the head alone';
  const { scalars } = recipe.dmlora;
  const hasScalars = hasBranches(recipe) && (scalars === 'joint' || scalars === 'scale-then-retrain');
  const parts = [hasBranches(recipe) ? 'branches' : null, hasScalars ? 'scalars' : null, tunedName(recipe)];
  return `${parts.filter((part) => part !== null).join(', ')} and head`;
}

/** What learns where there are no branches; null where there are some, or no run is known. */
export const learnsInstead = (recipe: Learning | undefined): string | null =>
  recipe === undefined || hasBranches(recipe) ? null : whatLearns(recipe);

/** Why what a run of this recipe learns is no LoRA, as a sentence; null where it is one, or no run is known. */
export const recipeWithoutLora = (recipe: Learning | undefined): string | null =>
  recipe === undefined ? null : whyNoLora({ hasBranches: hasBranches(recipe), tunes: recipe.backbone.tune });

/**
 * Why what a run learned is no LoRA, as a sentence; null where it is one. LayerNorms and biases are saved beside its
 * matrices.
 */
export function whyNoLora(run: {
  readonly hasBranches: boolean;
  readonly tunes: Recipe['backbone']['tune'];
}): string | null {
  if (!run.hasBranches) return 'There are no branches, so there is no LoRA. Choose the whole model.';
  return run.tunes === 'all'
    ? 'The run tuned all of the backbone too, and a LoRA holds what is added to it. Choose the whole model.'
    : null;
}

/** What helps where all parameters are too much for a device. */
export const tuneLess = 'LayerNorm tuning and BitFit need a fraction of it.';
