// What somebody tries with the branches of an ended run, and what came of it: switches and their answer, the
// ranking of removals, how alike branches are. Loaded with its card; another result forgets it.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import { asItIs, type Counterfactual } from '../dmlora/counterfactual.ts';
import { isCancelled } from '../shared/fault.ts';
import type { BranchFigures, Fault, Removal, RunResult } from '../worker/protocol.ts';
import type { UnderstandActions } from './understand-actions.ts';
import { understandStore } from './understand-store.ts';

export interface BranchState {
  /** What all this is about. */
  readonly of: RunResult | null;
  readonly figures: BranchFigures | null;
  readonly isOpening: boolean;
  readonly what: Counterfactual;
  /** What was answered last, and to which switches. */
  readonly answer: { readonly what: Counterfactual; readonly logits: Float32Array } | null;
  readonly isAsking: boolean;
  readonly removals: readonly Removal[];
  /** How many there are in all; null before the first answer. */
  readonly removable: number | null;
  readonly isRanking: boolean;
  readonly fault: Fault | null;
}

const initial: BranchState = {
  of: null,
  figures: null,
  isOpening: false,
  what: asItIs,
  answer: null,
  isAsking: false,
  removals: [],
  removable: null,
  isRanking: false,
  fault: null,
};

export const branchStore = createStore<BranchState>(() => initial);

/** Whoever is asking; a later one, or another result, takes the turn. */
let opening: AbortController | null = null;
let asking: AbortController | null = null;
let ranking: AbortController | null = null;

/** Begins anew for another result. */
function about(result: RunResult): void {
  if (branchStore.getState().of === result) return;
  for (const one of [opening, asking, ranking]) one?.abort();
  [opening, asking, ranking] = [null, null, null];
  branchStore.setState({ ...initial, of: result }, true);
}

const untold = (fault: Fault): Fault | null => (isCancelled(fault) ? null : fault);

/** Asks what is shown before anything is switched: the answers of the run, and its branches. */
export async function openBranches(trainer: UnderstandActions, result: RunResult): Promise<void> {
  about(result);
  const own = new AbortController();
  opening = own;
  branchStore.setState({ isOpening: true, fault: null });
  if (understandStore.getState().answers.validation === undefined) await trainer.askAbout('validation');
  // A fault of that is told by the card of the answers.
  const isAnswered = understandStore.getState().answers.validation !== undefined;
  const reply =
    isAnswered && opening === own ? await trainer.askBranches('branchFigures', null, own.signal) : null;
  if (opening !== own) return;
  opening = null;
  const { validation: fault = null } = understandStore.getState().faults;
  if (reply === null) branchStore.setState({ isOpening: false, fault });
  else if (reply.ok) branchStore.setState({ isOpening: false, figures: reply.value });
  else branchStore.setState({ isOpening: false, fault: untold(reply.fault) });
}

export function stopOpening(trainer: UnderstandActions): void {
  trainer.stopAsking();
  opening?.abort();
}

const isAsItIs = ({ off, restored, scalars }: Counterfactual): boolean =>
  off.length === 0 && restored.length === 0 && scalars.size === 0;

/** Switches, and asks what is answered then; of several the last. */
export async function tryBranches(trainer: UnderstandActions, what: Counterfactual): Promise<void> {
  asking?.abort();
  const own = new AbortController();
  asking = own;
  if (isAsItIs(what)) {
    branchStore.setState({ what, answer: null, isAsking: false, fault: null });
    return;
  }
  branchStore.setState({ what, isAsking: true, fault: null });
  const reply = await trainer.askBranches('whatIf', { set: 'validation', what }, own.signal);
  if (asking !== own) return;
  if (reply.ok) branchStore.setState({ isAsking: false, answer: { what, logits: reply.value } });
  else branchStore.setState({ isAsking: false, answer: null, fault: untold(reply.fault) });
}

/** Measures what removals cost, part by part, from where it was stopped. */
export async function rankRemovals(trainer: UnderstandActions): Promise<void> {
  if (ranking !== null) return;
  const own = new AbortController();
  ranking = own;
  branchStore.setState({ isRanking: true, fault: null });
  for (;;) {
    const { length: from } = branchStore.getState().removals;
    const reply = await trainer.askBranches('removals', { from }, own.signal);
    if (ranking !== own) return;
    if (!reply.ok) {
      branchStore.setState({ fault: untold(reply.fault) });
      break;
    }
    const { costs, total } = reply.value;
    branchStore.setState(({ removals }) => ({ removals: [...removals, ...costs], removable: total }));
    if (own.signal.aborted || from + costs.length >= total) break;
  }
  ranking = null;
  branchStore.setState({ isRanking: false });
}

export const stopRanking = (): void => ranking?.abort();

export function useBranches<T>(selector: (state: BranchState) => T): T {
  return useStore(branchStore, selector);
}
