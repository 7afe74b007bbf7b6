// The model that ships: opened as the app opens it, its feature of the class token on eight images (four of
// each shipped data set) against what PyTorch computed from the same file. An identity as the head makes the
// features the logits.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import { parseModelConfig } from '../checkpoints/libraries.ts';
import { readHeader } from '../formats/safetensors.ts';
import { ndArray, zeros } from '../shared/array.ts';
import { loadModel, readCheckpoint } from '../checkpoints/checkpoint.ts';
import { assertClose } from './checks/close.ts';
import { autodiffOn } from './checks/node-backends.ts';
import { identityNormalisation, readTensors, tensorOf } from './checks/reference.ts';
import { unwrap } from '../shared/result.ts';

const root = path.resolve(import.meta.dirname, '../..');
const open = async (name: string): Promise<Blob> => new Blob([await readFile(path.join(root, name))]);

test('the shipped model gives the features that PyTorch gives', async () => {
  const folder = 'public/models/graft-sprout-64';
  const config = unwrap(parseModelConfig(await (await open(`${folder}/config.json`)).text(), 'config.json'));
  const file = await open(`${folder}/model.safetensors`);
  const header = unwrap(await readHeader(file, 'model.safetensors'));
  const checkpoint = unwrap(readCheckpoint(header, config));
  expect(checkpoint.head).toBeNull();
  const model = unwrap(await loadModel(file, header, checkpoint));
  const { dim } = model.config;
  const identity = ndArray(
    [dim, dim],
    Float32Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0)),
  );
  const vectors = await readTensors(open, 'testdata/sprout/parity.safetensors');

  const engine = await autodiffOn('wasm')();
  const plain = { modules: [], head: { weight: identity, bias: zeros([dim]) }, moments: new Map() };
  unwrap(await engine.prepare(model, plain, identityNormalisation, { batch: 8, classes: dim }));
  const pixels = { kind: 'normalised', data: tensorOf(vectors, 'pixels').data } as const;
  const features = unwrap(await engine.evaluate(pixels, allOpen));
  engine.dispose();
  // Features reach 4.3; float32 against float32 in another order of sums.
  assertClose('features', features.data, tensorOf(vectors, 'cls_feature').data, { abs: 1e-4, rel: 0 });
});
