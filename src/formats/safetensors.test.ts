// The strict reader against hostile files and the writer against the reader and the format's rules.
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import type { BadFileReason } from '../shared/fault.ts';
import { readHeader, readTensorBytes, writeSafetensors, type TensorToWrite } from './safetensors.ts';

/** A file from header text and data, with the length that fits or another. */
function file(header: string | Uint8Array, data = new Uint8Array(0), length?: bigint): Blob {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  return new Blob([prefix, text as BlobPart, data]);
}

async function reasonOf(blob: Blob): Promise<string> {
  const header = await readHeader(blob, 'x.safetensors');
  if (header.ok) return 'accepted';
  return header.fault.kind === 'bad-file' ? header.fault.why : header.fault.kind;
}

const entry = (offsets: [number, number], shape: number[], dtype = 'F32'): string =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });
const floats = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array(4 * n);

test.each([2, 3, 4, 5])(
  'a header whose length begins like a pickle of protocol %i is read',
  async (protocol) => {
    const length = 0x80 + 256 * protocol;
    expect(await reasonOf(file(`{"a":${entry([0, 4], [1])}}`.padEnd(length, ' '), floats(1)))).toBe(
      'accepted',
    );
  },
);

describe('reading refuses', () => {
  const cases: [string, Blob, BadFileReason][] = [
    ['an empty file', new Blob([]), 'too-short'],
    ['seven bytes', new Blob([new Uint8Array(7)]), 'too-short'],
    ['a header of length 0', file('', floats(1), 0n), 'header-length'],
    ['a header longer than the file', file('{}', floats(0), 1000n), 'header-length'],
    ['2^53 + 1', file('{}', floats(0), 2n ** 53n + 1n), 'header-length'],
    ['2^64 - 1', file('{}', floats(0), 2n ** 64n - 1n), 'header-length'],
    ['a header above the cap', file(' '.repeat(10_000_001)), 'header-too-big'],
    ['bytes that are not UTF-8', file(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])), 'header-not-json'],
    ['text that is not JSON', file('{"a":'), 'header-not-json'],
    ['an array', file('[]'), 'header-not-json'],
    ['a million brackets', file('['.repeat(1_000_000)), 'header-not-json'],
    ['metadata that is no string', file('{"__metadata__":{"a":1}}'), 'header-not-json'],
    ['an overlap', file(`{"a":${entry([0, 8], [2])},"b":${entry([4, 12], [2])}}`, floats(3)), 'offsets'],
    ['a hole', file(`{"a":${entry([0, 4], [1])},"b":${entry([8, 12], [1])}}`, floats(3)), 'offsets'],
    ['a reversed range', file(`{"a":${entry([4, 0], [1])}}`, floats(1)), 'offsets'],
    ['an end beyond the file', file(`{"a":${entry([0, 8], [2])}}`, floats(1)), 'too-short'],
    ['bytes after the last tensor', file(`{"a":${entry([0, 4], [1])}}`, floats(2)), 'offsets'],
    ['a shape that does not fit', file(`{"a":${entry([0, 8], [3])}}`, floats(2)), 'shape'],
    ['a negative dimension', file(`{"a":${entry([0, 4], [-1])}}`, floats(1)), 'shape'],
    ['a fraction', file(`{"a":${entry([0, 4], [0.5])}}`, floats(1)), 'shape'],
    [
      '2^62 times 4',
      file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`),
      'shape',
    ],

    [
      'the same name twice',
      file(`{"a":${entry([0, 4], [1])},"a":${entry([0, 4], [1])}}`, floats(1)),
      'offsets',
    ],
    [
      'the same name with two ranges',
      file(`{"a":${entry([0, 4], [1])},"a":${entry([4, 8], [1])}}`, floats(2)),
      'offsets',
    ],
    ['a pickle', new Blob([new Uint8Array([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9])]), 'pickle'],
    ['a PyTorch zip', new Blob(['PK\x03\x04 and more of it']), 'pickle'],
    ['a GGUF', new Blob(['GGUF and more of it']), 'other-format'],
    ['a web page', new Blob(['<!DOCTYPE html><p>Not found</p>']), 'other-format'],
    ['a Git LFS pointer', new Blob(['version https://git-lfs.github.com/spec/v1\n']), 'other-format'],
  ];
  test.each(cases)('%s', async (_, blob, reason) => {
    expect(await reasonOf(blob)).toBe(reason);
  });
});

describe('reading accepts', () => {
  test('padding, scalars, empty tensors, any order, unaligned data and odd names', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'ü🌿'];
    const header = names
      .map((name, i) => `${JSON.stringify(name)}:${entry([i, i + 1], i === 0 ? [] : [1], 'U8')}`)
      .reverse();
    const blob = file(
      `   {"__metadata__":{"a":"b"},"empty":${entry([4, 4], [0])},${header.join(',')}}  `,
      new Uint8Array([1, 2, 3, 4]),
    );
    const read = await readHeader(blob, 'x');
    expect(read.ok).toBe(true);
    if (!read.ok) return;
    expect([...read.value.tensors.keys()].sort()).toEqual([...names, 'empty'].sort());
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    expect(await readTensorBytes(blob, read.value.tensors.get('constructor')!)).toEqual(new Uint8Array([2]));
    expect(read.value.metadata.get('a')).toBe('b');
  });
});

const tensorsArbitrary = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 20 }).filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom('F32', 'F16', 'BF16', 'U8', 'I64'),
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);
const width = { F32: 4, F16: 2, BF16: 2, U8: 1, I64: 8 } as const;

function written(
  list: { name: string; dtype: keyof typeof width; shape: number[] }[],
): [Blob, Map<string, TensorToWrite>] {
  const tensors = new Map<string, TensorToWrite>();
  for (const { name, dtype, shape } of list) {
    const size = shape.reduce((a, b) => a * b, 1) * width[dtype];
    tensors.set(name, {
      dtype,
      shape,
      bytes: Uint8Array.from({ length: size }, (_, i) => (i * 31 + name.length) % 256),
    });
  }
  return [writeSafetensors(tensors, new Map([['note', 'ü']])), tensors];
}

test('what is written is read back: names, types, shapes, bytes, aligned', async () => {
  await fc.assert(
    fc.asyncProperty(tensorsArbitrary, async (list) => {
      const [blob, tensors] = written(list);
      const read = await readHeader(blob, 'x');
      expect(read.ok).toBe(true);
      if (!read.ok) return;
      expect(read.value.metadata.get('format')).toBe('pt');
      expect(read.value.tensors.size).toBe(tensors.size);
      for (const [name, { dtype, shape, bytes }] of tensors) {
        const found = read.value.tensors.get(name);
        expect(found).toMatchObject({ dtype, shape });
        expect(found!.begin % width[dtype as keyof typeof width]).toBe(0);
        expect(await readTensorBytes(blob, found!)).toEqual(bytes);
      }
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('any bytes end in a result, and a mutated file never in overlapping or escaping tensors', async () => {
  await fc.assert(
    fc.asyncProperty(
      tensorsArbitrary,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      async (list, changes) => {
        const [blob] = written(list);
        const bytes = new Uint8Array(await blob.arrayBuffer());
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const read = await readHeader(new Blob([bytes]), 'x');
        if (!read.ok) return;
        const ranges = [...read.value.tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
        ranges.reduce((end, range) => {
          expect(range.begin).toBeGreaterThanOrEqual(end);
          return range.end;
        }, 8);
        expect(ranges.at(-1)?.end ?? bytes.length).toBe(bytes.length);
      },
    ),
    { numRuns: 500, seed: 2 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      expect(typeof (await reasonOf(new Blob([bytes as BlobPart])))).toBe('string');
    }),
    { numRuns: 1000, seed: 3 },
  );
});
