// Tiny random checkpoints of the families, made by transformers and timm themselves
// (scripts/interop/make_tiny_models.py): GRAFT_FAMILIES names a folder of them, testdata/families holds some
// that ship with the tests. For tests only.
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseModelConfig } from '../../checkpoints/libraries.ts';
import type { ModelConfigFile } from '../../checkpoints/model-config.ts';
import { openShards, openTensorFile, type TensorFile } from '../../formats/tensor-files.ts';
import { present } from '../../shared/assert.ts';
import { loadHead, loadModel, readCheckpoint } from '../../checkpoints/checkpoint.ts';
import type { Checkpoint } from '../../checkpoints/family.ts';
import type { Head } from '../../checkpoints/heads.ts';
import type { VitModel } from '../../vit/parameters.ts';
import { readerOf } from './node-backends.ts';
import { readTensors, type Tensors } from './reference.ts';
import { unwrap } from '../../shared/result.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const familiesFolder = path.resolve(root, process.env['GRAFT_FAMILIES'] ?? 'testdata/families');

/** Names of the families there. */
export const familyNames: readonly string[] = readdirSync(familiesFolder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(path.join(familiesFolder, entry.name, 'config.json')))
  .map(({ name }) => name)
  .sort();

export interface FamilyCase {
  readonly config: ModelConfigFile;
  readonly file: TensorFile;
  readonly checkpoint: Checkpoint;
  readonly model: VitModel;
  /** The file's head, or the one that the expected logits were made with. */
  readonly head: Head;
  readonly expected: Tensors;
}

/** Opens a family through the code that opens a user's checkpoint. */
export async function readFamily(name: string): Promise<FamilyCase> {
  const folder = path.join(familiesFolder, name);
  const read = readerOf(folder);
  const config = unwrap(
    parseModelConfig(await readFile(path.join(folder, 'config.json'), 'utf8'), 'config.json'),
  );
  const file = unwrap(await openFolder(folder));
  const checkpoint = unwrap(readCheckpoint(file.header, config));
  const model = unwrap(await loadModel(file.blob, file.header, checkpoint));
  const expected = await readTensors(read, 'expected.safetensors');
  const [weight, bias] = [expected.get('head.weight'), expected.get('head.bias')];
  const own = unwrap(await loadHead(file.blob, file.header, checkpoint));
  const head =
    weight !== undefined && bias !== undefined ? { weight, bias } : present(own, `head of ${name}`);
  return { config, file, checkpoint, model, head, expected };
}

async function openFolder(folder: string): ReturnType<typeof openTensorFile> {
  const blobs = new Map<string, Blob>();
  for (const name of readdirSync(folder))
    if (/\.safetensors(\.index\.json)?$/.test(name))
      blobs.set(name, new Blob([await readFile(path.join(folder, name))]));
  const index = blobs.get('model.safetensors.index.json');
  return index === undefined
    ? openTensorFile(present(blobs.get('model.safetensors'), 'weights'), 'model.safetensors')
    : openShards(index, 'model.safetensors.index.json', (shard) => blobs.get(shard));
}
