// The worker's side of the border: receives commands, answers each with a Result, and turns whatever is
// thrown into a fault. Long commands run one after the other; those that steer a run are answered at once.
import { describeGpu } from '../engine/gpu.ts';
import { serveEngineShard } from '../engine/make-engine.ts';
import { refusedByPolicy } from '../hub/hub-fetch.ts';
import { unlessAborted } from '../shared/concurrent.ts';
import { faultOfThrown, uncaughtFault } from '../shared/describe-fault.ts';
import { cancelled } from '../shared/fault.ts';
import { respectAnew } from '../shared/hand.ts';
import { tellBeats } from '../shared/heartbeat.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { InTurn } from './trying.ts';
import { EventStream } from './event-stream.ts';
import type {
  CommandName,
  Commands,
  Hello,
  Message,
  ProtocolVersion,
  Reply,
  Request,
  SourceFile,
  ToWorker,
} from './protocol.ts';
import { chanceError } from '../understand/calibration.ts';
import { Session, shardName } from './session.ts';
import { suggestedModels } from './suggested-models.ts';

declare const __BUILD__: string;
/** Compared with the page's: both are built together, but a cached page may be older. */
const ownProtocol: ProtocolVersion = 1;

declare const self: DedicatedWorkerGlobalScope;

const post = (message: Message): void => self.postMessage(message);

// A request that the page's policy blocks fails like one without a network; only this event tells them apart
// (F20).
self.addEventListener('securitypolicyviolation', (event) => {
  if (event instanceof SecurityPolicyViolationEvent && URL.canParse(event.blockedURI))
    refusedByPolicy.add(new URL(event.blockedURI).origin);
});

const events = new EventStream((told) => post({ kind: 'events', events: told }));
const session = new Session(events);

async function hello({ protocol, build, hand }: Commands['hello']['input']): Promise<Result<Hello>> {
  respectAnew(hand ?? null);
  const own: number = ownProtocol;
  if (protocol !== own || build !== __BUILD__)
    return fail({
      kind: 'protocol-mismatch',
      page: `${protocol} (${build})`,
      worker: `${own} (${__BUILD__})`,
    });
  return ok({ protocol: ownProtocol, build: __BUILD__, gpu: await describeGpu() });
}

type Handler<K extends CommandName> = (
  input: Commands[K]['input'],
  signal: AbortSignal,
  inTurn: InTurn,
) => Promise<Result<Commands[K]['output']>> | Result<Commands[K]['output']>;
type Handlers = { [K in CommandName]: Handler<K> };

const handlers = {
  hello,
  openModel: (input) => session.openModel(input),
  adapterOffer: (input) => session.adapterOffer(input),
  sortHandles: ({ handles }, signal) => session.sortHandles(handles, signal),
  openData: (input, signal) => session.openData(input, signal),
  splitData: (input) => session.splitData(input),
  editImages: (input) => session.editImages(input),
  gallery: () => session.gallery(),
  writeSet: (input, signal) => session.writeSet(input, signal),
  imagePaths: () => session.imagePaths(),
  thumbnails: (input) => session.thumbnails(input),
  checkImages: (_, signal) => session.checkImages(signal),
  checkLabels: (input, signal) => session.checkLabels(input, signal),
  galleryPictures: (input, signal) => session.galleryPictures(input, signal),
  restAhead: () => {
    session.pixels.rest();
    return ok(null);
  },
  viewStep: (input, signal) => session.viewStep(input, signal),
  start: (input, signal) => session.start(input, signal),
  estimate: (input) => session.estimate(input),
  pause: () => session.run.control('pause'),
  resume: () => session.run.control('resume'),
  step: () => session.run.control('step'),
  stop: () => session.run.control('stop'),
  result: () => session.run.result(),
  chanceError: ({ confidence }) => ok(chanceError(confidence)),
  exportModel: (input) => session.run.exportModel(input),
  cancelExport: () => session.run.cancelExport(),
  proofFile: () => session.run.proofFile(),
  tryImages: (input, signal, inTurn) => session.run.tryImages(input, signal, inTurn),
  openToTry: (input, signal) => session.openToTry(input, signal),
  ask: (input, signal) => session.run.ask(input, signal),
  whatIf: (input, signal) => session.run.whatIf(input, signal),
  removals: (input, signal) => session.run.removals(input, signal),
  branchFigures: (_, signal) => session.run.branchFigures(signal),
  look: (input, signal) => session.run.look(input, signal),
  runThumbnails: (input) => session.run.thumbnails(input),
  cancelTransfer: () => session.hub.cancel(),
  suggestedModels: () => ok(suggestedModels()),
  cachedModels: () => session.hub.list(),
  deleteCached: (input) => session.hub.remove(input),
  offerDataSet: (input) => session.hub.offer(input),
  storedPixels: () => session.pixels.stored(),
  deletePixels: () => session.pixels.clear(),
  pushToHub: (input) => session.hub.push(input),
  saveRun: () => session.run.saveRun(),
  savedRuns: async () => (await session.run.savedRuns()).list(),
  runFigures: async ({ id }) => {
    // Of the run that ended just now all that it measured.
    await session.run.settled();
    return (await session.run.savedRuns()).figures(id);
  },
  openRun: (input) => session.openRun(input),
  renameRun: async ({ id, name }) => (await session.run.savedRuns()).rename(id, name),
  deleteRun: async ({ id, undo }) => (await session.run.savedRuns()).remove(id, undo),
  runFile: async ({ id }) => (await session.run.savedRuns()).fileOf(id),
  takeRun: async ({ file, name }) => (await session.run.savedRuns()).take(file, name),
  clearStorage: () => session.clearStorage(),
} satisfies Handlers;

