// Hostile safetensors: the corpus of testdata/hostile, what is too large to keep, and files damaged at
// random, against the rules written out a second time (testing/safetensors-oracle.ts). No crash, no second of
// waiting, no memory for what a header claims, and nothing accepted that overlaps or is cut off.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cases, readme } from '../../testdata/hostile/make-hostile.mjs';
import { maxHeaderBytes, readHeader, type SafetensorsHeader } from './safetensors.ts';
import { damagedFile, type Damage } from './testing/damaged-safetensors.ts';
import { oracle } from './testing/safetensors-oracle.ts';
import type { Result } from '../shared/result.ts';

const folder = path.resolve(import.meta.dirname, '../../testdata/hostile');
const blobOf = (...parts: (Uint8Array | string)[]): Blob => new Blob(parts as BlobPart[]);
const read = (blob: Blob): Promise<Result<SafetensorsHeader>> => readHeader(blob, 'x.safetensors');

async function verdict(blob: Blob): Promise<string> {
  const header = await read(blob);
  if (header.ok) return 'accepted';
  return header.fault.kind === 'bad-file' ? header.fault.why : header.fault.kind;
}

const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  return bytes;
};
/** A file of a header text and data. */
const fileOf = (header: string, data = new Uint8Array(0)): Blob => {
  const text = new TextEncoder().encode(header);
  return blobOf(prefix(text.length), text, data);
};

describe('the corpus', () => {
  test('is what its script makes', () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    expect(names.sort()).toEqual(cases.map(({ file }) => file).sort());
    for (const { file, bytes } of cases)
      expect(new Uint8Array(readFileSync(path.join(folder, file))), file).toEqual(bytes);
    expect(readFileSync(path.join(folder, 'README.md'), 'utf8')).toBe(readme);
  });

  test.each(cases.map(({ file, graft, bytes }) => [file, graft, bytes] as const))(
    '%s: %s',
    async (_, graft, bytes) => {
      expect(await verdict(blobOf(bytes))).toBe(graft);
      expect('tensors' in oracle(bytes)).toBe(graft === 'accepted');
    },
  );

  test('leaves no trace on objects (M6)', async () => {
    for (const { bytes } of cases) await verdict(blobOf(bytes));
    const fresh: Record<string, unknown> = {};
    expect([fresh['x'], fresh['dtype'], fresh['a']]).toEqual([undefined, undefined, undefined]);
  });

  test('every refusal names its reason in one sentence', async () => {
    for (const { bytes, file } of cases) {
      const header = await read(blobOf(bytes));
      if (header.ok) continue;
      expect(header.fault.kind === 'bad-file' && header.fault.detail, file).toMatch(/^.{10,200}[.?]$/s);
    }
  });
});

