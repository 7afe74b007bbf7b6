// A saved run in words: what it learns from, by what recipe, what came out, and how old it is. Pure.
import { learnedValidation } from '../../recipe/recipe.ts';
import type { Recipe } from '../../recipe/options.ts';
import { hasBranches, learnsHeadAlone, tunedName } from '../../recipe/what-learns.ts';
import type { ListedRun } from '../../worker/protocol.ts';
import { countText, percentText, rateText, recallText, wholeText } from '../parts/words.ts';

const units = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;
const relative = new Intl.RelativeTimeFormat('en');

/** "3 minutes ago". A clock that was put back makes nothing younger than now. */
export function ageText(then: number, now: number): string {
  const seconds = Math.max(0, (now - then) / 1000);
  const unit = units.find(([, length]) => seconds >= length);
  return unit === undefined ? 'just now' : relative.format(-Math.floor(seconds / unit[1]), unit[0]);
}

/** "images of leaves: 24 of 3 classes". */
export function imagesText({ imageCount, classes }: ListedRun): string {
  return `${countText(imageCount, 'image')} of ${countText(classes, 'class', 'classes')}`;
}

/** The recipe in a line. */
export function recipeText({ steps, recipe }: { readonly steps: number; readonly recipe: Recipe }): string {
  const { dmlora, batch, learningRate } = recipe;
  const { branches, branchesEnd, rank, dropMode, pairing } = dmlora;
  const left = dropMode === 'permanent' ? ` → ${branchesEnd}` : '';
  const crossed = pairing === 'crossed' ? 'crossed ' : '';
  const grown =
    left === ''
      ? countText(branches, `${crossed}branch`, `${crossed}branches`)
      : `${branches}${left} ${crossed}branches`;
  const tuned = tunedName(recipe);
  const learns = [
    ...(hasBranches(recipe) ? [`${grown} of rank ${rank}`] : []),
    ...(tuned === null ? [] : [`tuned ${tuned}`]),
    ...(learnsHeadAlone(recipe) ? ['the head alone'] : []),
  ];
  return `${countText(steps, 'step')} of ${batch} images, ${learns.join(' and ')}, rate ${rateText(learningRate)}`;
}

/** What came out of it, or how far it is. */
export function resultText({
  finished,
  step,
  steps,
  validation,
  recipe,
}: Pick<ListedRun, 'finished' | 'step' | 'steps' | 'validation' | 'recipe'>): string {
  const right =
    validation === null
      ? ''
      : `, ${percentText(validation.accuracy)} of validation right${recallText(validation)}${finished && learnedValidation(recipe, step) ? ' (learned as well)' : ''}`;
  const whole = finished && step >= steps;
  return `${whole ? `Finished after ${countText(step, 'step')}` : `${finished ? 'Ended' : 'Unfinished'} at step ${wholeText(step)} of ${wholeText(steps)}`}${right}`;
}
