// A start that is stopped, at every piece of work between the click and the first step: all is as it was
// before it, the run before can still be exported, nothing stays open, and Start works again. Engines are
// tfjs on the processor of this machine; images are decoded by nobody.
import { beforeEach, expect, test, vi } from 'vitest';
import { fileOf, makePng } from '../data/testing/images.ts';
import { localImageWorker } from '../data/image-work.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine } from '../engine/engine.ts';
import { makeEngine } from '../engine/make-engine.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { autoReading } from '../data/reading-options.ts';
import { fixedRun } from '../runs/testing/any-run.ts';
import { ndArray } from '../shared/array.ts';
import { isCancelled } from '../shared/fault.ts';
import { ok, unwrap } from '../shared/result.ts';
import { metricsOf } from '../train/evaluation.ts';
import { fitTemperature } from '../understand/calibration.ts';
import { EventStream } from './event-stream.ts';
import { browserImagePool } from './image-pool.ts';
import type { Phase, SourceFile, TrainerEvent } from './protocol.ts';
import { SavedRuns } from './saved-runs.ts';
import { Session } from './session.ts';
import { microModel, picturesOf } from './testing/micro-model.ts';

vi.mock('../engine/make-engine.ts');
vi.mock('./image-pool.ts');

/** What waits: whoever stops a start does so at one of these. */
let onPiece: (name: string) => void = () => undefined;
/** Pieces of work of the last start, in order; engines that are open. */
let pieces: string[] = [];
let open = 0;

function piece(name: string): void {
  pieces.push(name);
  onPiece(name);
}

async function countedEngine(): Promise<Engine> {
  const inner = await autodiffOn('cpu')();
  open += 1;
  let isOpen = true;
  return {
    describe: () => inner.describe(),
    prepare: (...given) => (piece('prepare'), inner.prepare(...given)),
    step: (...given) => inner.step(...given),
    report: () => (piece('step'), inner.report()),
    evaluate: (...given) => (piece('evaluate'), inner.evaluate(...given)),
    features: (...given) => (piece('features'), inner.features(...given)),
    loss: (...given) => inner.loss(...given),
    gradients: (...given) => inner.gradients(...given),
    look: (...given) => (piece('look'), inner.look(...given)),
    readAdapter: () => inner.readAdapter(),
    writeAdapter: (...given) => (piece('writeAdapter'), inner.writeAdapter(...given)),
    memory: () => inner.memory(),
    memoryPlan: () => inner.memoryPlan(),
    release: () => inner.release(),
    dispose() {
      if (isOpen) open -= 1;
      isOpen = false;
      inner.dispose();
    },
  };
}

beforeEach(() => {
  onPiece = () => undefined;
  pieces = [];
  open = 0;
  vi.mocked(makeEngine).mockImplementation(async () => {
    piece('make the engine');
    return ok(await countedEngine());
  });
  vi.mocked(browserImagePool).mockImplementation(() =>
    localImageWorker((bytes, { width, height }) => {
      piece('decode');
      const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => bytes[i % bytes.length] ?? 0);
      return Promise.resolve(ok({ width, height, data }));
    }),
  );
});

const recipe = { ...recipeDefaults, steps: 4, batch: 6, augment: 'none' } as const;
const run = { recipe, engine: 'auto', backend: 'cpu' } as const;

interface Opened {
  readonly session: Session;
  readonly events: TrainerEvent[];
  /** Waits until the run is in such a phase. */
  readonly phase: (kind: Phase['kind']) => Promise<void>;
}

async function openPictures(session: Session, files: SourceFile[]): Promise<void> {
  const asked = {
    title: 'pictures',
    role: 'all',
    reading: autoReading,
    split: recipe.split,
    seed: 1,
  } as const;
  unwrap(
    await session.openData({ source: { kind: 'files', files }, ...asked }, new AbortController().signal),
  );
}

