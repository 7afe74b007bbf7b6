// Where runs of an ablation go: a place does one run after the other. In a browser it is a page with a worker
// of its own (pages.ts), without one a process. What fails takes its place with it, and the next run gets a
// new one.
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Progress, Training } from '../finetune/drive.mjs';
import { UserError } from '../finetune/user-error.mjs';
import { dist, root } from '../setup/paths.mjs';
import type { Told } from './node-trials.mjs';
import { withPages } from './pages.ts';
import type { Measured } from './trial.mjs';

/** A run: the name of its set, and all of it. */
export interface PlacedJob {
  readonly set: string;
  readonly job: Training;
}

/** Does runs; two of one place never at a time. */
export interface Places {
  run(place: number, job: PlacedJob, progress: Progress): Promise<Measured>;
}

const script = path.join(root, 'scripts/ablate/node-trials.mjs');

/** Processes of Node, each with the built app in it. */
class Processes implements Places {
  readonly #open = new Map<number, ChildProcess>();
  readonly #url = pathToFileURL(`${dist}/`).href;

  run(place: number, { set, job }: PlacedJob, progress: Progress): Promise<Measured> {
    const child = this.#open.get(place) ?? fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#open.set(place, child);
    return new Promise<Measured>((resolve, reject) => {
      const over = (): void => {
        child.off('message', hear).off('exit', ended).off('error', broken);
      };
      const failed = (message: string): void => {
        over();
        this.#open.delete(place);
        child.kill();
        reject(new UserError(message));
      };
      const hear = (told: Told): void => {
        if (told.kind === 'event') progress.event(told.event);
        else if (told.kind === 'failed') failed(told.message);
        else {
          over();
          resolve(told.measured);
        }
      };
      const ended = (code: number | null, signal: string | null): void =>
        failed(
          `Its process ended (${signal ?? `exit code ${String(code)}`}): it may have run out of memory.`,
        );
      const broken = (error: Error): void => failed(`Its process could not be started: ${error.message}`);
      child.on('message', hear).on('exit', ended).on('error', broken);
      child.send({ url: this.#url, set, job });
    });
  }

  close(): void {
    for (const child of this.#open.values()) child.kill();
  }
}

export type Within<T> = (places: Places) => Promise<T>;

/** Work with places in the built app; they go when the signal aborts, and the runs in them with an error. */
export function withPlaces<T>(runtime: 'browser' | 'node', signal: AbortSignal, work: Within<T>): Promise<T> {
  return runtime === 'node' ? withProcesses(signal, work) : withPages(signal, work);
}

async function withProcesses<T>(signal: AbortSignal, work: Within<T>): Promise<T> {
  const processes = new Processes();
  signal.addEventListener('abort', () => processes.close(), { once: true });
  try {
    return await work(processes);
  } finally {
    processes.close();
  }
}