describe('what is too large to keep', () => {
  const megabyte = 2 ** 20;
  const entries = (count: number): string =>
    `{${Array.from({ length: count }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join(',')}}`;
  // Fills a header up to the cap with one thing.
  const filled = (begin: string, piece: string, end: string): Blob =>
    fileOf(begin + piece.repeat(Math.floor((9_999_000 - begin.length - end.length) / piece.length)) + end);
  const spaces = new Uint8Array(100_000_000).fill(0x20);
  const files: [string, () => Blob, string][] = [
    ['a hundred megabytes of spaces', () => blobOf(prefix(spaces.length), spaces), 'header-too-big'],
    ['spaces up to the cap', () => filled('', ' ', ''), 'header-not-json'],
    ['a million brackets', () => fileOf('['.repeat(1e6)), 'header-not-json'],
    [
      'a million objects in each other',
      () => fileOf('{"a":'.repeat(1e6) + '1' + '}'.repeat(1e6)),
      'header-not-json',
    ],
    ['ten megabytes of brackets in an entry', () => filled('{"a":', '[', ''), 'header-not-json'],
    ['ten megabytes of lists in an unknown field', () => filled('{"a":{"x":[0', ',[]', ']}}'), 'dtype'],
    ['a shape of millions', () => filled('{"a":{"shape":[1', ',1', ']}}'), 'shape'],
    ['millions of offsets', () => filled('{"a":{"data_offsets":[1', ',1', ']}}'), 'offsets'],
    ['a name of ten megabytes', () => filled('{"', 'n', '":1}'), 'header-too-big'],
    ['a name of escapes', () => filled('{"', '\\u0061', '":1}'), 'header-too-big'],
    ['a string that never ends', () => filled('{"', '\\"', ''), 'header-not-json'],
    ['a string of backslashes', () => filled('{"', '\\\\', ''), 'header-not-json'],
    ['a number of ten megabytes', () => filled('{"a":{"shape":[', '9', ']}}'), 'shape'],
    ['10,001 tensors', () => fileOf(entries(10_001)), 'header-too-big'],
    [
      'as many keys of the metadata',
      () => fileOf(`{"__metadata__":{${Array.from({ length: 10_001 }, (_, i) => `"${i}":""`).join(',')}}}`),
      'header-too-big',
    ],
    ['10,000 tensors', () => fileOf(entries(10_000)), 'accepted'],
    ['a metadata value of nine megabytes', () => filled('{"__metadata__":{"run":"', 'x', '"}}'), 'accepted'],
  ];
  // Before and after, Blobs of Node keep their bytes outside of the heap: what grows is what the reader took.
  const held = (): number => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + Math.max(external, arrayBuffers);
  };

  test.each(files)('%s: within a second, and no more memory than the cap', async (_, make, expected) => {
    const blob = make();
    await blob.slice(0, 1).arrayBuffer();
    const before = held();
    const cpu = process.cpuUsage();
    expect(await verdict(blob)).toBe(expected);
    const { user, system } = process.cpuUsage(cpu); // microseconds; the clock would measure the machine's other work
    // The cap: a header of 10 MB as bytes (twice, while Node puts a Blob's pieces together) and as text.
    expect(held() - before).toBeLessThan(blob.size > maxHeaderBytes + 8 ? megabyte : 4 * maxHeaderBytes);
    expect((user + system) / 1000).toBeLessThan(1000);
  });

  test.each([
    ['a header of 8 EB', blobOf(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0x70]), '{}'), 'header-length'],
    ['a header of 4 GB', blobOf(prefix(2 ** 32), '{}'), 'header-length'],
    [
      'a tensor of 8 PB',
      fileOf('{"a":{"dtype":"U8","shape":[2147483648,4194303],"data_offsets":[0,9007197107257344]}}'),
      'too-short',
    ],
    [
      'a tensor of 2^53 - 1 rows of nothing',
      fileOf('{"a":{"dtype":"F32","shape":[9007199254740991,0],"data_offsets":[0,0]}}'),
      'shape',
    ],
  ])('%s: nothing is allocated for what it claims', async (_, blob, expected) => {
    await verdict(blob); // Warm: what is measured is the lie, not the first compilation.
    const before = held();
    expect(await verdict(blob)).toBe(expected);
    expect(held() - before).toBeLessThan(megabyte / 4);
  });
});

describe('files damaged at random', () => {
  const tally = { accepted: 0, refused: 0 };
  let seeds: number[];
  beforeAll(() => {
    // One fixed seed, so that a failure is everyone's, and one of the day, printed.
    seeds = [7, Math.floor(Math.random() * 2 ** 31)];
  });
  afterAll(() => console.info(`hostile safetensors: seeds ${seeds.join(', ')}; ${JSON.stringify(tally)}`));

  const agrees = async (bytes: Uint8Array): Promise<void> => {
    const expected = oracle(bytes);
    const got = await read(blobOf(bytes));
    expect(got.ok).toBe('tensors' in expected);
    tally[got.ok ? 'accepted' : 'refused'] += 1;
    if (!got.ok || !('tensors' in expected)) return;
    expect(got.value.tensors).toEqual(expected.tensors);
    let at = bytes.length;
    for (const { begin, end } of [...got.value.tensors.values()].sort(
      (a, b) => b.end - a.end || b.begin - a.begin,
    )) {
      expect(end).toBe(at);
      at = begin;
    }
  };

  test.each([0, 1])('the reader and the rules agree on every one (seed %i)', async (which) => {
    await fc.assert(
      fc.asyncProperty(damagedFile, ({ bytes }: Damage) => agrees(bytes)),
      { numRuns: 2000, seed: seeds[which] ?? 0 },
    );
  });

  test('and on arbitrary bytes behind a plausible length', async () => {
    const json = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.jsonValue().map((v) => JSON.stringify({ a: v })),
    );
    await fc.assert(
      fc.asyncProperty(json, fc.uint8Array({ maxLength: 16 }), async (text, data) => {
        await agrees(new Uint8Array(await fileOf(text, data).arrayBuffer()));
      }),
      { numRuns: 1000, seed: 11 },
    );
  });

  test('which were many of both kinds', () => {
    expect(Math.min(tally.accepted, tally.refused)).toBeGreaterThan(300);
  });
});