async function opened(pictures = picturesOf()): Promise<Opened> {
  const events: TrainerEvent[] = [];
  let heard: () => void = () => undefined;
  const stream = new EventStream((told) => {
    events.push(...told);
    heard();
  });
  const session = new Session(stream);
  unwrap(await session.openModel(await microModel()));
  await openPictures(session, pictures);
  pieces = [];
  return {
    session,
    events,
    async phase(kind) {
      const is = (): boolean => {
        stream.flush();
        return events.some((event) => event.kind === 'phase' && event.phase.kind === kind);
      };
      while (!is())
        await new Promise<void>((resolve) => {
          heard = resolve;
          setTimeout(resolve, 5);
        });
    },
  };
}

async function aRun({ session, events, phase }: Opened): Promise<void> {
  events.length = 0;
  unwrap(await session.start(run));
  await phase('finished');
}

/** The names of all pieces that a start has before its first step, in order. */
async function piecesOf(): Promise<string[]> {
  const one = await opened();
  await aRun(one);
  return pieces.slice(0, pieces.indexOf('step'));
}

test('a run that begins with a single step waits after it', async () => {
  const { session, events, phase } = await opened();
  unwrap(await session.start({ ...run, then: 'step' }));
  await phase('paused');
  const told = events.flatMap((event) => (event.kind === 'phase' ? [event.phase] : []));
  expect(told.at(-1)).toMatchObject({ kind: 'paused', step: 1 });
  unwrap(session.run.control('resume'));
  await phase('finished');
});

/** What neither clock nor memory decide. */
function measuredOf({ session }: Opened): unknown {
  const { steps, initialValidation, validation, probe, drops, scalars } = unwrap(session.run.result());
  return { steps, initialValidation, validation, probe, drops, scalars };
}

const resultOf = ({ session }: Opened): unknown => unwrap(session.run.result());

test('a start that is stopped at any piece of work leaves all as it was, and Start works again', async () => {
  const all = await piecesOf();
  expect(new Set(all)).toEqual(new Set(['make the engine', 'prepare', 'decode', 'features', 'writeAdapter']));
  open = 0; // that run keeps its engine
  const one = await opened();
  await aRun(one);
  const before = resultOf(one);
  for (let at = 0; at < all.length; at++) {
    await openPictures(one.session, picturesOf(Infinity, 1 + at));
    pieces = [];
    one.events.length = 0;
    const stop = new AbortController();
    let answered = false;
    onPiece = () => {
      if (pieces.length !== at + 1) return;
      // As the page does: by the signal until the start is answered, by the command after it.
      if (answered) unwrap(one.session.run.control('stop'));
      else stop.abort();
    };
    const reply = await one.session.start(run, stop.signal);
    answered = true;
    if (reply.ok && stop.signal.aborted) unwrap(one.session.run.control('stop'));
    else if (!reply.ok) expect(isCancelled(reply.fault)).toBe(true);
    await vi.waitFor(() => expect(one.events.map(({ kind }) => kind)).toContain('undone'));
    await vi.waitFor(() => expect(open).toBe(0));
    onPiece = () => undefined;
    // The pieces that were under way side by side with the one that was stopped, and no more.
    expect(pieces.length).toBeLessThanOrEqual(at + 3);
    expect(pieces).not.toContain('step');
    expect(one.events.filter(({ kind }) => kind === 'undone')).toHaveLength(1);
    expect(resultOf(one)).toEqual(before);
  }
  // Its model runs once more, on an engine of its own: what every export begins with.
  expect(unwrap(await one.session.run.proofFile()).size).toBeGreaterThan(0);
  await aRun(one);
  expect(resultOf(one)).toMatchObject({ steps: 4 });
});

