// The zip reader against archives written by fflate, patched by hand where they must lie.
import { zipSync, type Zippable } from 'fflate';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from './crc32.ts';
import { openZip, type ZipArchive, type ZipEntry } from './zip.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const blobOf = (bytes: Uint8Array): Blob => new Blob([bytes.slice()]);

async function opened(bytes: Uint8Array): Promise<ZipArchive> {
  const archive = await openZip(blobOf(bytes), 'test.zip');
  if (!archive.ok) throw new Error(JSON.stringify(archive.fault));
  return archive.value;
}

async function whyNot(bytes: Uint8Array): Promise<string> {
  const archive = await openZip(blobOf(bytes), 'test.zip');
  return archive.ok ? 'opened' : archive.fault.kind === 'bad-file' ? archive.fault.why : archive.fault.kind;
}

/** The problem code of reading an entry, or 'read'. */
async function codeOf(archive: ZipArchive, path: string): Promise<string> {
  const result = await archive.readEntry(entryOf(archive, path));
  return result.ok ? 'read' : result.fault.code;
}

const entryOf = (archive: ZipArchive, path: string): ZipEntry =>
  archive.entries.find((entry) => entry.path === path)!;

/** Offsets of the local header and of the directory record of the n-th entry. */
function placesOf(bytes: Uint8Array, n: number): { local: number; record: number } {
  const view = new DataView(bytes.buffer);
  let record = view.getUint32(bytes.length - 6, true);
  for (let i = 0; i < n; i++) {
    record +=
      46 +
      view.getUint16(record + 28, true) +
      view.getUint16(record + 30, true) +
      view.getUint16(record + 32, true);
  }
  return { local: view.getUint32(record + 42, true), record };
}

const files: Record<string, [Uint8Array, { level: 0 | 6 }]> = {
  'cats/1.png': [text('a picture of a cat '.repeat(50)), { level: 6 }],
  'cats/2.png': [text('stored as it is'), { level: 0 }],
  'дом/emoji 🖐.png': [text('unicode'), { level: 6 }],
  'empty.txt': [new Uint8Array(0), { level: 6 }],
};

describe('reading', () => {
  test('gives every entry of an archive, packed and stored', async () => {
    const archive = await opened(zipSync(files));
    expect(archive.entries.map((entry) => entry.path)).toEqual(Object.keys(files));
    for (const [path, value] of Object.entries(files)) {
      const read = await archive.readEntry(entryOf(archive, path));
      expect(read.ok && read.value).toEqual(value[0]);
    }
  });

  test('tells folders from files', async () => {
    const archive = await opened(zipSync({ 'cats/': new Uint8Array(0), 'cats/1': text('x') }));
    expect(archive.entries.map((entry) => entry.isDirectory)).toEqual([true, false]);
  });

  test('takes an archive with a comment that holds an end record', async () => {
    const bytes = zipSync(files, { comment: 'PK\x05\x06 as a joke, long enough to look like one' });
    expect((await opened(bytes)).entries).toHaveLength(4);
  });

  test('decodes names without the UTF-8 flag as CP437, or as UTF-8 where they are that', async () => {
    const bytes = zipSync({ 'cafX.jpg': text('a'), 'cafYY.jpg': text('b') });
    const patch = (n: number, value: readonly number[]): void => {
      const { local, record } = placesOf(bytes, n);
      bytes.set(value, local + 30 + 3);
      bytes.set(value, record + 46 + 3);
    };
    patch(0, [0x82]);
    patch(1, [0xc3, 0xa9]);
    const archive = await opened(bytes);
    expect(archive.entries.map((entry) => entry.path)).toEqual(['café.jpg', 'café.jpg']);
    expect(archive.entries[0]!.rawPath).toEqual(
      Uint8Array.of(0x63, 0x61, 0x66, 0x82, 0x2e, 0x6a, 0x70, 0x67),
    );
    expect((await archive.readEntry(archive.entries[0]!)).ok).toBe(true);
  });

  test('understands a zip64 end record', async () => {
    const bytes = zipSync(files);
    const end = bytes.length - 22;
    const old = new DataView(bytes.buffer);
    const extra = new DataView(new ArrayBuffer(56 + 20));
    extra.setUint32(0, 0x06064b50, true);
    extra.setBigUint64(4, 44n, true);
    extra.setBigUint64(24, 4n, true);
    extra.setBigUint64(32, 4n, true);
    extra.setBigUint64(40, BigInt(old.getUint32(end + 12, true)), true);
    extra.setBigUint64(48, BigInt(old.getUint32(end + 16, true)), true);
    extra.setUint32(56, 0x07064b50, true);
    extra.setBigUint64(64, BigInt(end), true);
    const wide = new Uint8Array([
      ...bytes.subarray(0, end),
      ...new Uint8Array(extra.buffer),
      ...bytes.subarray(end),
    ]);
    wide.fill(0xff, wide.length - 22 + 8, wide.length - 2);
    const archive = await opened(wide);
    expect(archive.entries).toHaveLength(4);
    expect(await codeOf(archive, 'cats/1.png')).toBe('read');
  });
});

