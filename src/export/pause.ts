// Where an export may be interrupted: between two pieces of work everything else gets its turn, and a cancel
// ends the export there, before anything of it was offered.
import { FaultError } from '../shared/describe-fault.ts';
import { cancelled } from '../shared/fault.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';

/** Gives other work its turn; throws the fault of a cancelled export once there is one. */
export type Pause = () => Promise<void>;

export function pauseOf(signal: AbortSignal): Pause {
  return async () => {
    await yieldToEventLoop();
    if (signal.aborted) throw new FaultError(cancelled('export'));
  };
}