test('runs of the same model and images share pixels and features, whatever their split, and a probe on the same one, and are what they are alone', async () => {
  const other = { ...run, recipe: { ...recipe, seed: 2 } };
  const alone = await opened();
  unwrap(await alone.session.start(other));
  await alone.phase('finished');
  const one = await opened();
  await aRun(one);
  pieces = [];
  one.events.length = 0;
  unwrap(await one.session.start(other));
  await one.phase('finished');
  expect(pieces).not.toContain('decode');
  expect(pieces).not.toContain('features');
  expect(measuredOf(one)).toEqual(measuredOf(alone));
  expect(JSON.stringify(one.events)).toContain('"part":"probe"');
  one.events.length = 0;
  unwrap(await one.session.start(other));
  await one.phase('finished');
  expect(JSON.stringify(one.events)).not.toContain('"part":"probe"');
  expect(measuredOf(one)).toEqual(measuredOf(alone));
  // Another model has features of its own.
  unwrap(await one.session.openModel(await microModel()));
  pieces = [];
  await aRun(one);
  expect(pieces).toContain('features');
});

test('a start that a fault ends leaves the run before it as well', async () => {
  const one = await opened();
  await aRun(one);
  const before = resultOf(one);
  one.events.length = 0;
  const fault = { kind: 'out-of-memory', askedBytes: 1, detail: 'too large' } as const;
  vi.mocked(makeEngine).mockResolvedValueOnce({ ok: false, fault });
  expect(await one.session.start(run)).toEqual({ ok: false, fault });
  expect(one.events.map(({ kind }) => kind)).toContain('undone');
  expect(resultOf(one)).toEqual(before);
});

test('the result answers about its own images, and the run stays as it is', async () => {
  const one = await opened();
  const ask = (set: 'train' | 'validation' | 'test'): ReturnType<Session['run']['ask']> =>
    one.session.run.ask({ set }, new AbortController().signal);
  const early = await ask('validation');
  expect(early).toMatchObject({ ok: false, fault: { kind: 'wrong-phase', phase: 'not started' } });
  await aRun(one);
  const { run: live } = one.session;
  const measured = unwrap(live.result());
  const first = unwrap(await ask('validation'));
  const { labels, logits } = first;
  const told = metricsOf(ndArray([labels.length, 3], logits), labels);
  expect(told.accuracy).toBe(measured.validation.accuracy);
  expect(told.loss).toBeCloseTo(measured.validation.loss, 5);
  expect(first.paths.map((name) => first.classes.indexOf(name.split('/')[1] ?? ''))).toEqual([...labels]);
  const trained = unwrap(await ask('train'));
  expect(new Set([...first.images, ...trained.images]).size).toBe(24);
  expect(await ask('test')).toMatchObject({ ok: false, fault: { kind: 'bad-dataset' } });
  // Known answers are given again.
  pieces = [];
  expect(unwrap(await ask('validation'))).toBe(first);
  expect(pieces).toEqual([]);
  expect(unwrap(live.result())).toEqual(measured);
});

test('other images are answered as those of the set are, beside the probe that the run began with', async () => {
  const one = await opened();
  await aRun(one);
  const live = new AbortController().signal;
  const measured = unwrap(one.session.run.result());
  const set = unwrap(await one.session.run.ask({ set: 'validation' }, live));
  const files = set.paths.map((name) => picturesOf().find((file) => file.path === name));
  const text = { path: 'notes.txt', blob: new Blob(['no picture']) };
  const given = [...files.flatMap((file) => file ?? []), text];
  expect(given).toHaveLength(set.labels.length + 1);
  pieces = [];
  const { classes, images } = unwrap(await one.session.run.tryImages({ files: given, who: 'run' }, live));
  expect(classes).toEqual(set.classes);
  const rows = (name: 'logits' | 'probe'): Float32Array =>
    Float32Array.from(images.flatMap((image) => [...(image[name] ?? [])]));
  expect([...rows('logits')]).toEqual([...set.logits]);
  const probed = metricsOf(ndArray([set.labels.length, 3], rows('probe')), set.labels);
  expect(probed.accuracy).toBe(measured.probe?.validation.accuracy);
  expect(probed.loss).toBeCloseTo(measured.probe?.validation.loss ?? NaN, 5);
  expect(images.at(-1)).toEqual({
    ...{ path: 'notes.txt', logits: null, probe: null },
    why: 'No image, by its first bytes.',
  });
  // The probe's adapter has gone again, and what is open stayed.
  expect(pieces.filter((name) => name === 'writeAdapter')).toHaveLength(2);
  const again = unwrap(await one.session.run.tryImages({ files: given.slice(0, 1), who: 'run' }, live));
  expect([...(again.images[0]?.logits ?? [])]).toEqual([...set.logits.slice(0, 3)]);
  expect(unwrap(one.session.run.result())).toEqual(measured);
  expect(unwrap(await one.session.run.tryImages({ files: [text], who: 'run' }, live)).images).toHaveLength(1);
});

