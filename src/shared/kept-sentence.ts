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
  /** Whether the result has learned from the validation images too. */
  readonly learnedValidation?: boolean;
  /** That training diverged; null where it did not. */
  readonly diverged?: unknown;
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

/** What part validation images had in a result: they chose it, they did not, or it learned from them. */
export type ValidationPart = 'chose' | 'apart' | 'learned';

export function validationPart({
  keep,
  learnedValidation,
  diverged = null,
}: Pick<Kept, 'keep' | 'learnedValidation' | 'diverged'>): ValidationPart {
  if (learnedValidation === true) return 'learned';
  return keep === 'last' && diverged === null ? 'apart' : 'chose';
}

const partSentences = {
  chose: 'These images chose which state is the result: on others expect a little less.',
  apart: 'These images did not choose which state is the result.',
  learned: 'These images were learned as well: the share tells what it could hold, not what it knows.',
} as const satisfies Record<ValidationPart, string>;

/** What the accuracy on validation images says of others, in a sentence. */
export const validationSentence = (kept: Parameters<typeof validationPart>[0]): string =>
  partSentences[validationPart(kept)];

function whichSentence({ keptStep, steps, probe, keep, diverged = null }: Kept): string {
  if (diverged !== null)
    return keptStep > 0
      ? `Training diverged: the result is the state of step ${keptStep} of ${steps}.`
      : `Training diverged: the result is ${probe === null ? 'what it began with' : 'the linear probe that it began with'}.`;
  if (keptStep === steps && keep === 'last')
    return 'The result is the state after the last step, as the recipe has it: validation images chose nothing.';
  if (keptStep === steps) return 'The result is the last state: on the validation images none was better.';
  if (keptStep > 0)
    return `The result is the state of step ${keptStep} of ${steps}: on the validation images those after it were no better.`;
  return probe === null
    ? 'On the validation images training never got better than its start: the result is what it began with.'
    : 'On the validation images training did not beat the linear probe: the result is the probe.';
}
