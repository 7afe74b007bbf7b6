// The page's side of the border: sends requests, matches replies, hands out events. When the worker dies
// every open call ends with a fault, a new worker is started and the page is told. Knows nothing of React.
import type { Fault } from '../shared/fault.ts';
import { fail, type Result } from '../shared/result.ts';
import type { CommandName, Commands, Message, ProtocolVersion, Reply, TrainerEvent } from './protocol.ts';

export const protocolVersion: ProtocolVersion = 1;

const closedFault: Fault = { kind: 'worker-died', detail: 'The worker was closed.', restarted: false };

type Settle<K extends CommandName> = (result: Result<Commands[K]['output']>) => void;
type Pending = { [K in CommandName]: Map<number, Settle<K>> };

export interface TrainerClient {
  /** Sends one command; resolves with its output or a fault, and never rejects. */
  call<K extends CommandName>(name: K, input: Commands[K]['input']): Promise<Result<Commands[K]['output']>>;
  /** Ends the worker for good; open calls resolve with a fault. */
  close(): void;
}

/**
 * Starts the training worker.
 *
 * @param makeWorker starts a worker; called again when one dies.
 * @param onEvent receives every event, and a fault of kind 'worker-died' when the worker had to be replaced.
 */
export function startClient(makeWorker: () => Worker, onEvent: (event: TrainerEvent) => void): TrainerClient {
  let nextId = 1;
  let closed = false;
  /** A worker that dies before its first message would die again: it is not replaced. */
  let spoke = false;
  const pending: Pending = {
    hello: new Map(),
    openModel: new Map(),
    adapterOffer: new Map(),
    openData: new Map(),
    splitData: new Map(),
    thumbnails: new Map(),
    start: new Map(),
    pause: new Map(),
    resume: new Map(),
    step: new Map(),
    stop: new Map(),
    result: new Map(),
    exportModel: new Map(),
    cancelExport: new Map(),
    cancelTransfer: new Map(),
    suggestedModels: new Map(),
    cachedModels: new Map(),
    deleteCached: new Map(),
    pushToHub: new Map(),
    proofFile: new Map(),
  };
  let worker = connect();

  function connect(): Worker {
    const started = makeWorker();
    started.onmessage = ({ data }: MessageEvent<Message>) => {
      spoke = true;
      if (data.kind === 'event') onEvent(data.event);
      else settle(data);
    };
    // A script that fails to load or throws at its top level arrives here.
    started.onerror = (event) => {
      event.preventDefault();
      replace(event.message === '' ? 'The worker script could not be loaded.' : event.message);
    };
    return started;
  }

  function settle<K extends CommandName>(reply: Reply<K>): void {
    const waiting: Map<number, Settle<K>> = pending[reply.name];
    const resolve = waiting.get(reply.id);
    waiting.delete(reply.id);
    resolve?.(reply.result);
  }

  function failAll(fault: Fault): void {
    for (const waiting of Object.values(pending)) {
      for (const resolve of waiting.values()) resolve(fail(fault));
      waiting.clear();
    }
  }

  function replace(detail: string): void {
    if (closed) return;
    worker.terminate();
    const fault: Fault = { kind: 'worker-died', detail, restarted: spoke };
    failAll(fault);
    if (spoke) worker = connect();
    else closed = true;
    spoke = false;
    onEvent({ kind: 'fault', fault });
  }

  return {
    call(name, input) {
      if (closed) return Promise.resolve(fail(closedFault));
      const id = nextId++;
      return new Promise((resolve) => {
        pending[name].set(id, resolve);
        worker.postMessage({ id, name, input });
      });
    },
    close() {
      closed = true;
      worker.terminate();
      failAll(closedFault);
    },
  };
}