test('a run answers while it trains, as it stands, and ends as if nobody had asked', async () => {
  const live = new AbortController().signal;
  const alone = await opened();
  await aRun(alone);
  const told = unwrap(await alone.session.run.ask({ set: 'validation' }, live)).logits;
  const one = await opened();
  const files = picturesOf().slice(0, 3);
  const before = await one.session.run.tryImages({ files, who: 'run' }, live);
  expect(before).toMatchObject({ ok: false, fault: { kind: 'wrong-phase', phase: 'not started' } });
  const answers: Promise<number | null>[] = [];
  onPiece = (name) => {
    if (name !== 'step') return;
    const asked = one.session.run.tryImages({ files, who: 'run' }, live);
    answers.push(asked.then((reply) => unwrap(reply).step));
  };
  await aRun(one);
  onPiece = () => undefined;
  const steps = await Promise.all(answers);
  expect(steps).toHaveLength(4);
  expect(steps.slice(0, -1)).toEqual([1, 2, 3].map(() => expect.any(Number) as unknown));
  expect(new Set(steps).size).toBeGreaterThan(1);
  expect(unwrap(await one.session.run.ask({ set: 'validation' }, live)).logits).toEqual(told);
});

test('an exported model, and the open one with its own classifier, answer without a run', async () => {
  const live = new AbortController().signal;
  vi.stubGlobal('navigator', { userAgent: 'a test' });
  const one = await opened();
  const files = picturesOf().slice(5, 12);
  const { session } = one;
  const tried = async (): Promise<number[]> =>
    unwrap(await session.run.tryImages({ files, who: 'model' }, live)).images.flatMap(({ logits }) => [
      ...(logits ?? []),
    ]);
  const none = await session.run.tryImages({ files, who: 'model' }, live);
  expect(none).toMatchObject({ ok: false, fault: { kind: 'wrong-phase' } });
  const own = unwrap(await session.openToTry({ from: { kind: 'open' } }));
  expect(own).toEqual({ title: 'micro', classes: [0, 1, 2, 3, 4].map((id) => `class ${id}`), step: null });
  const untrained = await tried();
  expect(untrained).toHaveLength(5 * files.length);
  await aRun(one);
  const run = unwrap(await session.run.tryImages({ files, who: 'run' }, live));
  const byRun = run.images.flatMap(({ logits }) => [...(logits ?? [])]);
  expect(run.step).toBe(unwrap(session.run.result()).keptStep);
  const { formats } = unwrap(
    await session.run.exportModel({ formats: ['hf', 'timm'], dtype: 'source', tempered: false }),
  );
  for (const { files: written, refused } of formats) {
    expect(refused).toBeNull();
    const folder = written.map(({ name, blob }) => ({ path: `mine/${name}`, blob }));
    const from = { kind: 'files', title: 'mine', files: folder } as const;
    expect(unwrap(await session.openToTry({ from })).classes).toEqual(run.classes);
    (await tried()).forEach((logit, i) => expect(logit).toBeCloseTo(byRun[i] ?? NaN, 4));
    // One engine at a time, whoever is asked.
    expect(open).toBe(1);
  }
  const again = unwrap(await session.run.tryImages({ files, who: 'run' }, live));
  expect(again.images).toEqual(run.images);
  expect(open).toBe(1);
  unwrap(await session.openToTry({ from: { kind: 'open' } }));
  expect(await tried()).toEqual(untrained);
  const bare = { kind: 'files', title: 'pictures', files: picturesOf() } as const;
  expect(await session.openToTry({ from: bare })).toMatchObject({ ok: false, fault: { kind: 'bad-file' } });
  expect(await tried()).toEqual(untrained);
});

