// Runs that continue.py has to repeat: the app's own loop and engine on drawn pictures that lie on disk too,
// with what the app would have saved in the middle, and the losses of every step.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { batchIndices } from '../../../src/data/batch-order.ts';
import type { Pixels } from '../../../src/engine/engine.ts';
import { autodiffOn } from '../../../src/engine/checks/node-backends.ts';
import { runRecord } from '../../../src/export/run-record.ts';
import { readRecipe } from '../../../src/recipe/read-recipe.ts';
import { learnedOf } from '../../../src/recipe/recipe.ts';
import { writeCheckpoint } from '../../../src/runs/checkpoint-file.ts';
import { deviceOf, type RunFacts } from '../../../src/runs/saved-run.ts';
import { present } from '../../../src/shared/assert.ts';
import { randomStream } from '../../../src/shared/random.ts';
import { ok, unwrap } from '../../../src/shared/result.ts';
import { digestOf } from '../../../src/shared/sha256.ts';
import { Run } from '../../../src/train/run.ts';
import type { RunState } from '../../../src/train/run-state.ts';
import { stage2Step } from '../../../src/dmlora/stages.ts';
import { dropSteps } from '../../../src/dmlora/drop-plan.ts';
import type { LabelledPixels, TrainingData } from '../../../src/train/training-data.ts';
import { openFolder } from './folder.ts';

const classes = ['ant', 'bee', 'cat'];
const counts = { train: 14, validation: 5, test: 0 };

interface Drawn {
  readonly bytes: Uint8Array; // [side, side, 3]
  readonly label: number;
  readonly id: string;
}

/** A picture of one colour a class and noise, as bytes of red, green and blue. */
function picture(at: number, side: number): Pick<Drawn, 'bytes' | 'label'> {
  const noise = randomStream(at, 'augment');
  const label = at % classes.length;
  const bytes = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    return ((label * 67 + (i % 3) * 83) % 160) + Math.floor(95 * noise.uniform(i));
  });
  return { bytes, label };
}

/** The same as a BMP of 24 bits: rows from below, blue first, each filled up to four bytes. */
function bmp(bytes: Uint8Array, side: number): Uint8Array {
  const row = Math.ceil((3 * side) / 4) * 4;
  const file = Buffer.alloc(54 + row * side);
  file.write('BM');
  [file.length, 0, 54, 40, side, side].forEach((value, i) => file.writeUInt32LE(value, 2 + 4 * i));
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let c = 0; c < 3; c++)
        file[54 + (side - 1 - y) * row + 3 * x + 2 - c] = bytes[3 * (y * side + x) + c] ?? 0;
  return file;
}

function labelled(images: readonly Drawn[]): LabelledPixels {
  return {
    labels: Int32Array.from(images, ({ label }) => label),
    slice: (begin, end): Pixels => ({
      kind: 'bytes',
      data: Uint8Array.from(images.slice(begin, end).flatMap(({ bytes }) => [...bytes])),
    }),
  };
}

/** Draws the pictures into folders of their classes below FOLDER/pictures. */
async function drawn(folder: string, side: number): Promise<Drawn[]> {
  const all: Drawn[] = [];
  for (let at = 0; at < counts.train + counts.validation; at++) {
    const { bytes, label } = picture(at, side);
    const file = bmp(bytes, side);
    const place = path.join(folder, 'pictures', classes[label] ?? '');
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, `${at}.bmp`), file);
    all.push({ bytes, label, id: createHash('sha256').update(file).digest('hex') });
  }
  return all;
}

/**
 * Trains by a recipe and writes FOLDER/pictures, run.json, run-STEP.safetensors for each of `keepAt`, and returns the
 * loss of every step and of every validation.
 *
 * @param source folder of the original model, whose size the pictures have.
 */
