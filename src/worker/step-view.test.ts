// A step that is shown ahead against the step of the run that follows: the rows that its engine feeds to the
// network, bit for bit, its order, its labels and its targets, also where an image turns out not to decode.
import { expect, test, vi } from 'vitest';
import { localImageWorker } from '../data/image-work.ts';
import { autoReading } from '../data/reading-options.ts';
import { fileOf, makePng } from '../data/testing/images.ts';
import { inputRows, type PartBatch } from '../engine/autodiff/network-input.ts';
import { pixelsOfRows } from '../engine/autodiff/patches.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { micro } from '../engine/checks/random-model.ts';
import type { Batch } from '../engine/engine.ts';
import { makeEngine } from '../engine/make-engine.ts';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, unwrap } from '../shared/result.ts';
import { EventStream } from './event-stream.ts';
import { browserImagePool } from './image-pool.ts';
import type { StepView } from './protocol.ts';
import { Session } from './session.ts';
import { microModel } from './testing/micro-model.ts';

vi.mock('../engine/make-engine.ts');
vi.mock('./image-pool.ts');
/** What the engine makes of the parts of its steps. */
const fed: { readonly part: PartBatch; readonly rows: Float32Array }[] = [];
vi.mock('../engine/autodiff/network-input.ts', async (original) => {
  const real = await original<{ readonly inputRows: typeof inputRows }>();
  const recorded: typeof inputRows = (...given) => {
    const rows = real.inputRows(...given);
    fed.push({ part: given[2] as PartBatch, rows: rows.slice() });
    return rows;
  };
  return { ...real, inputRows: recorded };
});

const pictures = ['a', 'b', 'c'].flatMap((name, c) =>
  Array.from({ length: 8 }, (_, i) => fileOf(`pictures/${name}/${i}.png`, makePng(40 * c + i + 1))),
);
/** Those that do not decode, by their colour. */
const broken = new Set([2, 3, 46]);
const work = localImageWorker((bytes, { width, height }) => {
  const colour = Array.from({ length: 128 }, (_, i) => i).find((seed) =>
    Buffer.from(bytes).equals(makePng(seed)),
  );
  if (colour === undefined || broken.has(colour))
    return Promise.resolve(fail({ kind: 'bad-file', name: '', why: 'unreadable', detail: 'A test.' }));
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => (i * i * 7 + 31 * i * colour) % 256);
  return Promise.resolve(ok({ width, height, data }));
});

const recipe: Recipe = {
  ...recipeDefaults,
  ...{ steps: 3, batch: 6, augment: 'crop+flip', labelSmoothing: 0.1, classBalance: 'weights' },
  ...{
    rotation: 20,
    colourJitter: 0.4,
    blur: 0.5,
    randomErasing: 0.5,
    randAugment: 3,
    mixup: 0.4,
    cutmix: 1,
  },
};

test('what is shown of a step is what the run that follows feeds to the network, bit for bit', async () => {
  vi.mocked(browserImagePool).mockReturnValue(work);
  const steps: Batch[] = [];
  vi.mocked(makeEngine).mockImplementation(async () => {
    const engine = await autodiffOn('cpu')();
    const step = engine.step.bind(engine);
    engine.step = (batch, control) => {
      steps.push(batch);
      step(batch, control);
    };
    return ok(engine);
  });
  let hasEnded = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    hasEnded = resolve;
  });
  const session = new Session(
    new EventStream((events) => {
      if (events.some((event) => event.kind === 'phase' && event.phase.kind === 'finished')) hasEnded();
    }),
  );
  unwrap(await session.openModel(await microModel()));
  const live = new AbortController().signal;
  const about = {
    title: 'pictures',
    role: 'all',
    reading: autoReading,
    split: recipe.split,
    seed: 1,
  } as const;
  unwrap(await session.openData({ source: { kind: 'files', files: pictures }, ...about }, live));

  const views: StepView[] = [];
  for (const step of [0, 1, 9]) views.push(unwrap(await session.viewStep({ recipe, step }, live)));
  const shown = fed.splice(0);
  expect(views.map(({ step, steps: of, batch }) => [step, of, batch])).toEqual([
    [0, 3, 6],
    [1, 3, 6],
    [2, 3, 6],
  ]);

  unwrap(await session.start({ recipe, engine: 'auto', backend: 'cpu' }));
  await ended;
  const trained = fed.filter(({ part }) => part.mixed !== undefined);
  expect(steps).toHaveLength(3);
  const { classes } = unwrap(session.run.result());
  const paths = unwrap(session.imagePaths());
  for (const [step, batch] of steps.entries()) {
    const [view, mine] = [present(views[step], 'view'), present(shown[step], 'rows')];
    // The engine takes a batch in parts.
    const rows = trained.splice(0, Math.ceil(batch.labels.length / (trained[0]?.part.labels.length ?? 1)));
    expect(mine.rows).toEqual(Float32Array.from(rows.flatMap((part) => [...part.rows])));
    expect(mine.part.targets).toEqual(batch.targets);
    const { partners, share } = present(batch.mix, 'mix');
    const before = view.images.map((image) => classes.indexOf(image.class));
    const label = Array.from(before, (own, i) => (share < 0.5 ? (before[partners[i] ?? 0] ?? -1) : own));
    expect(label).toEqual([...batch.labels]);
    view.images.forEach(({ path: own, class: name, mixed }, i) => {
      expect(own.split('/').at(-2)).toBe(name);
      expect(paths).toContain(own);
      expect(mixed).toEqual({
        path: view.images[partners[i] ?? 0]?.path,
        class: view.images[partners[i] ?? 0]?.class,
        share: 1 - share,
      });
    });
  }
  // The last step differs from the first.
  expect(shown[0]?.rows).not.toEqual(shown[1]?.rows);
});

test('what is shown of a step is undone to the bytes of its images where nothing changes them', () => {
  const side = micro.imageSize;
  const normalisation = { rescale: 1 / 255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] } as const;
  const data = Uint8Array.from({ length: 2 * 3 * side * side }, (_, i) => (i * i * 7 + 13 * i) % 256);
  const rows = inputRows(micro, normalisation, { pixels: { kind: 'bytes', data } });
  expect([...pixelsOfRows(micro, rows, normalisation)]).toEqual([...data]);
});
