// The page's side of the border: sends requests, matches replies, hands out events. When the worker dies, or
// gives no sign of life for long, every open call ends with a fault, a new worker is started and the page is
// told. Knows nothing of React.
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { uncaughtFault } from '../shared/describe-fault.ts';
import { cancelled, type Fault } from '../shared/fault.ts';
import { Heartbeat, type Ticker } from '../shared/heartbeat.ts';
import { fail, type Result } from '../shared/result.ts';
import type {
  CommandName,
  Commands,
  Message,
  ProtocolVersion,
  Reply,
  SourceFile,
  ToWorker,
  TrainerEvent,
} from './protocol.ts';

export const protocolVersion: ProtocolVersion = 1;

const closedFault: Fault = { kind: 'worker-died', detail: 'The worker was closed.', restarted: false };

/** Files in one message, and how long the page may be held up by messages before others have a turn. */
const [filesAtOnce, pieceMs] = [16, 8];

/** The files that an input opens. */
function sourceFiles(input: Commands[CommandName]['input']): readonly SourceFile[] {
  if (input === null || !('source' in input) || input.source.kind !== 'files') return [];
  return input.source.files;
}

type Settle<K extends CommandName> = (result: Result<Commands[K]['output']>) => void;
type Failed = Extract<Result<never>, { readonly ok: false }>;
type Pending = { [K in CommandName]: Map<number, Settle<K>> };

export interface TrainerClient {
  /**
   * Sends one command; resolves with its output or a fault, and never rejects. A command that is stopped by
   * the signal ends with a fault that `isCancelled` tells, unless it was done before.
   */
  call<K extends CommandName>(
    name: K,
    input: Commands[K]['input'],
    signal?: AbortSignal,
  ): Promise<Result<Commands[K]['output']>>;
  /** Ends the worker for good; open calls resolve with a fault. */
  close(): void;
}

/**
 * Starts the training worker.
 *
 * @param makeWorker starts a worker; called again when one dies.
 * @param onEvent receives every event, and a fault of kind 'worker-died' when the worker had to be replaced.
 * @param ticker says when to look after the worker; without it the clock does.
 */
