// The workers that help an engine on the processor (engine/autodiff/shards.ts): those of an engine that is
// gone wait for the next one for a while, which then need not start threads and load what computes in them anew.
import type { ShardPort } from '../engine/autodiff/shards.ts';

/** So long a worker without an engine is kept, in ms: what it holds is memory of the machine. */
const idleMs = 60_000;

/** What is used of a Worker. */
export interface ShardWorker extends ShardPort {
  terminate(): void;
}

export class ShardWorkers {
  readonly #idle = new Map<ShardWorker, ReturnType<typeof setTimeout>>();

  constructor(private readonly start: () => ShardWorker) {}

  /** A worker that serves a shard: one that waits, or a new one. */
  readonly open = (): ShardPort => {
    for (const [worker, end] of this.#idle) {
      clearTimeout(end);
      this.#idle.delete(worker);
      return worker;
    }
    const worker = this.start();
    return Object.assign(worker, { release: () => this.#keep(worker) });
  };

  #keep(worker: ShardWorker): void {
    const end = (): void => {
      this.#idle.delete(worker);
      worker.terminate();
    };
    // One that dies meanwhile is not handed out.
    worker.onerror = () => {
      clearTimeout(this.#idle.get(worker));
      end();
    };
    this.#idle.set(worker, setTimeout(end, idleMs));
  }
}
