// The tar reader against tars of every form: long names of pax and GNU, links, replaced files, damage.
import { describe, expect, test } from 'vitest';
import { makeTar, type TarMember } from '../data/testing/tar.ts';
import { BlobPages } from './blob-pages.ts';
import { isTarHeader, listTar, type TarEntry } from './tar.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function listed(members: readonly TarMember[]): Promise<readonly TarEntry[]> {
  const result = await listTar(new BlobPages(new Blob([makeTar(members)])), 'a.tar');
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
}

const pathsOf = (entries: readonly TarEntry[]): string[] => entries.map(({ name }) => name.text);

/** A pax record, whose length counts its own digits. */
function record(key: string, value: string): Uint8Array {
  const rest = ` ${key}=${value}\n`;
  const bytes = text(rest).length;
  let length = bytes + 1;
  while (String(length).length + bytes !== length) length++;
  return text(`${length}${rest}`);
}

describe('names', () => {
  test('longer than a header come from GNU or pax records, for one entry only', async () => {
    const long = `${'folder/'.repeat(30)}кот.png`;
    const entries = await listed([
      { path: '././@LongLink', type: 'L', data: text(`${long}\0`) },
      { path: 'cut', data: text('a') },
      { path: 'PaxHeaders/x', type: 'x', data: record('path', long.replace('кот', 'pax')) },
      { path: 'cut', data: text('bc') },
      { path: 'plain', data: text('d') },
    ]);
    expect(pathsOf(entries)).toEqual([long, long.replace('кот', 'pax'), 'plain']);
    expect(entries.map(({ bytes }) => bytes)).toEqual([1, 2, 1]);
    expect(entries.map(({ name }) => name.kind)).toEqual(['utf-8', 'known', 'known']);
  });

  test('say nothing of their encoding where no pax record does', async () => {
    const [cat] = await listed([{ path: Uint8Array.of(0xb9, 0xb7), data: text('a') }]);
    expect(cat?.name.kind).toBe('foreign');
  });
});

describe('entries', () => {
  test('that are folders, hard links and replaced files are what unpacking makes of them', async () => {
    const entries = await listed([
      { path: 'a/', type: '5' },
      { path: 'a/1', data: text('old') },
      { path: 'a/2', type: '1', link: 'a/1' },
      { path: 'a/1', data: text('newer') },
    ]);
    expect(entries.map(({ name, bytes, isDirectory }) => [name.text, bytes, isDirectory])).toEqual([
      ['a/', 0, true],
      ['a/1', 5, false],
      ['a/2', 3, false],
    ]);
  });

  test('that are no files are named', async () => {
    const entries = await listed([
      { path: 'soft', type: '2', link: '/etc/passwd' },
      { path: 'hard', type: '1', link: 'nowhere' },
      { path: 'device', type: '3' },
    ]);
    expect(entries.map(({ problem }) => problem?.code)).toEqual(Array(3).fill('unsupported-method'));
  });
});

describe('damage', () => {
  test.each([
    ['a size beyond the end', makeTar([{ path: 'a', size: 10_000 }])],
    ['a header whose sum is wrong', makeTar([{ path: 'a' }, { path: 'b' }]).fill(65, 512, 520)],
    ['a cut file', makeTar([{ path: 'a', data: new Uint8Array(2000) }]).subarray(0, 1000)],
  ])('%s refuses the whole', async (_, bytes) => {
    const result = await listTar(new BlobPages(new Blob([bytes.slice()])), 'a.tar');
    expect(!result.ok && result.fault).toMatchObject({ kind: 'bad-file', why: 'offsets' });
  });

  test('is told from a header', () => {
    expect(isTarHeader(makeTar([{ path: 'a' }]))).toBe(true);
    expect(isTarHeader(new Uint8Array(512))).toBe(false);
    expect(isTarHeader(new Uint8Array(512).fill(0x20))).toBe(false);
    expect(isTarHeader(text('x'.repeat(600)))).toBe(false);
  });
});
