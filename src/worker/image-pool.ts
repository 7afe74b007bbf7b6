// The pool of image workers: made on demand, as many as there are cores, each with one image at a time, ended
// when there has been nothing to do for a while, or when they fall silent. Where workers cannot be made the work
// is done on this thread.
import type { ImageWork, ImageWorker, ImageWorkName, WorkOptions } from '../data/image-work.ts';
import type { ItemProblem } from '../data/item.ts';
import { abortReason } from '../shared/concurrent.ts';
import { beatMessage, Heartbeat, pingMessage, type Ticker } from '../shared/heartbeat.ts';
import { fail, type Result } from '../shared/result.ts';

export type PoolRequest = {
  [K in ImageWorkName]: { readonly name: K; readonly input: ImageWork[K]['input'] };
}[ImageWorkName];

export interface PoolAnswer {
  readonly result: Result<ImageWork[ImageWorkName]['output'], ItemProblem>;
}

/** What the pool needs of a Worker. */
export type PoolWorker = Pick<Worker, 'postMessage' | 'terminate' | 'onmessage' | 'onerror'>;

interface Job {
  readonly request: PoolRequest;
  readonly settle: (result: PoolAnswer['result']) => void;
  readonly refuse: (reason: unknown) => void;
  /** Whether somebody still waits for it. */
  wanted: boolean;
}

interface Busy {
  readonly job: Job;
  readonly heartbeat: Heartbeat;
}

const mostWorkers = 8;
/** Workers hold decoders and canvases: they go after this time without work. */
const idleMs = 10_000;

/** The pool of this browser. */
export function browserImagePool(): ImageWorker {
  const make = (): PoolWorker =>
    new Worker(new URL('./image.worker.ts', import.meta.url), { type: 'module' });
  const cores = Math.max(1, Math.min(mostWorkers, navigator.hardwareConcurrency));
  return new ImagePool(make, cores, async () => (await import('../data/image-work.ts')).browserImageWorker());
}

export class ImagePool implements ImageWorker {
  /** Workers without work. */
  readonly #idle: PoolWorker[] = [];
  readonly #busy = new Map<PoolWorker, Busy>();
  readonly #urgent: Job[] = [];
  readonly #background: Job[] = [];
  /** Whether a worker has ever answered; one that fails before that will always fail. */
  #works = false;
  #local: Promise<ImageWorker> | null = null;
  #ending: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly makeWorker: () => PoolWorker,
    private readonly size: number,
    /** This thread, for browsers without workers within workers. */
    private readonly here: () => Promise<ImageWorker>,
    private readonly ticker?: Ticker,
  ) {}

  get width(): number {
    return this.#local === null ? this.size : 1;
  }

  do<K extends ImageWorkName>(
    name: K,
    input: ImageWork[K]['input'],
    { signal, background = false }: WorkOptions = {},
  ): Promise<Result<ImageWork[K]['output'], ItemProblem>> {
    if (this.#local !== null) return this.#local.then((local) => local.do(name, input, { signal }));
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(abortReason(signal));
        return;
      }
      const job: Job = {
        request: { name, input } as PoolRequest,
        // The worker answers what it was asked.
        settle: (result) => {
          signal?.removeEventListener('abort', stop);
          resolve(result);
        },
        refuse: reject,
        wanted: true,
      };
      const stop = (): void => {
        job.wanted = false;
        if (signal !== undefined) reject(abortReason(signal));
      };
      signal?.addEventListener('abort', stop, { once: true });
      (background ? this.#background : this.#urgent).push(job);
      this.#hand();
    });
  }

  /** Gives waiting work to workers that have none, what somebody waits for first. */
  #hand(): void {
    while (this.#local === null && (this.#idle.length > 0 || this.#busy.size < this.size)) {
      const job = this.#urgent.shift() ?? this.#background.shift();
      if (job === undefined) break;
      if (!job.wanted) continue;
      const worker = this.#idle.pop() ?? this.#start();
      if (worker === null) {
        this.#urgent.unshift(job);
        this.#goLocal();
        return;
      }
      clearTimeout(this.#ending);
      this.#watch(worker, job);
      const { request } = job;
      const { content } = request.input;
      // What is given away is gone if the worker turns out to be none.
      const given = this.#works && content instanceof Uint8Array ? [content.buffer] : [];
      worker.postMessage(request, given);
    }
    if (this.#busy.size > 0 || this.#idle.length === 0) return;
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => {
      for (const worker of this.#idle.splice(0)) worker.terminate();
    }, idleMs);
  }

  #start(): PoolWorker | null {
    try {
      const worker = this.makeWorker();
      worker.onmessage = ({ data }: MessageEvent<PoolAnswer | typeof beatMessage>) => {
        this.#works = true;
        if (data === beatMessage) {
          this.#busy.get(worker)?.heartbeat.heard();
          return;
        }
        const job = this.#take(worker);
        this.#idle.push(worker);
        job?.settle(data.result);
        this.#hand();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        this.#lost(worker);
      };
      return worker;
    } catch {
      return null;
    }
  }

  /** A worker has work now, and is looked after until it is done. */
  #watch(worker: PoolWorker, job: Job): void {
    const heartbeat = new Heartbeat(
      () => worker.postMessage(pingMessage),
      () => this.#lost(worker),
      this.ticker,
    );
    this.#busy.set(worker, { job, heartbeat });
    heartbeat.start();
  }

  /** The work of a worker, which has it no longer. */
  #take(worker: PoolWorker): Job | undefined {
    const busy = this.#busy.get(worker);
    busy?.heartbeat.stop();
    this.#busy.delete(worker);
    return busy?.job;
  }

  /**
   * A worker has ended: what it worked on may have ended it, so only a pool that never worked tries again.
   */
  #lost(worker: PoolWorker): void {
    worker.terminate();
    const job = this.#take(worker);
    if (!this.#works) {
      if (job !== undefined) this.#urgent.unshift(job);
      this.#goLocal();
      return;
    }
    job?.settle(fail({ code: 'undecodable', reason: "The browser's decoder ended at it." }));
    this.#hand();
  }

  /** No worker can be made here: everything that waits is done on this thread, and so is what comes. */
  #goLocal(): void {
    this.#local ??= this.here();
    const local = this.#local;
    const begun = [...this.#busy.keys()].flatMap((worker) => {
      worker.terminate();
      return this.#take(worker) ?? [];
    });
    const jobs = [...begun, ...this.#urgent.splice(0), ...this.#background.splice(0)];
    void (async () => {
      for (const { request, settle, refuse, wanted } of jobs)
        if (wanted) await (await local).do(request.name, request.input).then(settle, refuse);
    })();
  }
}
