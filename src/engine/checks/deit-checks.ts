// DeiT-Tiny against stored logits: the whole way from a real checkpoint to logits, by one body for every
// engine. Weights, photos and logits come through `read`; they are no part of this repository.
import { allOpen } from '../../dmlora/adapter.ts';
import { decodeFloats } from '../../formats/float-types.ts';
import { parseModelConfig } from '../../checkpoints/libraries.ts';
import { readHeader, readTensorBytes } from '../../formats/safetensors.ts';
import { assert, present } from '../../shared/assert.ts';
import { loadHead, loadModel, readCheckpoint } from '../../checkpoints/checkpoint.ts';
import type { Engine } from '../engine.ts';
import { assertClose } from './close.ts';
import type { ReadFile } from './reference.ts';
import { unwrap } from '../../shared/result.ts';

/**
 * The same weights in both name generations; float32: 1e-3, as the stored vectors ask; float16: its own
 * rounding.
 */
export const deitFolders = [
  ['deit_tiny_patch16_224', 1e-3],
  ['deit_tiny_patch16_224_hf', 2e-2],
] as const;

/**
 * Logits of the eight photos, from bytes and from normalised pixels, four at a time.
 *
 * @returns the largest difference to the stored logits, for each; throws beyond the tolerance, or where
 *   another class is the first.
 */
export async function checkDeit(
  read: ReadFile,
  makeEngine: () => Promise<Engine>,
  folder: string,
  tolerance: number,
): Promise<readonly [bytes: number, pixels: number]> {
  const config = unwrap(
    parseModelConfig(await (await read(`models/${folder}/config.json`)).text(), 'config.json'),
  );
  const file = await read(`models/${folder}/model.safetensors`);
  const header = unwrap(await readHeader(file, 'model.safetensors'));
  const checkpoint = unwrap(readCheckpoint(header, config));
  const model = unwrap(await loadModel(file, header, checkpoint));
  const head = present(unwrap(await loadHead(file, header, checkpoint)), 'head');

  const stored = await read('parity/deit_tiny.safetensors');
  const vectors = unwrap(await readHeader(stored, 'deit_tiny.safetensors')).tensors;
  const bytesOf = (tensor: string): Promise<Uint8Array> =>
    readTensorBytes(stored, present(vectors.get(tensor), tensor));
  const logits = decodeFloats(await bytesOf('logits'), 'F32'); // [8, 1000]
  const normalisation = {
    rescale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  } as const;

  const engine = await makeEngine();
  const plain = { modules: [], head, moments: new Map() };
  unwrap(await engine.prepare(model, plain, normalisation, { batch: 4, classes: 1000 }));
  const bytes = await bytesOf('crops_u8');
  const fromBytes = unwrap(await engine.evaluate({ kind: 'bytes', data: bytes }, allOpen));
  const normalised = decodeFloats(await bytesOf('pixels'), 'F32');
  const fromPixels = unwrap(await engine.evaluate({ kind: 'normalised', data: normalised }, allOpen));
  engine.dispose();
  const top = (values: Float32Array, i: number): number => {
    const row = values.subarray(i * 1000, (i + 1) * 1000);
    return row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity));
  };
  for (let i = 0; i < 8; i++)
    assert(top(fromBytes.data, i) === top(logits, i), () => `photo ${i}: another class is the first`);
  const difference = (got: Float32Array): number =>
    assertClose(`logits of ${folder}`, got, logits, { abs: tolerance, rel: 0 });
  return [difference(fromBytes.data), difference(fromPixels.data)];
}
