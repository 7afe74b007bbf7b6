// DeiT-Tiny against stored logits: the whole way from a real checkpoint to logits, in both name generations.
// The weights and photos are not part of this repository; without them the tests are skipped, and say so.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseModelConfig } from '../checkpoints/libraries.ts';
import { readHeader, readTensorBytes, writeSafetensors } from '../formats/safetensors.ts';
import { ndArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { loadHead, loadModel, readCheckpoint } from '../checkpoints/checkpoint.ts';
import { fineTunedTensors } from '../checkpoints/write-checkpoint.ts';
import { checkDeit, deitFolders } from './checks/deit-checks.ts';
import { autodiffOn } from './checks/node-backends.ts';
import { unwrap } from '../shared/result.ts';

const data = path.resolve(import.meta.dirname, '../../../shared/data');
const absent = !existsSync(path.join(data, 'models'));
if (absent) console.warn('DeiT-Tiny parity is skipped: ../shared/data is not there.');

const open = async (file: string): Promise<Blob> => new Blob([await readFile(path.join(data, file))]);

test.skipIf(absent).each(deitFolders)(
  '%s gives the stored logits on eight photos',
  async (name, tolerance) => {
    const differences = await checkDeit(open, autodiffOn('wasm'), name, tolerance);
    console.info(`${name}: largest logit difference ${differences.join(' from bytes, ')} from pixels`);
    expect(differences.every((value) => value <= tolerance)).toBe(true);
  },
);

test.skipIf(absent).each([
  ['deit_tiny_patch16_224', 'kept'],
  ['deit_tiny_patch16_224', 'replaced'],
  ['deit_tiny_patch16_224_hf', 'kept'],
  ['deit_tiny_patch16_224_hf', 'replaced'],
])('%s with its head %s leaves bit for bit where nothing was adapted', async (name, fate) => {
  const config = unwrap(
    parseModelConfig(await (await open(`models/${name}/config.json`)).text(), 'config.json'),
  );
  const file = await open(`models/${name}/model.safetensors`);
  const header = unwrap(await readHeader(file, 'model.safetensors'));
  const checkpoint = unwrap(readCheckpoint(header, config));
  const model = unwrap(await loadModel(file, header, checkpoint));
  const own = present(unwrap(await loadHead(file, header, checkpoint)), 'head');
  const fresh = { weight: ndArray([3, 192], new Float32Array(576)), bias: ndArray([3], new Float32Array(3)) };
  const head = fate === 'kept' ? own : fresh;
  const value = present(model.weights.get('blocks.3.v.weight'), 'v');
  const adapted = ndArray(
    value.shape,
    value.data.map((x) => x + 0.25),
  );
  const changed = new Map([
    ['blocks.3.v.weight', adapted],
    ['head.weight', head.weight],
    ['head.bias', head.bias],
  ]);
  const out = writeSafetensors(await fineTunedTensors(file, header, checkpoint, changed));
  const after = unwrap(await readHeader(out, 'out')).tensors;
  expect([...after.keys()].sort()).toEqual([...header.tensors.keys()].sort());
  const differ: string[] = [];
  for (const [tensor, entry] of header.tensors) {
    const written = present(after.get(tensor), tensor);
    const [a, b] = [await readTensorBytes(file, entry), await readTensorBytes(out, written)];
    if (written.dtype !== entry.dtype || Buffer.compare(a, b) !== 0) differ.push(tensor);
  }
  const { tensor } = present(checkpoint.locations.get('blocks.3.v.weight'), 'v');
  const heads = checkpoint.heads.flatMap((prefix) => [`${prefix}.bias`, `${prefix}.weight`]);
  expect(differ.sort()).toEqual([tensor, ...(fate === 'kept' ? [] : heads)].sort());
});