test('an export with a temperature answers with the logits divided by it, and says what that does', async () => {
  const live = new AbortController().signal;
  vi.stubGlobal('navigator', { userAgent: 'a test' });
  const pictures = picturesOf(2);
  const one = await opened(pictures);
  await aRun(one);
  const { session } = one;
  const { logits, labels, classes, paths } = unwrap(await session.run.ask({ set: 'validation' }, live));
  const wanted = unwrap(
    await session.run.exportModel({ formats: ['hf', 'peft', 'onnx'], dtype: 'source', tempered: true }),
  );
  const fitted = fitTemperature({ classes: classes.length, labels, logits });
  const { temperature } = wanted;
  if (temperature === null || fitted?.atLimit !== null) throw new Error('no temperature fits');
  expect(temperature.temperature).toBe(fitted.temperature);
  expect(Math.abs(Math.log(temperature.temperature))).toBeGreaterThan(0.05);
  expect(temperature.loss.after).toBeLessThan(temperature.loss.before);
  for (const { proof, refused } of wanted.formats) {
    expect(refused).toBeNull();
    expect(proof?.maxLogitDifference).toBeLessThan(1e-4);
    expect(proof?.onSample.loss).toBeCloseTo(temperature.loss.after, 4);
  }
  const text = async (name: string): Promise<string> =>
    (await wanted.formats[0]?.files.find((file) => file.name === name)?.blob.text()) ?? '';
  expect(JSON.parse(await text('run.json'))).toMatchObject({ temperature });
  expect(await text('README.md')).toContain(temperature.temperature.toFixed(4));
  const folder = (wanted.formats[0]?.files ?? []).map(({ name, blob }) => ({ path: name, blob }));
  unwrap(await session.openToTry({ from: { kind: 'files', title: 'mine', files: folder } }));
  const files = paths.flatMap((name) => pictures.find((file) => file.path === name) ?? []);
  const { images } = unwrap(await session.run.tryImages({ files, who: 'model' }, live));
  const tried = images.flatMap((image) => [...(image.logits ?? [])]);
  expect(tried).toHaveLength(logits.length);
  tried.forEach((logit, i) => expect(logit).toBeCloseTo((logits[i] ?? NaN) / temperature.temperature, 4));
  // Another export without it is as the run is.
  const plain = unwrap(await session.run.exportModel({ formats: ['hf'], dtype: 'source', tempered: false }));
  expect(plain.temperature).toBeNull();
  expect(plain.formats[0]?.proof?.maxLogitDifference).toBeLessThan(1e-4);
});

test('where it looks: the result and what it began with, each with its answer, and the run stays', async () => {
  const one = await opened();
  await aRun(one);
  const live = new AbortController().signal;
  const asked = one.session.run;
  const measured = unwrap(asked.result());
  const set = unwrap(await asked.ask({ set: 'validation' }, live));
  const row = 2;
  const file = picturesOf().filter(({ path: name }) => name === set.paths[row]);
  const { images } = unwrap(await asked.tryImages({ files: file, who: 'run' }, live));
  pieces = [];
  const at = { set: 'validation', row, class: set.labels[row] ?? 0 } as const;
  const looked = unwrap(await asked.look(at, live));
  const { before, after, grid, side } = looked;
  expect([looked.from, grid, side, looked.pixels.length]).toEqual(['class-token', 4, 32, 3 * 32 * 32]);
  expect([...(after.logits ?? [])]).toEqual([...set.logits.slice(3 * row, 3 * row + 3)]);
  before.logits?.forEach((logit, id) => expect(logit).toBeCloseTo(images[0]?.probe?.[id] ?? NaN, 4));
  for (const maps of [before, after]) {
    const sum = (map: Float32Array | null): number => Array.from(map ?? []).reduce((a, b) => a + b, 0);
    // All but what the class token keeps of itself.
    for (const map of [maps.attention, maps.rollout]) expect(sum(map)).toBeGreaterThan(0.2);
    for (const map of [maps.attention, maps.rollout]) expect(sum(map)).toBeLessThan(1);
    expect(maps.relevance).toHaveLength(grid * grid);
  }
  // The adapter that it began with has gone again, and what is open stayed.
  const asking = ['look', 'evaluate', 'writeAdapter'];
  expect(pieces).toEqual([...asking, ...asking]);
  const again = unwrap(await asked.tryImages({ files: file, who: 'run' }, live));
  expect([...(again.images[0]?.logits ?? [])]).toEqual([...(after.logits ?? [])]);
  expect(unwrap(asked.result())).toEqual(measured);
  const stop = new AbortController();
  onPiece = (name) => {
    if (name === 'writeAdapter') stop.abort();
  };
  const stopped = await asked.look(at, stop.signal);
  expect(!stopped.ok && isCancelled(stopped.fault)).toBe(true);
  onPiece = () => undefined;
  expect(unwrap(await asked.look(at, live))).toEqual(looked);
});