export async function runToContinue(
  source: string,
  folder: string,
  recipeJson: unknown,
  keepAt: readonly number[],
): Promise<{
  readonly losses: readonly number[];
  readonly validations: readonly { readonly step: number; readonly loss: number }[];
  readonly keptStep: number;
}> {
  const opened = await openFolder(source);
  const { model, preprocessing } = opened;
  const recipe = unwrap(readRecipe(recipeJson));
  const all = await drawn(folder, model.config.imageSize);
  const [own, held] = [all.slice(0, counts.train), all.slice(counts.train)];
  const train = learnedOf(recipe, { train: own, validation: held });
  const data: TrainingData = {
    classes,
    trainImages: train.length,
    probeImages: counts.train,
    train: labelled(train),
    trainBatch: (step, batch) => {
      const rows = batchIndices(train.length, batch, step, recipe.seed);
      const images = labelled(Array.from(rows, (row) => present(train[row], 'picture')));
      return { labels: images.labels, pixels: images.slice(0, batch), images: Int32Array.from(rows) };
    },
    validation: labelled(held),
    test: null,
  };
  const states = new Map<number, RunState>();
  const run = new Run(
    {
      ...{ model, head: null, start: [], normalisation: preprocessing, data, recipe },
      makeEngine: async () => ok(await autodiffOn('wasm')()),
    },
    {
      phase: () => undefined,
      kept: (state) => {
        if (state.verdict === null) states.set(state.step, state);
      },
      // Between all steps, so that any of them can be gone on from.
      wantsState: () => true,
      step: () => undefined,
      dropped: () => undefined,
      branches: () => undefined,
      evaluated: () => undefined,
      diverging: () => undefined,
      recovered: () => undefined,
    },
  );
  try {
    unwrap(await run.prepare());
    await run.train();
    const { phase } = run;
    if (phase.kind === 'failed') unwrap({ ok: false, fault: phase.fault });
    const { plan } = run;
    const { steps, batch, stepsPerEpoch } = plan;
    const stage2 = stage2Step(recipe.dmlora, steps);
    const planned = { steps, batch, stepsPerEpoch, dropSteps: dropSteps(recipe.dmlora, steps) };
    const engine = present(run.engine, 'an engine').describe();
    const ids = all.map(({ id }) => id);
    for (const step of keepAt) {
      const facts: RunFacts = {
        ...{ name: 'to continue', ofFolds: false, begunAt: 0, savedAt: 0, build: 'interop', recipe },
        plan: { ...planned, stage2 },
        device: deviceOf(engine, null),
        model: {
          ...{ title: opened.title, sha256: await digestOf(opened.file), startSha256: null },
          ...{ bytes: opened.file.size, imageSize: model.config.imageSize, normalisation: preprocessing },
          ...{ origin: opened.origin, hub: null, kept: null },
        },
        images: {
          ...{ title: 'drawn', classes, counts, reading: 'Drawn.', splitBy: 'seed', findings: [], ids },
          labels: Int32Array.from(all, ({ label }) => label),
          ...{ origins: null, ties: null, folds: null, named: null },
          pixels: { key: '', imageBytes: 0, maker: '', grey16: null },
        },
      };
      const state = present(states.get(step), `the state after step ${step}`);
      await writeFile(path.join(folder, `run-${step}.safetensors`), await writeCheckpoint({ facts, state }));
    }
    const places = all.map((__, at) => at);
    // The pictures have the model's size already.
    const { imageSize: side } = model.config;
    const asTheyAre = { resize: { kind: 'exact', width: side, height: side }, crop: null } as const;
    const record = await runRecord(
      { ...opened, preprocessing: { ...preprocessing, ...asTheyAre } },
      {
        title: 'drawn',
        images: all.map(({ id, label }) => ({ id, classIndex: label })),
        split: { train: places.slice(0, counts.train), validation: places.slice(counts.train), test: [] },
        summary: { reading: { sentence: 'Drawn.' }, splitBy: 'seed', together: null, pixels: [] },
      },
      data,
      { ...planned, recipe, engine, stage2Step: stage2 },
      {
        ...present(run.record(), 'a record'),
        ...{ engine: engine.engine, backend: engine.backend, adapter: engine.adapter, gpu: engine.gpu },
        ...{ tuning: engine.tuning, model: opened.title, classes, trainImages: counts.train },
        ...{ validationImages: counts.validation, testImages: 0 },
      },
      null,
    );
    await writeFile(path.join(folder, 'run.json'), JSON.stringify(record));
    const validations = run.state.evaluations.map(({ step, validation: { loss } }) => ({ step, loss }));
    return { losses: [...run.state.losses], validations, keptStep: record.result.keptStep };
  } finally {
    run.dispose();
  }
}
