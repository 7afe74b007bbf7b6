// What can be pressed in which phase, and the one sentence that says why not. Pure: no store is read here.
import type { Phase } from '../worker/protocol.ts';
import type { RunCommand } from './run-store.ts';

export interface Controls {
  readonly start: boolean;
  readonly pause: boolean;
  readonly resume: boolean;
  /** Before a run too: it starts and waits after its first step. */
  readonly step: boolean;
  readonly stop: boolean;
  readonly exportModel: boolean;
  /** Model, images and recipe may be changed, and other models tried. */
  readonly edit: boolean;
  /** The run answers to images of no set, ended or as it stands. */
  readonly tryRun: boolean;
}

export interface Readiness {
  readonly phase: Phase;
  readonly pending: RunCommand | null;
  readonly modelReady: boolean;
  readonly dataReady: boolean;
  readonly recipeValid: boolean;
  readonly exporting: boolean;
  /** Another tab trains. */
  readonly otherTab: boolean;
  /** The run was evaluated, at its start at least. */
  readonly evaluated: boolean;
  /** Several runs are trained one after the other: between two of them nothing else begins. */
  readonly queued: boolean;
}

/** A run is under way, or was and can go on. */
export function isActive(phase: Phase): boolean {
  switch (phase.kind) {
    case 'preparing':
    case 'training':
    case 'evaluating':
    case 'paused':
      return true;
    case 'idle':
    case 'finished':
      return false;
    case 'failed':
      return phase.resumable;
    default:
      return phase satisfies never;
  }
}

/** Closing the page would lose what was learned: of a run that has taken steps, or a result that is not saved. */
export function wouldLose(phase: Phase, hasStepped: boolean, saved: boolean): boolean {
  return phase.kind === 'finished' ? !saved : hasStepped && isActive(phase);
}

export function controlsOf(ready: Readiness): Controls {
  const { phase, pending, modelReady, dataReady, recipeValid, exporting, otherTab, evaluated, queued } =
    ready;
  const free = pending === null && !exporting;
  const ended = !queued && (phase.kind === 'idle' || phase.kind === 'finished' || phase.kind === 'failed');
  const running = phase.kind === 'training' || phase.kind === 'evaluating';
  const resumable = phase.kind === 'failed' && phase.resumable;
  const going = running || phase.kind === 'paused';
  const start = free && ended && modelReady && dataReady && recipeValid && !otherTab;
  return {
    start,
    pause: free && running,
    resume: free && (phase.kind === 'paused' || (resumable && !otherTab)),
    // An ended run is not replaced by one step too many.
    step: (free && phase.kind === 'paused') || (start && phase.kind === 'idle'),
    stop: canStop(ready),
    exportModel: free && !queued && phase.kind === 'finished',
    edit: free && ended,
    tryRun: !exporting && (going ? evaluated : free && !queued && phase.kind === 'finished'),
  };
}

/**
 * From the click on Start on. A slow step need not be waited for, and what is measured after a stop can be
 * left out by another.
 */
function canStop({ phase, pending, exporting, queued }: Readiness): boolean {
  switch (pending) {
    case 'start':
      return true;
    case 'stop':
      return phase.kind === 'evaluating';
    case 'resume':
      return false;
    case 'pause':
    case 'step':
    case null:
      return !exporting && (queued || isActive(phase));
    default:
      return pending satisfies never;
  }
}

/** Why Start cannot be pressed though no run is under way; null when it can. */
export function whyNotStart({ modelReady, dataReady, recipeValid, otherTab }: Readiness): string | null {
  if (!modelReady && !dataReady) return 'Choose a model and images to start.';
  if (!modelReady) return 'Choose a model to start.';
  if (!dataReady) return 'Choose images to start.';
  if (!recipeValid) return 'Correct the marked settings to start.';
  if (otherTab) return 'Another tab of Graft is training: this one can start when that has ended.';
  return null;
}