test('a question that is cancelled, or that a fault ends, can be asked again', async () => {
  const one = await opened();
  await aRun(one);
  const stop = new AbortController();
  onPiece = () => stop.abort();
  const stopped = await one.session.run.ask({ set: 'train' }, stop.signal);
  expect(!stopped.ok && isCancelled(stopped.fault)).toBe(true);
  onPiece = (name) => {
    if (name === 'evaluate') throw new Error('the device is gone');
  };
  const live = new AbortController().signal;
  expect(await one.session.run.ask({ set: 'train' }, live)).toMatchObject({
    ok: false,
    fault: { kind: 'bug' },
  });
  expect(open).toBe(0);
  onPiece = () => undefined;
  const answers = unwrap(await one.session.run.ask({ set: 'train' }, live));
  expect(answers.labels).toHaveLength(answers.images.length);
  expect(open).toBe(1);
  vi.stubGlobal('navigator', { userAgent: 'a test' });
  // An export takes that engine, and the next question takes it back.
  unwrap(await one.session.run.exportModel({ formats: ['hf'], dtype: 'source', tempered: false }));
  unwrap(await one.session.run.ask({ set: 'validation' }, live));
  expect(open).toBe(1);
});

test('after the first step a stop ends the run with what it learned', async () => {
  const one = await opened();
  onPiece = (name) => {
    if (name === 'step' && pieces.filter((other) => other === 'step').length === 2)
      unwrap(one.session.run.control('stop'));
  };
  await aRun(one);
  expect(one.events.map(({ kind }) => kind)).not.toContain('undone');
  expect(resultOf(one)).toMatchObject({ steps: 2 });
});

test('edits wait for images that are being opened, and those with a validation set come back without it', async () => {
  const { session } = await opened();
  const live = new AbortController().signal;
  const about = { title: 'pictures', reading: autoReading, split: recipe.split, seed: 1 } as const;
  const source = { kind: 'files', files: picturesOf() } as const;
  const before = unwrap(await session.openData({ source, role: 'all', ...about }, live));
  const files = [fileOf('a/v.png', makePng(900)), fileOf('b/v.png', makePng(901))];
  const adding = session.openData({ source: { kind: 'files', files }, role: 'validation', ...about }, live);
  const change = { kind: 'exclude', images: [0] } as const;
  expect(await session.editImages({ set: before.edits.set, change })).toMatchObject({ ok: false });
  const both = unwrap(await adding);
  unwrap(await session.editImages({ set: both.edits.set, change }));
  const again = unwrap(await session.openData({ source, role: 'all', ...about }, live));
  expect(again.edits).toMatchObject({ inForce: 1, excluded: 1 });
});

test('an edit during a start decodes nothing beside it', async () => {
  const { session } = await opened();
  const begin = vi.spyOn(session.pixels, 'begin');
  const { edits } = unwrap(session.splitData({ split: recipe.split, seed: 1 }));
  begin.mockClear();
  const edited = new Promise<boolean>((resolve) => {
    onPiece = (name) => {
      if (name !== 'make the engine') return;
      onPiece = () => undefined;
      void session
        .editImages({ set: edits.set, change: { kind: 'make', name: 'd' } })
        .then(({ ok: done }) => resolve(done));
    };
  });
  const start = session.start(run);
  expect(await edited).toBe(true);
  expect(begin).not.toHaveBeenCalled();
  unwrap(await start);
});

