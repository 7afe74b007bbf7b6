// The one sentence that says where the run stands, for eyes and for screen readers: it changes with phases
// and events, not with every step. Pure.
import type { DivergedFault, DropRecord, Fault, Phase, RunEnd, RunSummary } from '../../worker/protocol.ts';
import type { RunCommand } from '../../state/run-store.ts';
import { hasBranches, tunedName, whatLearns } from '../../recipe/what-learns.ts';
import { changeInWords, describeFault } from '../../shared/describe-fault.ts';
import { countText, lossText, lossChangeText } from '../parts/words.ts';

export const phaseWords = {
  idle: 'Ready',
  preparing: 'Preparing',
  training: 'Training',
  evaluating: 'Validating',
  paused: 'Paused',
  finished: 'Finished',
  failed: 'Stopped by a fault',
} as const satisfies Record<Phase['kind'], string>;

function lastDrop(drops: readonly DropRecord[]): string | null {
  const last = drops.at(-1);
  if (last === undefined) return null;
  const together = drops.filter(({ step }) => step === last.step).length;
  const { step, lossBefore, lossAfter } = last;
  return `${countText(together, 'branch', 'branches')} dropped at step ${step}: loss ${lossText(lossBefore)} → ${lossText(lossAfter)} (${lossChangeText(lossAfter - lossBefore)}).`;
}

/** What is being opened or could not be; what was open before stays open meanwhile. */
export interface Opening {
  readonly images: 'opening' | 'refused' | null;
  readonly model: 'opening' | 'refused' | 'asks' | null;
}

export interface StatusInput {
  readonly phase: Phase;
  readonly pending: RunCommand | null;
  readonly summary: RunSummary | null;
  readonly drops: readonly DropRecord[];
  readonly diverging: DivergedFault | null;
  /** Whether the result is the state that the run began with. */
  readonly isProbe: boolean;
  /** Why Start cannot be pressed; null when it can. */
  readonly whyNotStart: string | null;
  readonly opening: Opening;
}

/** What was asked for last and is not open; null when all is. */
function openingSentence({ images, model }: Opening): string | null {
  if (model === 'opening') return 'Opening the model.';
  if (images === 'opening') return 'Opening the images.';
  if (model === 'asks') return 'Say under Model which of the models is meant.';
  if (images === 'refused')
    return 'The images that were chosen last could not be used: why stands under Images.';
  if (model === 'refused') return 'The model that was chosen last could not be used: why stands under Model.';
  return null;
}

function stoppingSentence({ kind }: Phase): string {
  switch (kind) {
    case 'training':
    case 'paused':
      return 'Ending the run; what was learned is validated once more.';
    case 'evaluating':
      return 'Ending the run. Stop now leaves out what is still to be measured.';
    case 'idle':
    case 'preparing':
    case 'finished':
    case 'failed':
      return 'Stopping; everything will be as it was before.';
    default:
      return kind satisfies never;
  }
}

function endSentence(end: RunEnd): string {
  switch (end) {
    case 'all-steps':
      return 'All steps are done.';
    case 'no-better':
      return 'Ended early, as the recipe says: the last validations found nothing better.';
    case 'stopped':
      return 'Ended early.';
    default:
      return end satisfies never;
  }
}

function resultSentence(end: RunEnd, { summary, isProbe }: StatusInput): string {
  if (isProbe) return 'No state was better than the linear probe that it began with, which is the result.';
  if (end === 'no-better') return 'The best state can be exported.';
  if (end === 'stopped') return 'What was learned so far can be exported.';
  const canMerge = summary === null || hasBranches(summary.recipe);
  return canMerge ? 'The branches can be merged and exported.' : 'What was learned can be exported.';
}

function finishedSentence(end: RunEnd, input: StatusInput): string {
  return input.diverging !== null
    ? `${end === 'all-steps' ? 'All steps are done' : 'Ended early'}, but the run diverged: what can be exported is its best validated state.`
    : `${endSentence(end)} ${resultSentence(end, input)}`;
}

function stageSentence(stage: 1 | 2, summary: StatusInput['summary']): string {
  const scalars = summary?.recipe.dmlora.scalars;
  if (stage === 2) {
    const tuned = summary === null ? null : tunedName(summary.recipe);
    if (scalars === 'scale-then-retrain')
      return `Stage 2: branches${tuned === null ? '' : `, ${tuned}`} and head learn afresh, the scalars rest.`;
    return `Stage 2: branches${tuned === null ? '' : ` and ${tuned}`} rest, the scalars and the head learn.`;
  }
  const who = summary === null ? 'branches and head' : whatLearns(summary.recipe);
  const isStaged = summary !== null && summary.stage2Step < summary.steps;
  const verb = who === 'the head alone' ? 'learns' : 'learn';
  return isStaged ? `Stage 1: ${who} ${verb}.` : `${who.charAt(0).toUpperCase()}${who.slice(1)} ${verb}.`;
}

export function statusSentence(input: StatusInput): string {
  const { phase, pending, summary, drops, diverging, whyNotStart, opening } = input;
  if (pending === 'pause') return 'Pausing after this step.';
  if (pending === 'stop') return stoppingSentence(phase);
  if (pending === 'start' && phase.kind !== 'preparing') return 'Preparing.';
  switch (phase.kind) {
    case 'idle':
      return openingSentence(opening) ?? whyNotStart ?? 'Everything is ready: press Start.';
    case 'preparing':
      return `Preparing: ${phase.what.charAt(0).toLowerCase()}${phase.what.slice(1)}.`;
    case 'training': {
      const stage = stageSentence(phase.stage, summary);
      if (diverging !== null) return `${stage} The run is diverging.`;
      return [stage, phase.stage === 1 ? lastDrop(drops) : null].filter((part) => part !== null).join(' ');
    }
    case 'evaluating':
      return phase.step === 0
        ? 'Measuring the model before it learns.'
        : 'Measuring on the validation images. Stop ends the run with the best state that was measured before.';
    case 'paused':
      return `Paused in stage ${phase.stage}. Resume, take a single step, or stop and keep what was learned.`;
    case 'finished':
      return openingSentence(opening) ?? finishedSentence(phase.end, input);
    case 'failed':
      if (phase.resumable && phase.fault.kind === 'not-finite')
        return phase.fault.again === undefined
          ? 'The run stopped: it diverged. Stop ends it with its best validated state, which can be exported.'
          : 'The run stopped: it diverged. Resume goes on from its best validated state with a smaller rate; Stop ends it with that state, which can be exported.';
      return phase.resumable
        ? `The run stopped; it can go on from step ${phase.step}. Stop ends it there and keeps what was learned.`
        : 'The run stopped and cannot go on. Put right what is named here and start again.';
    default:
      return phase satisfies never;
  }
}

/** What a run got over by itself, and what that cost. */
export function recoveredSentence(fault: Fault): string {
  if (fault.kind === 'device-lost') {
    const kept = fault.kept ?? fault.step;
    const again = fault.step > kept ? `: the steps from ${kept} on were done again` : '';
    return `The GPU was lost at step ${fault.step} and came back; nothing is missing${again}.`;
  }
  if (fault.kind === 'out-of-memory')
    return `The memory was too small for all images of a step at once: they are taken ${fault.microBatch ?? 1} at a time, with the same result.`;
  if (fault.kind === 'not-finite' && fault.again !== undefined)
    return `The run diverged at step ${fault.step} and went back to step ${fault.again.step}, with ${changeInWords(fault.again)}.`;
  if (fault.kind === 'worker-died')
    return 'The training thread ended and was replaced; the run was opened again where it was last saved.';
  return describeFault(fault).title;
}
