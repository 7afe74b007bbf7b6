// The places of drops as a recipe names them, one by one: how they are read, and what can be wrong with them.
import type { Recipe } from './options.ts';

/** Where a drop takes place: after so many steps, or after a share of all of them. */
type DropPlace =
  { readonly kind: 'step'; readonly value: number } | { readonly kind: 'share'; readonly value: number };

/** The places in a text, with commas between them: "20, 60" or "10 %, 40 %"; null where one is neither. */
export function dropPlacesIn(text: string): readonly DropPlace[] | null {
  if (text.trim() === '') return [];
  const places = text.split(',').map((part): DropPlace | null => {
    const [, digits, percent] = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(part) ?? [];
    if (digits === undefined) return null;
    const value = Number(digits);
    if (percent === '%') return value <= 100 ? { kind: 'share', value: value / 100 } : null;
    return Number.isInteger(value) && value >= 1 ? { kind: 'step', value } : null;
  });
  return places.every((place) => place !== null) ? places : null;
}

/**
 * What is wrong with the places that a recipe names, in a sentence; null when nothing is.
 *
 * @param steps of the run; null while they are counted by images that are not known.
 */
export function dropPlacesProblem({ dmlora }: Recipe, steps: number | null): string | null {
  const places = dropPlacesIn(dmlora.dropSteps);
  if (places === null)
    return 'Whole steps with commas between them are needed, as 20, 60, or shares of all steps, as 10 %, 40 %.';
  const leave = dmlora.branches - dmlora.branchesEnd;
  if (places.length !== leave)
    return `${leave} ${leave === 1 ? 'branch leaves' : 'branches leave'}: so many places are needed, not ${places.length}.`;
  if (new Set(places.map(({ kind }) => kind)).size > 1)
    return 'Either all places are steps, or all are shares with a % sign.';
  if (places.some(({ value }, i) => value < (places[i - 1]?.value ?? 0)))
    return 'The drops come in the order in which they are named: an earlier one cannot come after a later one.';
  const [first, last] = [places[0], places.at(-1)];
  if (first === undefined || last === undefined || (last.kind === 'step' && steps === null)) return null;
  const at = (share: number): number => (last.kind === 'share' ? share : Math.round(share * (steps ?? 0)));
  if (last.value > at(1)) return `The run has ${at(1)} steps.`;
  const isStaged = dmlora.scalars === 'train-then-scale' || dmlora.scalars === 'scale-then-retrain';
  const stage2 = at(dmlora.stage2);
  const isApart = dmlora.scalars === 'scale-then-retrain' && first.value >= stage2;
  if (!isStaged || last.value <= stage2 || isApart) return null;
  return `All drops must be done before stage 2 begins${last.kind === 'step' ? `, after step ${stage2}` : ''}.`;
}