describe('archives that lie or are damaged', () => {
  test('what is no zip, cut off, split or too big is refused as a whole', async () => {
    const bytes = zipSync(files);
    expect(await whyNot(new Uint8Array(0))).toBe('not-a-zip');
    expect(await whyNot(text('<html>not found</html>'))).toBe('not-a-zip');
    expect(await whyNot(bytes.subarray(0, -1))).toBe('not-a-zip');
    expect(await whyNot(new Uint8Array([...bytes, 0]))).toBe('not-a-zip');
    expect(await whyNot(bytes.subarray(1))).toBe('offsets');
    const split = bytes.slice();
    split[bytes.length - 18] = 1;
    expect(await whyNot(split)).toBe('not-a-zip');
    const many: Zippable = {};
    for (let i = 0; i < 50_001; i++) many[`${i}`] = [new Uint8Array(0), { level: 0 }];
    expect(await whyNot(zipSync(many))).toBe('too-big');
  });

  test('a claim of more than 4 GB in all is refused', async () => {
    const bytes = zipSync({ a: text('a'), b: text('b') });
    for (const n of [0, 1])
      new DataView(bytes.buffer).setUint32(placesOf(bytes, n).record + 24, 0x90000000, true);
    expect(await whyNot(bytes)).toBe('too-big');
  });

  test('a bomb is refused by its ratio, a large file by its size', async () => {
    const archive = await opened(zipSync({ bomb: new Uint8Array(20 * 2 ** 20), fine: new Uint8Array(1000) }));
    expect(await codeOf(archive, 'bomb')).toBe('ratio');
    expect(await codeOf(archive, 'fine')).toBe('read');
    const bytes = zipSync({ big: text('a') });
    new DataView(bytes.buffer).setUint32(placesOf(bytes, 0).record + 24, 65 * 2 ** 20, true);
    expect(await codeOf(await opened(bytes), 'big')).toBe('too-large');
  });

  test('sizes that are too small or too large do not truncate or pad', async () => {
    for (const claim of [10, 949, 951, 2000]) {
      const bytes = zipSync(files);
      const { local, record } = placesOf(bytes, 0);
      for (const at of [local + 22, record + 24]) new DataView(bytes.buffer).setUint32(at, claim, true);
      expect(await codeOf(await opened(bytes), 'cats/1.png')).toBe('damaged');
    }
    // Even when the checksum is that of the shortened bytes.
    const bytes = zipSync(files);
    const { local, record } = placesOf(bytes, 0);
    const view = new DataView(bytes.buffer);
    for (const at of [local + 22, record + 24]) view.setUint32(at, 10, true);
    for (const at of [local + 14, record + 16]) view.setUint32(at, crc32(text('a picture ')), true);
    expect(await codeOf(await opened(bytes), 'cats/1.png')).toBe('damaged');
  });

  test('a wrong checksum, encryption and foreign packings are named, the rest stays readable', async () => {
    const bytes = zipSync(files);
    const [crc, encrypted, method] = [0, 1, 2].map((n) => placesOf(bytes, n).record);
    bytes[crc! + 16]! ^= 1;
    bytes[encrypted! + 8]! |= 1;
    bytes[method! + 10] = 14;
    const archive = await opened(bytes);
    expect(await codeOf(archive, 'cats/1.png')).toBe('damaged');
    expect(await codeOf(archive, 'cats/2.png')).toBe('encrypted');
    expect(archive.entries[1]!.encrypted).toBe(true);
    expect(await codeOf(archive, 'дом/emoji 🖐.png')).toBe('unsupported-method');
    expect(await codeOf(archive, 'empty.txt')).toBe('read');
  });

  test('entries that share bytes are refused', async () => {
    const bytes = zipSync({ a: [text('same'), { level: 0 }], b: [text('same'), { level: 0 }] });
    const { record } = placesOf(bytes, 1);
    new DataView(bytes.buffer).setUint32(record + 42, 0, true);
    const archive = await opened(bytes);
    expect(await codeOf(archive, 'a')).toBe('overlap');
    expect(await codeOf(archive, 'b')).toBe('overlap');
  });

  test('an unreadable blob ends in a fault', async () => {
    const bytes = zipSync(files);
    const good = blobOf(bytes);
    const gone = {
      size: good.size,
      slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) }),
    } as unknown as Blob;
    const archive = await openZip(gone, 'gone.zip');
    expect(!archive.ok && archive.fault).toMatchObject({ kind: 'bad-file', why: 'unreadable' });
  });
});

describe('properties', () => {
  const seed = { seed: 7, numRuns: 400 };

  test('any bytes give a Result', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (noise, withEnd) => {
        const end = zipSync({}).subarray(-22);
        const archive = await openZip(blobOf(withEnd ? new Uint8Array([...noise, ...end]) : noise), 'noise');
        if (archive.ok) for (const entry of archive.value.entries) await archive.value.readEntry(entry);
      }),
      seed,
    );
  });

  test('a valid archive mutated at one to four places never gives wrong bytes', async () => {
    const original = zipSync(files);
    const contents = new Map(Object.entries(files).map(([path, value]) => [path, value[0]]));
    const known = new Set([...contents.values()].map((bytes) => bytes.toString()));
    const mutation = fc.tuple(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
        const bytes = original.slice();
        for (const [at, change] of mutations) bytes[at]! ^= change;
        const archive = await openZip(blobOf(bytes), 'mutated');
        if (!archive.ok) return;
        for (const entry of archive.value.entries) {
          const read = await archive.value.readEntry(entry);
          if (!read.ok) continue;
          expect(known.has(read.value.toString())).toBe(true);
          const meant = contents.get(entry.path);
          if (meant !== undefined) expect(read.value).toEqual(meant);
        }
      }),
      { seed: 8, numRuns: 1500 },
    );
  });
});