/** Commands that may not overlap: each waits for the one before. `tryImages` waits where it has to. */
const serial: ReadonlySet<CommandName> = new Set([
  'openModel',
  'adapterOffer',
  'openData',
  'splitData',
  'checkImages',
  'checkLabels',
  'viewStep',
  'start',
  'openRun',
  'renameRun',
  'deleteRun',
  'takeRun',
  'clearStorage',
  'exportModel',
  'deleteCached',
  'deletePixels',
  'proofFile',
  'ask',
  'look',
  'openToTry',
  'whatIf',
  'removals',
  'branchFigures',
]);
/** Commands under way or waiting, to be stopped by their id. */
const underWay = new Map<number, AbortController>();
/** Files that came before the command that they are for. */
const handed = new Map<number, SourceFile[]>();
let queue: Promise<unknown> = Promise.resolve();

async function answer<K extends CommandName>(
  id: number,
  name: K,
  input: Commands[K]['input'],
): Promise<void> {
  const table: Handlers = handlers;
  const handler: Handler<K> = table[name];
  const stop = new AbortController();
  const isStopped = (): boolean => stop.signal.aborted;
  underWay.set(id, stop);
  const run = async (): Promise<Result<Commands[K]['output']>> => {
    if (isStopped()) return fail(cancelled(name));
    try {
      return await handler(input, stop.signal, inTurn);
    } catch (thrown) {
      return fail(isStopped() ? cancelled(name) : faultOfThrown(thrown));
    }
  };
  // What is stopped while it waits for its turn is answered at once.
  const inTurn: InTurn = (work) => {
    const done = unlessAborted(queue, stop.signal).then(work, () => fail(cancelled(name)));
    queue = Promise.allSettled([queue, done]);
    return done;
  };
  const result = serial.has(name) ? inTurn(run) : run();
  const reply: Reply<K> = { kind: 'reply', id, name, result: await result };
  underWay.delete(id);
  events.flush();
  post(reply as Message);
}

/** A request with the files that came before it. */
function withFiles(request: Request, files: readonly SourceFile[]): Request {
  const source = { kind: 'files', files } as const;
  if (request.name === 'openModel') return { ...request, input: { ...request.input, source } };
  if (request.name === 'openData') return { ...request, input: { ...request.input, source } };
  return request;
}

function receive({ data }: MessageEvent<ToWorker>): void {
  switch (data.kind) {
    case 'ping':
      post({ kind: 'beat' });
      return;
    case 'files':
      handed.set(data.id, [...(handed.get(data.id) ?? []), ...data.files]);
      return;
    case 'cancel':
      handed.delete(data.id);
      underWay.get(data.id)?.abort();
      return;
    case 'request': {
      const files = handed.get(data.id);
      handed.delete(data.id);
      const { id, name, input } = files === undefined ? data : withFiles(data, files);
      void answer(id, name, input);
      return;
    }
    default:
      data satisfies never;
  }
}

/**
 * Hears the page, and tells it what nobody caught while everything else goes on: a rejection does not reach it
 * by itself, and of an error only the message does.
 */
function serve(): void {
  const tellUncaught = (thrown: unknown): void =>
    post({ kind: 'events', events: [{ kind: 'fault', fault: uncaughtFault(thrown) }] });
  self.addEventListener('unhandledrejection', ({ reason }) => tellUncaught(reason));
  self.addEventListener('error', (event) => {
    event.preventDefault();
    tellUncaught(event.error ?? event.message);
  });
  tellBeats(() => post({ kind: 'beat' }));
  self.onmessage = receive;
}

/** Serves what this worker was opened for by its name: the page's commands, or a shard of an engine. */
export function serveTrainer(): void {
  if (self.name === shardName) serveEngineShard(self);
  else serve();
}
