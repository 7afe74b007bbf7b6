// DeiT-Tiny against stored logits: the whole way from a real checkpoint to logits, in both name generations. The weights
// and photos are not part of this repository; without them the tests are skipped, and say so.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import { parseModelConfig } from '../formats/model-config.ts';
import { readHeader, readTensorBytes, writeSafetensors } from '../formats/safetensors.ts';
import { decodeFloats } from '../formats/float-types.ts';
import { ndArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { loadHead, loadModel, readCheckpoint } from '../vit/checkpoint.ts';
import { fineTunedTensors } from '../vit/write-checkpoint.ts';
import { assertClose } from './testing/close.ts';
import { autodiffOn } from './testing/node-backends.ts';
import { must } from './testing/reference.ts';

const data = path.resolve(import.meta.dirname, '../../../shared/data');
const absent = !existsSync(path.join(data, 'models'));
if (absent) console.warn('DeiT-Tiny parity is skipped: ../shared/data is not there.');

const open = async (file: string): Promise<Blob> => new Blob([await readFile(path.join(data, file))]);

test.skipIf(absent).each([
  // float32: 1e-3, as the stored vectors ask; float16 weights: 2e-2, for the rounding of the weights themselves.
  ['deit_tiny_patch16_224', 1e-3],
  ['deit_tiny_patch16_224_hf', 2e-2],
])('%s gives the stored logits on eight photos', async (name, tolerance) => {
  const config = must(
    parseModelConfig(await (await open(`models/${name}/config.json`)).text(), 'config.json'),
  );
  const file = await open(`models/${name}/model.safetensors`);
  const header = must(await readHeader(file, 'model.safetensors'));
  const checkpoint = must(readCheckpoint(header, config));
  const model = must(await loadModel(file, header, checkpoint));
  const head = present(must(await loadHead(file, header, checkpoint)), 'head');

  const stored = await open('parity/deit_tiny.safetensors');
  const vectors = must(await readHeader(stored, 'deit_tiny.safetensors')).tensors;
  const bytesOf = async (tensor: string): Promise<Uint8Array> =>
    readTensorBytes(stored, present(vectors.get(tensor), tensor));
  const logits = decodeFloats(await bytesOf('logits'), 'F32');
  const bytes = await bytesOf('crops_u8');
  const normalised = decodeFloats(await bytesOf('pixels'), 'F32');
  const normalisation = {
    rescale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  } as const;

  const engine = await autodiffOn('wasm')();
  const plain = { modules: [], head, moments: new Map() };
  must(await engine.prepare(model, plain, normalisation, { batch: 4, classes: 1000 }));
  const fromBytes = must(await engine.evaluate({ kind: 'bytes', data: bytes }, allOpen));
  const fromPixels = must(await engine.evaluate({ kind: 'normalised', data: normalised }, allOpen));
  engine.dispose();
  const differences = [fromBytes, fromPixels].map((got) =>
    assertClose(`logits of ${name}`, got.data, logits, { abs: tolerance, rel: 0 }),
  );
  console.info(`${name}: largest logit difference ${differences.join(' from bytes, ')} from pixels`);
  const top = (values: Float32Array, i: number): number => {
    const row = values.subarray(i * 1000, (i + 1) * 1000);
    return row.indexOf(Math.max(...row));
  };
  for (let i = 0; i < 8; i++) expect(top(fromBytes.data, i)).toBe(top(logits, i));
});

test.skipIf(absent).each([
  ['deit_tiny_patch16_224', 'kept'],
  ['deit_tiny_patch16_224', 'replaced'],
  ['deit_tiny_patch16_224_hf', 'kept'],
  ['deit_tiny_patch16_224_hf', 'replaced'],
])('%s with its head %s leaves bit for bit where nothing was adapted', async (name, fate) => {
  const config = must(
    parseModelConfig(await (await open(`models/${name}/config.json`)).text(), 'config.json'),
  );
  const file = await open(`models/${name}/model.safetensors`);
  const header = must(await readHeader(file, 'model.safetensors'));
  const checkpoint = must(readCheckpoint(header, config));
  const model = must(await loadModel(file, header, checkpoint));
  const own = present(must(await loadHead(file, header, checkpoint)), 'head');
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
  const after = must(await readHeader(out, 'out')).tensors;
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
