// The cache's promise: whatever fails, and whenever, a name holds the whole file or nothing.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ModelCache, type Snapshot } from './model-cache.ts';
import { memoryFiles } from './memory-files.ts';
import { segment, type OriginFiles } from './origin-files.ts';
import { failingFiles } from './testing/failing-files.ts';

const snapshot: Snapshot = { host: '127.0.0.1:8080', id: 'ann/vit', commit: 'c'.repeat(40) };
const content = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255);
const sha256 = createHash('sha256').update(content).digest('hex');
const expected = {
  path: 'model.safetensors',
  bytes: content.length,
  digest: { algorithm: 'sha256', hex: sha256 },
} as const;

/** Downloads `expected` from wherever an earlier try left it; true when it is whole. */
async function save(files: OriginFiles, upTo: number = content.length): Promise<boolean> {
  const part = await new ModelCache(files).openPart(snapshot, expected);
  if (!part.ok) return false;
  if (part.value.received === 0 && !(await part.value.restart('"e1"')).ok) return false;
  while (part.value.received < upTo) {
    const { received } = part.value;
    if (!(await part.value.append(content.slice(received, Math.min(upTo, received + 900)))).ok) return false;
  }
  if (upTo < content.length) {
    part.value.keep();
    return false;
  }
  return (await part.value.finish()).ok;
}

async function bytesOf(files: OriginFiles): Promise<Uint8Array | null> {
  const read = await new ModelCache(files).read(snapshot, expected.path, expected.bytes);
  if (!read.ok) throw new Error('unreadable');
  return read.value === null ? null : new Uint8Array(await read.value.arrayBuffer());
}

describe('a file of the cache', () => {
  test('is whole under its name, and nothing else is left', async () => {
    const files = memoryFiles();
    expect(await save(files)).toBe(true);
    expect(await bytesOf(files)).toEqual(content);
    expect((await files.list('models')).length).toBe(1);
  });

  test('goes on where an interrupted download stopped', async () => {
    const files = memoryFiles();
    await save(files, 2000);
    expect(await bytesOf(files)).toBe(null);
    const part = await new ModelCache(files).openPart(snapshot, expected);
    expect(part.ok && [part.value.received, part.value.etag]).toEqual([2000, '"e1"']);
    if (part.ok) part.value.keep();
    expect(await save(files)).toBe(true);
    expect(await bytesOf(files)).toEqual(content);
  });

  test('begins anew when it should have another digest than what was begun', async () => {
    const files = memoryFiles();
    await save(files, 2000);
    const other = { ...expected, digest: { algorithm: 'sha256', hex: '0'.repeat(64) } } as const;
    const part = await new ModelCache(files).openPart(snapshot, other);
    expect(part.ok && part.value.received).toBe(0);
  });

  test('with a wrong digest is refused and removed', async () => {
    const files = memoryFiles();
    const wrong = { ...expected, digest: { algorithm: 'sha256', hex: 'a'.repeat(64) } } as const;
    const part = await new ModelCache(files).openPart(snapshot, wrong);
    if (!part.ok) throw new Error('no part');
    await part.value.restart(null);
    await part.value.append(content.slice());
    const finished = await part.value.finish();
    expect(finished.ok ? null : finished.fault).toMatchObject({ kind: 'hub', why: 'digest' });
    expect(await files.list('models')).toEqual([]);
  });

  test('knows the git name of small files', async () => {
    const text = new TextEncoder().encode('{"model_type":"vit"}\n');
    // git hash-object of exactly these bytes.
    const hex = createHash('sha1').update(`blob ${text.length}\0`).update(text).digest('hex');
    for (const [digest, good] of [
      [hex, true],
      ['0'.repeat(40), false],
    ] as const) {
      const file = {
        path: 'config.json',
        bytes: text.length,
        digest: { algorithm: 'git-sha1', hex: digest },
      } as const;
      const part = await new ModelCache(memoryFiles()).openPart(snapshot, file);
      if (!part.ok) throw new Error('no part');
      await part.value.restart(null);
      await part.value.append(text);
      expect((await part.value.finish()).ok).toBe(good);
    }
  });

  test('refuses more bytes than it has', async () => {
    const part = await new ModelCache(memoryFiles()).openPart(snapshot, { ...expected, bytes: 10 });
    if (!part.ok) throw new Error('no part');
    const added = await part.value.append(new Uint8Array(11));
    expect(added.ok ? null : added.fault).toMatchObject({ kind: 'hub', why: 'long' });
  });

  test('of another length than it should have is removed', async () => {
    const files = memoryFiles();
    await save(files);
    const read = await new ModelCache(files).read(snapshot, expected.path, expected.bytes + 1);
    expect(read).toEqual({ ok: true, value: null });
    expect(await files.list('models')).toEqual([]);
  });

  test('that another tab writes is told as locked', async () => {
    const files = memoryFiles();
    await new ModelCache(files).openPart(snapshot, expected);
    const second = await new ModelCache(files).openPart(snapshot, expected);
    expect(second.ok ? null : second.fault).toMatchObject({ kind: 'storage', why: 'locked' });
  });
});

