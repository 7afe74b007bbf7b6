// DeiT-Tiny against stored logits: the whole way from a real checkpoint to logits, in both name generations. The weights
// and photos are not part of this repository; without them the tests are skipped, and say so.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import { parseModelConfig } from '../formats/model-config.ts';
import { readHeader, readTensorBytes } from '../formats/safetensors.ts';
import { decodeFloats } from '../formats/float-types.ts';
import { present } from '../shared/assert.ts';
import { loadHead, loadModel, readCheckpoint } from '../vit/checkpoint.ts';
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
