// Exports without a browser: a checkpoint of testdata is opened and written in formats that are proved on random
// pixels, and what was written is read again. For tests only.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import type { Adapter } from '../../dmlora/adapter.ts';
import { openModel, type OpenModel } from '../../checkpoints/open-model.ts';
import type { SourceFile } from '../../data/source-file.ts';
import { autodiffOn } from '../../engine/checks/node-backends.ts';
import { randomValues } from '../../engine/checks/random-model.ts';
import type { Engine } from '../../engine/engine.ts';
import { readHeader, readTensorBytes } from '../../formats/safetensors.ts';
import { present } from '../../shared/assert.ts';
import { ok, unwrap, type Result } from '../../shared/result.ts';
import { imagesOf, sampleRows } from '../../train/sample.ts';
import { exportFormats } from '../export-formats.ts';
import type { ExportDtype, ExportedFile, ExportFormat, FormatExport } from '../export-types.ts';
import { ProofEngine } from '../proof-engine.ts';

export const testdata = path.resolve(import.meta.dirname, '../../../testdata');
/** Of every model that is exported here. */
export const classes = ['a', 'b', 'c', 'd', 'e'];

/** A checkpoint of testdata as the files that a user would give. */
export async function filesIn(folder: string): Promise<SourceFile[]> {
  const at = path.join(testdata, folder);
  const names = (await readdir(at)).filter((name) => !name.startsWith('expected'));
  const files = names.map(async (name): Promise<SourceFile> => ({
    path: name,
    blob: new Blob([await readFile(path.join(at, name))]),
  }));
  return Promise.all(files);
}

export async function open(
  folder: string,
  options: Parameters<typeof openModel>[2] = {},
): Promise<OpenModel> {
  return unwrap(await openModel(await filesIn(folder), folder, options));
}

/**
 * What proving took: the engines that were made, the models that were put on them, the images that they ran.
 */
export interface Taken {
  engines: number;
  prepared: number;
  images: number;
}

interface Proving {
  /** Falsifies what the branched model says. */
  readonly logitShift?: number;
  readonly validationImages?: number;
  readonly signal?: AbortSignal;
  readonly taken?: Taken;
  readonly onProgress?: (what: string) => void;
}

/** Exports with random pixels as validation images. */
export async function outcomeOf(
  source: OpenModel,
  adapter: Adapter,
  formats: readonly ExportFormat[],
  dtype: ExportDtype = 'source',
  proving: Proving = {},
): Promise<Result<readonly FormatExport[]>> {
  const { logitShift = 0, validationImages = 3, taken = { engines: 0, prepared: 0, images: 0 } } = proving;
  const side = source.model.config.imageSize;
  const size = 3 * side * side;
  const data = randomValues(9, validationImages * size);
  const validation = {
    labels: Int32Array.from({ length: validationImages }, (_, i) => i % classes.length),
    slice: (begin: number, end: number) => ({
      kind: 'normalised' as const,
      data: data.subarray(begin * size, end * size),
    }),
  };
  const images = imagesOf(validation, sampleRows(validation.labels));
  const engine = await autodiffOn('cpu')();
  const shapes = { batch: 3, classes: classes.length };
  unwrap(await engine.prepare(source.model, adapter, source.preprocessing, shapes));
  const branched = unwrap(await engine.evaluate(images.slice(0, images.labels.length), new Map()));
  engine.dispose();
  const logits = { ...branched, data: branched.data.map((value) => value + logitShift) };
  const proofEngine = new ProofEngine(async () => {
    taken.engines += 1;
    return ok(counted(await autodiffOn('cpu')(), size, taken));
  });
  const result = await exportFormats({
    source,
    adapter,
    classes,
    formats,
    dtype,
    sample: { images, logits, of: validationImages },
    batch: 3,
    engine: proofEngine,
    signal: proving.signal ?? new AbortController().signal,
    documents: () => [],
    onProgress: proving.onProgress ?? (() => undefined),
  });
  proofEngine.dispose();
  return result;
}

/** The engine, which counts what is asked of it. */
export function counted(engine: Engine, imageSize: number, taken: Taken): Engine {
  const [prepare, evaluate] = [engine.prepare.bind(engine), engine.evaluate.bind(engine)];
  engine.prepare = (...given) => {
    taken.prepared += 1;
    return prepare(...given);
  };
  engine.evaluate = (pixels, gates) => {
    taken.images += pixels.data.length / imageSize;
    return evaluate(pixels, gates);
  };
  return engine;
}

/** The same, where nothing fails. */
export const exported = async (...given: Parameters<typeof outcomeOf>): Promise<readonly FormatExport[]> =>
  unwrap(await outcomeOf(...given));

/** Names, types, shapes and bytes of a written weights file. */
export async function weightsOf(files: readonly ExportedFile[], name = 'model.safetensors') {
  const { blob } = present(
    files.find((file) => file.name === name),
    name,
  );
  const header = unwrap(await readHeader(blob, name));
  const tensors = new Map<string, { dtype: string; shape: readonly number[]; bytes: Uint8Array }>();
  for (const [key, entry] of header.tensors)
    tensors.set(key, { ...entry, bytes: await readTensorBytes(blob, entry) });
  return tensors;
}

/** The files of a format, which is refused by nothing. */
export const filesOf = (formats: readonly FormatExport[], format: ExportFormat): readonly ExportedFile[] => {
  const found = formats.find((one) => one.format === format);
  expect([format, found?.refused]).toEqual([format, null]);
  return present(found, format).files;
};
