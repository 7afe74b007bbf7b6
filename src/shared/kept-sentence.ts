// Which of a run's validated states is its result, in a sentence: the page, the card and the command say the
// same.

export interface Kept {
  /** The done steps of the state that is the result. */
  readonly keptStep: number;
  /** The done steps of the run. */
  readonly steps: number;
  /** Why it ended after them. */
  readonly end: 'all-steps' | 'no-better' | 'stopped' | null;
  /** Whether the run began with a linear probe; anything else is null. */
  readonly probe: unknown;
  /** `last`: the recipe wanted the state after the last step. */
  readonly keep?: 'best' | 'last';
  /** Of the result; with a mean recall where the run counts all classes alike. */
  readonly validation: { readonly recall?: number | undefined };
}

/** Says which state the result is, and whether it was chosen by the validation images. */
export function keptSentence(kept: Kept): string {
  const by =
    kept.validation.recall === undefined || kept.keep === 'last'
      ? ''
      : ` States were compared by their mean recall over the classes, here ${(100 * kept.validation.recall).toFixed(1)} %.`;
  const early = kept.end === 'no-better' ? ` So the run ended by itself after step ${kept.steps}.` : '';
  return `${whichSentence(kept)}${by}${early}`;
}

function whichSentence({ keptStep, steps, probe, keep }: Kept): string {
  if (keptStep === steps && keep === 'last')
    return 'The result is the state after the last step, as the recipe has it: validation images chose nothing.';
  if (keptStep === steps) return 'The result is the last state: on the validation images none was better.';
  if (keptStep > 0)
    return `The result is the state of step ${keptStep} of ${steps}: on the validation images those after it were no better.`;
  return probe === null
    ? 'On the validation images training never got better than its start: the result is what it began with.'
    : 'On the validation images training did not beat the linear probe: the result is the probe.';
}