test('an edit, or another split by the form, changes nothing of the run that is under way', async () => {
  const told = ({ events }: Opened) => ({
    losses: events.flatMap((event) => (event.kind === 'steps' ? event.rows.map(({ loss }) => loss) : [])),
    evaluated: events.filter(({ kind }) => kind === 'evaluated'),
  });
  const quiet = await opened();
  await aRun(quiet);
  expect(told(quiet).losses).toHaveLength(4);
  expect(told(quiet).evaluated.length).toBeGreaterThan(0);
  const one = await opened();
  const { session } = one;
  const before = session.splitData({ split: recipe.split, seed: recipe.seed });
  const { set } = unwrap(before).edits;
  const changes: Promise<unknown>[] = [];
  onPiece = (name) => {
    if (name !== 'step' || changes.length > 0) return;
    const change = { kind: 'exclude', images: [0, 1, 8, 9] } as const;
    changes.push(
      Promise.resolve(session.splitData({ split: { ...recipe.split, folds: 4, fold: 3 }, seed: 99 })),
      session.editImages({ set, change }),
    );
  };
  await aRun(one);
  expect(changes).toHaveLength(2);
  for (const change of await Promise.all(changes)) expect(change).toMatchObject({ ok: true });
  expect(told(one)).toEqual(told(quiet));
  const [made, wanted] = [session.run.madeOf, quiet.session.run.madeOf];
  expect(made?.images.split).toEqual(wanted?.images.split);
  // What is open is what was made of it, for the next run.
  const { inRun, placeOf, places } = unwrap(await session.gallery());
  expect(placeOf[0]).toBe(places.indexOf('excluded'));
  expect(inRun?.[0]).toBeGreaterThanOrEqual(0);
});

test('a run of a check by folds is saved as one, and a run of a comparison is not', async () => {
  const saver = vi.spyOn(SavedRuns.prototype, 'saver');
  const { session, events, phase } = await opened();
  for (const kind of ['folds', 'arms'] as const) {
    events.length = 0;
    unwrap(await session.start({ ...run, queued: { id: kind, name: kind, kind, again: false } }));
    await phase('finished');
  }
  await aRun({ session, events, phase });
  expect(saver.mock.calls.map(([, { name, ofFolds }]) => [name, ofFolds])).toEqual([
    ['folds', true],
    ['arms', false],
    [null, false],
  ]);
  saver.mockRestore();
});

test('a run that is opened beside the open images leaves them as they are', async () => {
  const saver = vi.spyOn(SavedRuns.prototype, 'saver');
  const one = await opened();
  const { session } = one;
  await aRun(one);
  const made = saver.mock.calls[0]?.[0];
  if (made === undefined) throw new Error('the run was not to be saved');
  const { model, images, data } = made;
  const facts = { ...fixedRun.facts, recipe, device: { ...fixedRun.facts.device, backend: 'cpu' as const } };
  const restored = {
    ...{
      id: 'a',
      saved: { facts, state: made.run.state },
      model,
      opened: model,
      data,
      head: null,
      notes: [],
    },
    images: { ...images, summary: { ...images.summary, title: 'of the run' }, title: 'of the run' },
  };
  const restore = vi.spyOn(SavedRuns.prototype, 'restore').mockResolvedValue(ok(restored));
  const open = (): string => unwrap(session.splitData({ split: recipe.split, seed: 1 })).title;
  one.events.length = 0;
  const beside = unwrap(await session.openRun({ id: 'a', then: 'end', beside: true }));
  await one.phase('finished');
  expect([beside.data.title, open()]).toEqual(['of the run', 'pictures']);
  unwrap(await session.openRun({ id: 'a', then: 'end' }));
  await one.phase('finished');
  expect(open()).toBe('of the run');
  saver.mockRestore();
  restore.mockRestore();
});
