// Tiny checkpoints of testdata/cases as the files that a user would give: renamed, converted and placed in
// folders by the tests, opened by the code that opens a user's, and compared with what their own library
// computes. For tests only.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { allOpen, type Adapter } from '../../dmlora/adapter.ts';
import { assertClose } from '../../engine/checks/close.ts';
import { autodiffOn, readerOf } from '../../engine/checks/node-backends.ts';
import { identityNormalisation, readTensors, tensorOf, type Tensors } from '../../engine/checks/reference.ts';
import {
  readHeader,
  readTensorBytes,
  writeSafetensors,
  type TensorToWrite,
} from '../../formats/safetensors.ts';
import { present } from '../../shared/assert.ts';
import { faultSentence } from '../../shared/describe-fault.ts';
import type { Fault } from '../../shared/fault.ts';
import { type Result, unwrap } from '../../shared/result.ts';
import { loadHead } from '../checkpoint.ts';
import { openModel, type OpenModel } from '../open-model.ts';
import type { SourceFile } from '../../data/source-file.ts';

export const casesFolder = path.resolve(import.meta.dirname, '../../../testdata/cases');

export type Named = Map<string, TensorToWrite>;
/** Files by path; text or bytes. */
export type Pile = Readonly<Record<string, Blob | string>>;

export interface Tiny {
  readonly tensors: Named;
  readonly files: Pile;
  readonly expected: Tensors;
}

/** A tiny checkpoint: its tensors, its files, and what its library computes. */
export async function tiny(name: string): Promise<Tiny> {
  const folder = path.join(casesFolder, name);
  const files: Record<string, Blob> = {};
  for (const file of (await readdir(folder)).filter((name) => !name.includes('-48')))
    files[file] = new Blob([await readFile(path.join(folder, file))]);
  const weights = present(files['model.safetensors'], name);
  const tensors: Named = new Map();
  for (const [tensor, entry] of unwrap(await readHeader(weights, name)).tensors)
    tensors.set(tensor, {
      dtype: entry.dtype,
      shape: entry.shape,
      bytes: await readTensorBytes(weights, entry),
    });
  return { tensors, files, expected: await readTensors(readerOf(folder), 'expected.safetensors') };
}

export const pile = (files: Pile): SourceFile[] =>
  Object.entries(files).map(([name, content]) => ({
    path: name,
    blob: content instanceof Blob ? content : new Blob([content]),
  }));

/** The files of a pile below a folder. */
export const below = (folder: string, files: Pile): Pile =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));

export const opened = (files: Pile, weights: string | null = null): Promise<Result<OpenModel>> =>
  openModel(pile(files), 'title', { weights });

export async function faultOf(files: Pile): Promise<Fault> {
  const result = await opened(files);
  if (result.ok) throw new Error(`it opened: ${result.value.summary.notes.join(' ')}`);
  return result.fault;
}

export const refusal = async (files: Pile): Promise<string> => faultSentence(await faultOf(files));

export const renamed = (tensors: Named, rename: (name: string) => string | null): Named =>
  new Map(
    [...tensors].flatMap(([name, tensor]) => {
      const other = rename(name);
      return other === null ? [] : [[other, tensor] as const];
    }),
  );

export const withWeights = ({ files }: Tiny, tensors: Named): Pile => ({
  ...files,
  'model.safetensors': writeSafetensors(tensors),
});

export const json = async (content: Blob | string | undefined): Promise<Record<string, unknown>> =>
  JSON.parse(content instanceof Blob ? await content.text() : (content ?? '')) as Record<string, unknown>;

/** config.json with some fields replaced. */
export async function withConfig(files: Pile, fields: Readonly<Record<string, unknown>>): Promise<Pile> {
  return { ...files, 'config.json': JSON.stringify({ ...(await json(files['config.json'])), ...fields }) };
}

export async function assertLogits(
  model: OpenModel,
  expected: Tensors,
  tolerance = { abs: 1e-5, rel: 1e-5 },
  adapter: Adapter | null = null,
): Promise<void> {
  const [batch = 1] = tensorOf(expected, 'pixel_values').shape;
  const head =
    adapter?.head ?? present(unwrap(await loadHead(model.file, model.header, model.checkpoint)), 'head');
  const engine = await autodiffOn('wasm')();
  try {
    const shapes = { batch, classes: head.bias.data.length };
    unwrap(
      await engine.prepare(
        model.model,
        adapter ?? { modules: [], head, moments: new Map() },
        identityNormalisation,
        shapes,
      ),
    );
    const pixels = tensorOf(expected, 'pixel_values').data;
    const logits = unwrap(await engine.evaluate({ kind: 'normalised', data: pixels }, allOpen));
    assertClose('logits', logits.data, tensorOf(expected, 'logits').data, tolerance);
  } finally {
    engine.dispose();
  }
}

/** A pile without one of its files. */
export const without = (files: Pile, name: string): Pile =>
  Object.fromEntries(Object.entries(files).filter(([other]) => other !== name));
