// Routes the worker's events into the stores. The only place where events are read; knows no React.
import { addRejected, dataStore } from './data-store.ts';
import { deviceStore } from './device-store.ts';
import { runStore, withMoment, type RunCommand } from './run-store.ts';
import { savedRunsStore } from './saved-runs-store.ts';
import { stepLog } from './step-log.ts';
import type { DropRecord, Phase, TrainerEvent } from '../worker/protocol.ts';

const dropKey = ({ step, module, branch }: DropRecord): string => `${step} ${module} ${branch}`;

/**
 * A command that steers the run is answered at once and done later: it is pending until the phase shows it.
 * Start is done with its reply.
 */
function isDone(command: RunCommand, { kind }: Phase): boolean {
  const ended = kind === 'finished' || kind === 'failed';
  switch (command) {
    case 'start':
      return false;
    case 'pause':
    case 'step':
      return kind === 'paused' || ended;
    case 'resume':
      return kind !== 'paused';
    case 'stop':
      return ended;
    default:
      return command satisfies never;
  }
}

/**
 * Applies one event. A fault is kept in place until the next command; the phase says whether the run can go
 * on.
 */
export function routeEvent(event: TrainerEvent): void {
  switch (event.kind) {
    case 'phase': {
      const { phase } = event;
      runStore.setState(({ pending, fault }) => ({
        phase,
        fault: phase.kind === 'failed' ? phase.fault : fault,
        pending: pending !== null && isDone(pending, phase) ? null : pending,
      }));
      return;
    }
    case 'progress': {
      const { what, done, total, unit } = event;
      deviceStore.setState({ progress: { what, done, total, ...(unit === undefined ? {} : { unit }) } });
      return;
    }
    case 'steps': {
      const { rows, imagesPerSecond, secondsPerStep, secondsLeft, memory } = event;
      stepLog.append(rows, imagesPerSecond);
      runStore.setState(({ logVersion }) => ({
        logVersion: logVersion + 1,
        speed: { imagesPerSecond, secondsPerStep, secondsLeft, memory },
      }));
      return;
    }
    case 'branches':
      runStore.setState(({ moments, ranked }) => ({
        modules: event.modules,
        moments: withMoment(moments, event),
        ranked: event.modules.some(({ rank }) => rank !== undefined)
          ? withMoment(ranked, event)
          : ranked.filter(({ step }) => step <= event.step),
      }));
      return;
    case 'dropped': {
      const told = new Set(event.drops.map(dropKey));
      runStore.setState(({ drops }) => ({
        drops: [...drops.filter((drop) => !told.has(dropKey(drop))), ...event.drops],
      }));
      return;
    }
    case 'evaluated': {
      const { step, epoch, validation } = event;
      runStore.setState(({ evaluations, logVersion }) => ({
        evaluations: [...evaluations.filter((known) => known.step < step), { step, epoch, validation }],
        logVersion: logVersion + 1,
      }));
      return;
    }
    case 'diverging':
      runStore.setState({ diverging: event.fault });
      return;
    case 'recovered': {
      const { fault, memoryPlan } = event;
      runStore.setState(({ summary }) => ({
        recovered: fault,
        summary: summary === null ? null : { ...summary, memoryPlan },
      }));
      return;
    }
    case 'pixels':
      dataStore.setState({ pixels: event });
      return;
    case 'saved':
      savedRunsStore.setState({ saved: { id: event.id, step: event.step }, notSaved: null });
      return;
    case 'not-saved':
      savedRunsStore.setState({ notSaved: event.fault });
      return;
    case 'rejected':
      addRejected(event.files);
      return;
    case 'measured': // trainer.ts asks again what a run takes
    case 'undone': // run-actions.ts shows the last run again
      return;
    case 'fault':
      runStore.setState({ fault: event.fault });
      return;
    default:
      event satisfies never;
  }
}
