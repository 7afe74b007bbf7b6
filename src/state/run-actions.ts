// What the page does with a run: starts and steers it, and takes its result out.
import { isCancelled, isToldHere } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import { chartStore } from './chart-store.ts';
import { dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { chosenFormats, clearExport, exportStore } from './export-store.ts';
import { hubStore } from './hub-store.ts';
import { recipeStore } from './recipe-store.ts';
import { clearRun, runStore, saveRun } from './run-store.ts';
import { forgetSaved } from './saved-runs-store.ts';
import { stepLog } from './step-log.ts';
import { forgetAnswers } from './understand-store.ts';
import type { Result } from '../shared/result.ts';
import type { Commands, RunSummary, TrainerEvent } from '../worker/protocol.ts';

export interface RunActions {
  /** Starts a run, which waits after its first step where it is to be watched by steps. */
  start(then?: 'train' | 'step'): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  step(): Promise<void>;
  /**
   * Ends the run; before its first step as if it had not been started, and while something is measured without
   * that.
   */
  stop(): Promise<void>;
  /** Writes and proves the formats that are chosen in the export store. */
  exportModel(): Promise<void>;
  /** Stops the export that is under way; the page is free at once, and nothing of it is offered. */
  cancelExport(): Promise<void>;
}

/** The actions, and what other parts of the page need of them. */
export interface Runs {
  readonly actions: RunActions;
  /** Starts a run by a recipe that need not be that of the form, on images that are called so. */
  begin(input: Omit<Commands['start']['input'], 'engine'>, images?: string): Promise<Result<RunSummary>>;
  /** Is told every event before the stores are; shows the last run again where the next came to nothing. */
  before(event: TrainerEvent): void;
  /** Asks what the run that has ended measured. */
  fetchResult(): Promise<void>;
  /** Says that another run was asked for, or that it is there or will not come. */
  expect(asked: boolean): void;
}

export function createRuns(client: TrainerClient): Runs {
  /** The last run is forgotten when the worker shows that the next one begins, not when it is asked to. */
  let startAsked = false;
  /** Shows the last run again where the next one came to nothing. */
  let bringBack = (): void => undefined;
  /** Stops the start that is not answered yet; null without one. */
  let starting: AbortController | null = null;
  /** Counts exports and their cancels: only the answer to the last one is shown. */
  let exportTurn = 0;

  function forgetRun(): void {
    const [run, rows, exported, { push }] = [
      saveRun(),
      stepLog.save(),
      exportStore.getState(),
      hubStore.getState(),
    ];
    const kept = forgetSaved();
    const answers = forgetAnswers();
    bringBack = () => {
      rows();
      run();
      kept();
      answers();
      exportStore.setState(exported, true);
      hubStore.setState({ push });
    };
    stepLog.clear();
    // Zoom and crosshair were of that run.
    chartStore.setState({ pointed: null, range: null });
    clearRun();
    clearExport();
    hubStore.setState({ push: { kind: 'none' } });
  }

  /** Steers the run; done when the phase shows it (see events.ts). */
  async function steer(name: 'pause' | 'resume' | 'step' | 'stop'): Promise<void> {
    runStore.setState({ pending: name, fault: null });
    const reply = await client.call(name, null);
    // That the worker died is told for all commands at once (trainer.ts).
    if (!reply.ok && reply.fault.kind !== 'worker-died')
      runStore.setState({ pending: null, fault: reply.fault });
  }

  async function fetchResult(): Promise<void> {
    const reply = await client.call('result', null);
    if (reply.ok) runStore.setState({ result: reply.value });
    else if (isToldHere(reply.fault)) runStore.setState({ fault: reply.fault });
  }

  async function begin(
    input: Omit<Commands['start']['input'], 'engine'>,
    images = dataStore.getState().data?.title ?? null,
  ): Promise<Result<RunSummary>> {
    startAsked = true;
    const stop = new AbortController();
    starting = stop;
    runStore.setState({ pending: 'start', fault: null });
    const reply = await client.call('start', { ...input, engine: 'auto' }, stop.signal);
    startAsked = false;
    starting = null;
    deviceStore.setState({ progress: null });
    if (!reply.ok) {
      if (reply.fault.kind !== 'worker-died')
        runStore.setState({ pending: null, fault: isCancelled(reply.fault) ? null : reply.fault });
      return reply;
    }
    const summary = reply.value;
    runStore.setState(({ modules }) => ({
      pending: null,
      images,
      summary,
      modules: modules.length > 0 ? modules : summary.modules,
    }));
    // The stop came when there was nothing left to start.
    if (stop.signal.aborted) await steer('stop');
    return reply;
  }

  const actions: RunActions = {
    async start(then = 'train') {
      const { recipe, backend } = recipeStore.getState();
      if (recipe !== null) await begin({ recipe, backend, then });
    },
    pause: () => steer('pause'),
    resume: () => steer('resume'),
    step: () => steer('step'),
    async stop() {
      if (starting === null) return steer('stop');
      runStore.setState({ pending: 'stop' });
      starting.abort();
    },
    async exportModel() {
      const turn = ++exportTurn;
      exportStore.setState({ status: 'exporting', result: null, fault: null });
      const { choice } = exportStore.getState();
      const formats = chosenFormats(choice, runStore.getState().summary?.recipe);
      const reply = await client.call('exportModel', {
        formats,
        dtype: choice.dtype,
        tempered: choice.tempered,
      });
      if (exportStore.getState().status !== 'exporting' || turn === exportTurn)
        deviceStore.setState({ progress: null });
      if (turn !== exportTurn) return;
      exportStore.setState(
        reply.ok ? { status: 'done', result: reply.value } : { status: 'none', fault: reply.fault },
      );
    },
    async cancelExport() {
      if (exportStore.getState().status !== 'exporting') return;
      exportTurn += 1;
      exportStore.setState({ status: 'none' });
      deviceStore.setState({ progress: null });
      await client.call('cancelExport', null);
    },
  };
  return {
    actions,
    begin,
    fetchResult,
    expect(asked) {
      startAsked = asked;
    },
    before(event) {
      if (event.kind === 'undone') {
        bringBack();
        bringBack = () => undefined;
      }
      if (!startAsked || event.kind !== 'phase' || event.phase.kind !== 'preparing') return;
      startAsked = false;
      forgetRun();
    },
  };
}