describe.each([
  ['once', false],
  ['from then on', true],
] as const)('a disk that fails %s', (_, lasting) => {
  test('at any operation leaves the whole file or none, and the next try succeeds', async () => {
    for (let at = 1; ; at++) {
      const files = memoryFiles();
      const failing = failingFiles(files, at, lasting);
      const saved = await save(failing.files);
      const bytes = await bytesOf(files);
      if (saved) expect(bytes).toEqual(content);
      else if (bytes !== null) expect(bytes).toEqual(content);
      // After the fault, with room again.
      expect(await save(files)).toBe(true);
      expect(await bytesOf(files)).toEqual(content);
      if (failing.operations() >= at) continue;
      expect(at).toBeGreaterThan(8);
      break;
    }
  });

  test('is told with what was needed', async () => {
    const failing = failingFiles(memoryFiles(), 6, lasting);
    const part = await new ModelCache(failing.files).openPart(snapshot, expected);
    if (!part.ok) throw new Error('it failed too early');
    let fault = null;
    for (let i = 0; i < 5 && fault === null; i++) {
      const done = i === 0 ? await part.value.restart(null) : await part.value.append(content.slice(0, 900));
      if (!done.ok) ({ fault } = done);
    }
    expect(fault).toMatchObject({ kind: 'storage', why: 'quota' });
    expect(fault).toHaveProperty('needed');
  });
});

test('a disk that takes every write and keeps only some of it is told as full', async () => {
  const files = memoryFiles();
  const forgetful: OriginFiles = {
    ...files,
    openWriter: async (path) => {
      const writer = await files.openWriter(path);
      return {
        ...writer,
        write: (bytes) => writer.write(path.endsWith('.part') ? bytes.slice(0, 100) : bytes),
      };
    },
  };
  const part = await new ModelCache(forgetful).openPart(snapshot, expected);
  if (!part.ok) throw new Error('no part');
  await part.value.restart(null);
  await part.value.append(content.slice());
  const finished = await part.value.finish();
  expect(finished.ok ? null : finished.fault).toMatchObject({ kind: 'storage', why: 'quota', needed: 5000 });
  expect(await files.list('models')).toEqual([]);
});

describe('what is remembered of a repository', () => {
  const state = {
    commit: snapshot.commit,
    files: [{ path: expected.path, bytes: expected.bytes }],
    licence: 'mit',
    savedAt: 5,
  };

  test('comes back while its files are whole', async () => {
    const files = memoryFiles();
    const cache = new ModelCache(files);
    await save(files);
    await cache.writeRecord(snapshot.host, snapshot.id, 'main', state);
    expect(await cache.readRecord(snapshot.host, snapshot.id, 'main')).toEqual({ ok: true, value: state });
    expect(await cache.readRecordOf(snapshot)).toEqual({ ok: true, value: state });
    expect(await cache.readRecord(snapshot.host, snapshot.id, 'other')).toEqual({ ok: true, value: null });
    expect((await cache.list()).ok && (await cache.list())).toMatchObject({
      value: [{ id: 'ann/vit', complete: true }],
    });
  });

  test('is forgotten when a file is missing', async () => {
    const cache = new ModelCache(memoryFiles());
    await cache.writeRecord(snapshot.host, snapshot.id, 'main', state);
    expect(await cache.readRecord(snapshot.host, snapshot.id, 'main')).toEqual({ ok: true, value: null });
  });

  test('goes with the repository', async () => {
    const files = memoryFiles();
    const cache = new ModelCache(files);
    await save(files);
    await cache.writeRecord(snapshot.host, snapshot.id, 'main', state);
    await cache.remove(snapshot.host, snapshot.id);
    expect(await files.list('models')).toEqual([]);
  });
});

test('tidying removes orphans and old parts, and keeps what can go on', async () => {
  const files = memoryFiles();
  await save(files, 2000);
  for (const path of ['models/a/b/c/x.tmp', 'models/a/b/c/y.crswap', 'models/a/b/c/lonely.part'])
    (await files.openWriter(path)).close();
  const cache = new ModelCache(files);
  expect(await cache.tidy(Date.now())).toEqual({ ok: true, value: 3 });
  expect((await files.list('models')).map(({ path }) => path.slice(path.lastIndexOf('.')))).toEqual([
    '.part',
    '.note',
  ]);
  await cache.tidy(Date.now() + 8 * 24 * 3600 * 1000);
  expect(await files.list('models')).toEqual([]);
});

test('a name from outside never leaves its folder', () => {
  for (const name of ['..', '.', '../../x', 'a/b', 'C:\\x', '\0']) {
    expect(segment(name)).not.toMatch(/[/\\\0]|^\.+$/);
  }
});
