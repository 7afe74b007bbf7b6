// Where models look, against the libraries that made them: the softmax of transformers and timm and PyTorch's
// gradients by it (testdata/look), on the autodiff engine, and on the kernels where Dawn is asked for.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { loadModel, readCheckpoint } from '../checkpoints/checkpoint.ts';
import { parseModelConfig } from '../checkpoints/libraries.ts';
import { allOpen } from '../dmlora/adapter.ts';
import { readHeader } from '../formats/safetensors.ts';
import { isCancelled } from '../shared/fault.ts';
import { unwrap } from '../shared/result.ts';
import type { VitModel } from '../vit/parameters.ts';
import { readFamily } from './checks/families.ts';
import { assertLook, checkLook, checkLookChangesNothing, lookedClass } from './checks/look-checks.ts';
import { autodiffOn, readerOf } from './checks/node-backends.ts';
import { kernelEngine, missingGpu } from './checks/node-gpu.ts';
import { micro, plainNormalisation, randomAdapter, randomBatch, randomModel } from './checks/random-model.ts';
import { identityNormalisation, readTensors, tensorOf, type Tensors } from './checks/reference.ts';
import type { Engine, Look } from './engine.ts';
import { startOf } from './look.ts';
import { sliceOf } from './pixels.ts';

vi.setConfig({ testTimeout: 900_000 }); // lavapipe compiles a kernel in seconds

const root = path.resolve(import.meta.dirname, '../..');
const read = readerOf(path.join(root, 'testdata'));
const families = [
  ...['hf-vit-sharded', 'hf-deit-distilled', 'hf-dinov2-registers', 'hf-siglip', 'hf-metaclip2'],
  ...['timm-deit3', 'timm-vit-avg', 'timm-vit-gap-registers'],
];

interface Head {
  readonly weight: Tensors extends ReadonlyMap<string, infer T> ? T : never;
  readonly bias: Tensors extends ReadonlyMap<string, infer T> ? T : never;
}

async function lookOf(
  makeEngine: () => Promise<Engine>,
  model: VitModel,
  head: Head,
  data: Float32Array,
): Promise<Look> {
  const engine = await makeEngine();
  const plain = { modules: [], head, moments: new Map() };
  const classes = head.bias.data.length;
  unwrap(await engine.prepare(model, plain, identityNormalisation, { batch: 2, classes }));
  const look = unwrap(await engine.look({ kind: 'normalised', data }, lookedClass, allOpen));
  engine.dispose();
  return look;
}

async function sprout(): Promise<VitModel> {
  const folder = path.join(root, 'public/models/graft-sprout-64');
  const config = unwrap(
    parseModelConfig(await readFile(path.join(folder, 'config.json'), 'utf8'), 'config.json'),
  );
  const file = new Blob([await readFile(path.join(folder, 'model.safetensors'))]);
  const header = unwrap(await readHeader(file, 'model.safetensors'));
  return unwrap(await loadModel(file, header, unwrap(readCheckpoint(header, config))));
}

const engines: [string, () => Promise<Engine>][] = [
  ['autodiff on cpu', autodiffOn('cpu')],
  ['autodiff on wasm', autodiffOn('wasm')],
  ...(missingGpu === null ? [['kernels', kernelEngine()] as [string, () => Promise<Engine>]] : []),
];

describe.each(engines)('%s', (name, makeEngine) => {
  test('gated branches on the micro ViT look where PyTorch says', async () => {
    console.info(name, await checkLook(makeEngine, read));
  });

  test('a look changes nothing of a run', async () => {
    await checkLookChangesNothing(makeEngine);
  });

  test.each(families)('%s looks where its library says', async (family) => {
    const { model, head, expected } = await readFamily(family);
    const vectors = await readTensors(read, `look/${family}.safetensors`);
    const look = await lookOf(makeEngine, model, head, tensorOf(expected, 'pixel_values').data);
    assertLook(family, look, vectors);
    expect(startOf(model.config).reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 6);
  });

  test('the model that ships looks at an image of each shipped set where PyTorch says', async () => {
    const vectors = await readTensors(read, 'look/sprout.safetensors');
    const { data } = tensorOf(await readTensors(read, 'sprout/parity.safetensors'), 'pixels');
    const size = data.length / 8;
    const images = Float32Array.from([...data.slice(0, size), ...data.slice(4 * size, 5 * size)]);
    const head = { weight: tensorOf(vectors, 'head.weight'), bias: tensorOf(vectors, 'head.bias') };
    console.info(name, assertLook('sprout', await lookOf(makeEngine, await sprout(), head, images), vectors));
  });
});

describe('maps', () => {
  const { pixels } = randomBatch(micro, 2, 3);
  const prepared = async (): Promise<Engine> => {
    const engine = await autodiffOn('cpu')();
    const options = { batch: 2, classes: 3 };
    unwrap(await engine.prepare(randomModel(micro), randomAdapter(micro, 3), plainNormalisation, options));
    return engine;
  };

  test('attention and rollout sum to 1 and know no class; relevance is never negative and does', async () => {
    const engine = await prepared();
    const [one, two] = [
      unwrap(await engine.look(pixels, 0, allOpen)),
      unwrap(await engine.look(pixels, 2, allOpen)),
    ];
    engine.dispose();
    const sums = ({ data, shape }: Look['rollout']): number[] => {
      const width = shape.at(-1) ?? 1;
      return Array.from({ length: data.length / width }, (_, row) =>
        data.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0),
      );
    };
    for (const map of [one.attention, one.rollout])
      for (const sum of sums(map)) expect(sum).toBeCloseTo(1, 5);
    expect(one.rollout.data).toEqual(two.rollout.data);
    expect(one.relevance.data).not.toEqual(two.relevance.data);
    expect(Math.min(...one.relevance.data)).toBeGreaterThanOrEqual(-1e-6);
  });

  test('an image is looked at by itself, and what is taken back ends between two', async () => {
    const engine = await prepared();
    const both = unwrap(await engine.look(pixels, 1, allOpen));
    const size = 3 * micro.imageSize ** 2;
    const second = unwrap(await engine.look(sliceOf(pixels, size, 2 * size), 1, allOpen));
    expect(both.relevance.data.slice(second.relevance.data.length)).toEqual(second.relevance.data);
    const taken = await engine.look(pixels, 1, allOpen, AbortSignal.abort());
    expect(!taken.ok && isCancelled(taken.fault)).toBe(true);
    engine.dispose();
  });
});
