// Folders on disk as Graft's own code takes them: opened like a user's files, written like an export.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeFloats, isFloatType } from '../../../src/formats/float-types.ts';
import { readHeader, readTensorBytes } from '../../../src/formats/safetensors.ts';
import { ndArray, type NdArray } from '../../../src/shared/array.ts';
import { unwrap } from '../../../src/shared/result.ts';
import { openModel, type OpenModel } from '../../../src/checkpoints/open-model.ts';

/** The files of a folder and of those in it, as the page hands them over. */
export async function filesOf(folder: string): Promise<{ path: string; blob: Blob }[]> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'expected.safetensors')
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
  return Promise.all(
    names.map(async (name) => ({ path: name, blob: new Blob([await readFile(path.join(folder, name))]) })),
  );
}

/** Opens a folder; where it holds several models, the one that the command takes by rule, else the first. */
export async function openFolder(folder: string): Promise<OpenModel> {
  const files = await filesOf(folder);
  const title = path.basename(folder);
  const opened = await openModel(files, title);
  if (opened.ok || opened.fault.kind !== 'which-model') return unwrap(opened);
  const [first] = opened.fault.choices;
  return unwrap(await openModel(files, title, { weights: opened.fault.byRule ?? first?.path ?? null }));
}

export async function writeFiles(
  folder: string,
  files: readonly { readonly name: string; readonly blob: Blob }[],
): Promise<void> {
  for (const { name, blob } of files) {
    const target = path.join(folder, name);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, new Uint8Array(await blob.arrayBuffer()));
  }
}

/** Every float tensor of a safetensors file, as float32. */
export async function floatsOf(file: string): Promise<Map<string, NdArray>> {
  const blob = new Blob([await readFile(file)]);
  const tensors = new Map<string, NdArray>();
  for (const [name, entry] of unwrap(await readHeader(blob, path.basename(file))).tensors)
    if (isFloatType(entry.dtype))
      tensors.set(name, ndArray(entry.shape, decodeFloats(await readTensorBytes(blob, entry), entry.dtype)));
  return tensors;
}

/** Largest |a - b|; NaN where one of them is not finite, Infinity where their lengths differ. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? NaN) - (b[i] ?? NaN));
    if (!Number.isFinite(difference)) return NaN;
    largest = Math.max(largest, difference);
  }
  return largest;
}
