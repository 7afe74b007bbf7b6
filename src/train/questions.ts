// Questions that are put to a run while it trains: answered between two steps, by the engine that holds the state
// which was just kept, and never by leaving anything else on it. The run goes on as if nobody had asked.
import type { Adapter } from '../dmlora/adapter.ts';
import type { Engine } from '../engine/engine.ts';
import { FaultError, faultOfThrown } from '../shared/describe-fault.ts';
import { cancelled, isCancelled } from '../shared/fault.ts';
import { fail, type Result } from '../shared/result.ts';
import type { RunState } from './run-state.ts';

/** Leaves the engine as it was; what it holds meanwhile is the question's own affair. */
export type Question<T> = (engine: Engine, state: RunState) => Promise<Result<T>>;

interface Waiting {
  answer(engine: Engine, state: RunState): Promise<void>;
  giveUp(): void;
}

export class Questions {
  readonly #waiting = new Set<Waiting>();

  get areWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** The answer; null where the run ended, or failed, before anybody answered. */
  ask<T>(question: Question<T>, signal: AbortSignal): Promise<Result<T> | null> {
    return new Promise((resolve) => {
      const done = (answer: Result<T> | null): void => {
        signal.removeEventListener('abort', stop);
        this.#waiting.delete(waiting);
        resolve(answer);
      };
      const stop = (): void => done(fail(cancelled('ask the model')));
      const waiting: Waiting = {
        answer: async (engine, state) => {
          this.#waiting.delete(waiting);
          const answer = await question(engine, state).catch((thrown: unknown) =>
            fail(faultOfThrown(thrown)),
          );
          done(answer);
          if (answer.ok || isCancelled(answer.fault)) return;
          // The fault is the asker's; only a device that is gone is the run's affair as well.
          if (answer.fault.kind === 'device-lost') throw new FaultError(answer.fault);
          const back = await engine.writeAdapter(state.adapter);
          if (!back.ok) throw new FaultError(back.fault);
        },
        giveUp: () => done(null),
      };
      this.#waiting.add(waiting);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop);
    });
  }

  /**
   * Answers all that wait. After a fault the engine holds the state's adapter again; throws a FaultError where it
   * could not, or where its device was lost.
   */
  async answer(engine: Engine, state: RunState): Promise<void> {
    for (const waiting of this.#waiting) await waiting.answer(engine, state);
  }

  /** Nobody will answer any more. */
  giveUp(): void {
    for (const waiting of this.#waiting) waiting.giveUp();
  }
}

/**
 * Asks an engine that holds `own` while it holds another adapter; its own is on it again before the answer is
 * given, whatever that is.
 */
export async function askedWith<T>(
  engine: Engine,
  other: Adapter,
  own: Adapter,
  question: (engine: Engine) => Promise<Result<T>>,
): Promise<Result<T>> {
  if (other === own) return question(engine);
  const written = await engine.writeAdapter(other);
  if (!written.ok) return written;
  const answer = await question(engine).catch((thrown: unknown) => fail(faultOfThrown(thrown)));
  const back = await engine.writeAdapter(own);
  return back.ok ? answer : back;
}