export function startClient(
  makeWorker: () => Worker,
  onEvent: (event: TrainerEvent) => void,
  ticker?: Ticker,
): TrainerClient {
  let nextId = 1;
  let closed = false;
  /** A worker that dies before its first message would die again: it is not replaced. */
  let spoke = false;
  const pending: Pending = {
    hello: new Map(),
    openModel: new Map(),
    adapterOffer: new Map(),
    sortHandles: new Map(),
    openData: new Map(),
    splitData: new Map(),
    editImages: new Map(),
    gallery: new Map(),
    writeSet: new Map(),
    imagePaths: new Map(),
    thumbnails: new Map(),
    checkImages: new Map(),
    checkLabels: new Map(),
    viewStep: new Map(),
    galleryPictures: new Map(),
    restAhead: new Map(),
    start: new Map(),
    estimate: new Map(),
    pause: new Map(),
    resume: new Map(),
    step: new Map(),
    stop: new Map(),
    result: new Map(),
    chanceError: new Map(),
    exportModel: new Map(),
    cancelExport: new Map(),
    ask: new Map(),
    look: new Map(),
    tryImages: new Map(),
    openToTry: new Map(),
    whatIf: new Map(),
    removals: new Map(),
    branchFigures: new Map(),
    runThumbnails: new Map(),
    cancelTransfer: new Map(),
    suggestedModels: new Map(),
    cachedModels: new Map(),
    deleteCached: new Map(),
    offerDataSet: new Map(),
    storedPixels: new Map(),
    deletePixels: new Map(),
    pushToHub: new Map(),
    saveRun: new Map(),
    savedRuns: new Map(),
    runFigures: new Map(),
    openRun: new Map(),
    renameRun: new Map(),
    deleteRun: new Map(),
    runFile: new Map(),
    takeRun: new Map(),
    clearStorage: new Map(),
    proofFile: new Map(),
  };
  const heartbeat = new Heartbeat(
    () => worker.postMessage({ kind: 'ping' } satisfies ToWorker),
    () => replace('It gave no sign of life for half a minute: it ended, or was caught in a computation.'),
    ticker,
  );
  /** What fails on one event, as a part of the page may, leaves the others of its message to be heard. */
  function tell(event: TrainerEvent): void {
    try {
      onEvent(event);
    } catch (thrown) {
      reportError(thrown);
    }
  }
  let worker = connect();

  function connect(): Worker {
    const started = makeWorker();
    started.onmessage = ({ data }: MessageEvent<Message>) => {
      if (!spoke) heartbeat.start();
      spoke = true;
      heartbeat.heard();
      if (data.kind === 'events') for (const event of data.events) tell(event);
      else if (data.kind === 'reply') settle(data);
      else data.kind satisfies 'beat';
    };
    // A script that fails to load or throws at its top level arrives here. What is thrown later, and caught by
    // nobody, ends one task of the worker and not the worker.
    started.onerror = (event) => {
      event.preventDefault();
      const { message } = event;
      if (spoke) onEvent({ kind: 'fault', fault: uncaughtFault(message) });
      else replace(message === '' ? 'The worker script could not be loaded.' : message);
    };
    return started;
  }

  /** Hands a command over, its files before it where there are many; nothing more once it is stopped. */
  async function send<K extends CommandName>(
    id: number,
    name: K,
    input: Commands[K]['input'],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const to = worker;
    const post = (message: ToWorker): void => to.postMessage(message);
    signal?.addEventListener('abort', () => post({ kind: 'cancel', id }), { once: true });
    const files = sourceFiles(input);
    const inParts = files.length > filesAtOnce;
    let begun = performance.now();
    for (let at = 0; inParts && at < files.length; at += filesAtOnce) {
      post({ kind: 'files', id, files: files.slice(at, at + filesAtOnce) });
      if (performance.now() - begun < pieceMs) continue;
      await yieldToEventLoop();
      if (signal?.aborted === true) {
        settle({ kind: 'reply', id, name, result: fail(cancelled(name)) });
        return;
      }
      // It ended meanwhile, and so did the call.
      if (to !== worker || closed) return;
      begun = performance.now();
    }
    const rest = inParts ? { ...input, source: { kind: 'files', files: [] } } : input;
    // The parts of a union lose their tie to `name` here; the worker's table of handlers holds it again.
    post({ kind: 'request', id, name, input: rest } as ToWorker);
    if (signal?.aborted === true) post({ kind: 'cancel', id });
  }

  function settle<K extends CommandName>(reply: Reply<K>): void {
    const waiting: Map<number, Settle<K>> = pending[reply.name];
    const resolve = waiting.get(reply.id);
    waiting.delete(reply.id);
    resolve?.(reply.result);
  }

  function failAll(fault: Fault): void {
    // A failure is one of every command: the union of all answers is more than the compiler takes.
    const all: readonly Map<number, (failed: Failed) => void>[] = Object.values(pending);
    for (const waiting of all) {
      for (const resolve of waiting.values()) resolve(fail(fault));
      waiting.clear();
    }
  }

  function replace(detail: string): void {
    if (closed) return;
    worker.terminate();
    heartbeat.stop();
    const fault: Fault = { kind: 'worker-died', detail, restarted: spoke };
    failAll(fault);
    if (spoke) worker = connect();
    else closed = true;
    spoke = false;
    onEvent({ kind: 'fault', fault });
  }

  return {
    call(name, input, signal) {
      if (closed) return Promise.resolve(fail(closedFault));
      const id = nextId++;
      return new Promise((resolve) => {
        pending[name].set(id, resolve);
        void send(id, name, input, signal);
      });
    },
    close() {
      closed = true;
      worker.terminate();
      heartbeat.stop();
      failAll(closedFault);
    },
  };
}
