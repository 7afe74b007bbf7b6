// Hostile indexes of sharded weights: whatever stands in model.safetensors.index.json, a shard is looked for
// by its plain name among the files that were given, and what an index claims allocates nothing.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeSafetensors, type TensorToWrite } from './safetensors.ts';
import { openShards, type TensorFile } from './tensor-files.ts';
import type { Result } from '../shared/result.ts';

const one: TensorToWrite = { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) };
const shard = (...names: string[]): Blob => writeSafetensors(new Map(names.map((name) => [name, one])));
const shards = new Map([
  ['a.safetensors', shard('x')],
  ['b.safetensors', shard('y')],
  ['both.safetensors', shard('x', 'y')],
]);

/** Opens an index; `asked` collects the names that were looked for. */
function open(index: unknown, asked: string[] = []): Promise<Result<TensorFile>> {
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  return openShards(new Blob([text]), 'index.json', (name) => {
    asked.push(name);
    return shards.get(name);
  });
}

describe('an index is refused', () => {
  test.each([
    ['../a.safetensors'],
    ['..\\a.safetensors'],
    ['/etc/a.safetensors'],
    ['C:a.safetensors'],
    ['https://example.org/a.safetensors'],
    ['deep/a.safetensors'],
    ['a.safetensors\0.bin'],
    ['a.safetensors\n'],
    [''],
    ['.safetensors/..'],
    ['model.bin'],
    [7],
    [null],
    [['a.safetensors']],
  ])('that puts a tensor into %j, and nothing is looked for', async (file) => {
    const asked: string[] = [];
    const opened = await open({ weight_map: { x: file } }, asked);
    expect(opened).toMatchObject({ ok: false, fault: { kind: 'bad-file' } });
    expect(asked).toEqual([]);
  });

  test.each([
    ['no JSON', '{"weight_map":'],
    ['an array', []],
    ['no map', { metadata: {} }],
    ['an empty map', { weight_map: {} }],
    ['a map that is a list', { weight_map: ['a.safetensors'] }],
    ['a shard that is missing', { weight_map: { x: 'a.safetensors', z: 'gone.safetensors' } }],
    ['a tensor where it is not', { weight_map: { x: 'b.safetensors', y: 'a.safetensors' } }],
    ['a tensor in two shards', { weight_map: { x: 'a.safetensors', y: 'both.safetensors' } }],
    ['a tensor that only a shard knows', { weight_map: { x: 'both.safetensors' } }],
    ['more shards than any model', { weight_map: Object.fromEntries(Array.from({ length: 201 }, (_, i) => [i, `${i}.safetensors`])) }], // prettier-ignore
    ['eleven megabytes', `{"weight_map":{"x":"a.safetensors"}}${' '.repeat(11_000_000)}`],
  ])('with %s', async (_, index) => {
    expect(await open(index)).toMatchObject({ ok: false, fault: { kind: 'bad-file' } });
  });
});

test('a total size that is a lie is neither believed nor allocated', async () => {
  const before = process.memoryUsage().arrayBuffers;
  const opened = await open({
    metadata: { total_size: 2 ** 60 },
    weight_map: { x: 'a.safetensors', y: 'b.safetensors' },
  });
  expect(opened.ok && [...opened.value.header.tensors.keys()].sort()).toEqual(['x', 'y']);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

test('names that are properties of objects are only names', async () => {
  const opened = await open('{"weight_map":{"__proto__":"a.safetensors","constructor":"b.safetensors"}}');
  expect(opened.ok).toBe(false); // the shards hold x and y
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});

test('any index ends in a result', async () => {
  const name = fc.constantFrom('a.safetensors', 'b.safetensors', 'both.safetensors', '../a', '');
  const map = fc.dictionary(fc.constantFrom('x', 'y', 'z', '__proto__'), fc.oneof(name, fc.jsonValue()));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.json(),
        map.map((weight_map) => ({ weight_map })),
      ),
      async (index) => {
        const opened = await open(index);
        if (!opened.ok) return;
        // Accepted only where each tensor lies in the one shard that has just these.
        const ranges = [...opened.value.header.tensors.values()].sort((a, b) => a.begin - b.begin);
        for (const [i, { begin }] of ranges.entries()) expect(begin).toBeGreaterThan(ranges[i - 1]?.end ?? 0);
      },
    ),
    { numRuns: 500, seed: 5 },
  );
});
