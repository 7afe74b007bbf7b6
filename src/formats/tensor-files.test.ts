// Weights in several files: read as one, and every disagreement between index and shards is named.
import { describe, expect, test } from 'vitest';
import { faultSentence } from '../shared/describe-fault.ts';
import { readTensorBytes, readTensorRows, writeSafetensors, type TensorToWrite } from './safetensors.ts';
import { openShards, openTensorFile, type TensorFile } from './tensor-files.ts';
import type { Result } from '../shared/result.ts';

const floats = (...values: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape: [values.length],
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const halves: TensorToWrite = { dtype: 'BF16', shape: [3, 1], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6) };

const shards = new Map([
  ['a-1.safetensors', writeSafetensors(new Map([['x', floats(1, 2)]]))],
  ['a-2.safetensors', writeSafetensors(new Map([['y', halves]]))],
]);
const index = (map: Record<string, string>): Blob => new Blob([JSON.stringify({ weight_map: map })]);
const whole = { x: 'a-1.safetensors', y: 'a-2.safetensors' };

const open = (
  map: Record<string, string>,
  files: ReadonlyMap<string, Blob> = shards,
): Promise<Result<TensorFile>> => openShards(index(map), 'index.json', (name) => files.get(name));

test('tensors of all shards have the bytes that they have there', async () => {
  const opened = await open(whole);
  if (!opened.ok) throw new Error(faultSentence(opened.fault));
  const { blob, header } = opened.value;
  expect([...header.tensors.keys()].sort()).toEqual(['x', 'y']);
  expect(await readTensorBytes(blob, header.tensors.get('x')!)).toEqual(floats(1, 2).bytes);
  const y = header.tensors.get('y')!;
  expect(y).toMatchObject({ dtype: 'BF16', shape: [3, 1] });
  expect(await readTensorBytes(blob, y)).toEqual(halves.bytes);
  expect(await readTensorRows(blob, y, [1, 3])).toEqual(Uint8Array.of(3, 4, 5, 6));
});

test('one file is the same without an index', async () => {
  const opened = await openTensorFile(shards.get('a-1.safetensors')!, 'a-1.safetensors');
  expect(opened.ok && [...opened.value.header.tensors.keys()]).toEqual(['x']);
});

describe('refused', () => {
  const sentence = async (opened: Promise<Result<TensorFile>>): Promise<string> => {
    const result = await opened;
    return result.ok ? 'accepted' : faultSentence(result.fault);
  };
  const hasToo = new Map([
    ['a-1.safetensors', writeSafetensors(new Map([['x', floats(1)]]))],
    ['a-2.safetensors', writeSafetensors(new Map([['y', halves], ['x', floats(2)]]))], // prettier-ignore
  ]);
  test.each([
    ['a shard that is not there', open({ ...whole, z: 'a-3.safetensors' }), 'a-3.safetensors'],
    [
      'a tensor that its shard lacks',
      open({ ...whole, z: 'a-2.safetensors' }),
      'lacks 1 tensors of the index: z',
    ],
    ['a tensor that the index does not know', open({ x: 'a-1.safetensors', q: 'a-2.safetensors' }), 'lacks'],
    ['a tensor in two shards', open(whole, hasToo), 'holds x'],
    ['a path that leaves the folder', open({ x: '../a-1.safetensors' }), 'no shard'],
    ['a pickle as a shard', open({ x: 'pytorch_model-1.bin' }), 'no shard'],
    [
      'an index without a map',
      openShards(new Blob(['{"metadata":{}}']), 'index.json', () => undefined),
      'weight_map',
    ],
    ['an index that is no JSON', openShards(new Blob(['{']), 'index.json', () => undefined), 'not JSON'],
    [
      'a shard cut off',
      open(whole, new Map([...shards].map(([n, b]) => [n, b.slice(0, b.size - 1)]))),
      'too early',
    ],
  ])('%s', async (_, opened, words) => {
    expect(await sentence(opened)).toContain(words);
  });
});
