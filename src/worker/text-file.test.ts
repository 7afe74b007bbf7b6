// A text that is kept in a file: another worker reads what one wrote; without a file system, or on a
// full one, it lasts as long as the worker and nothing throws.
import { afterEach, expect, test, vi } from 'vitest';
import { textFile } from './text-file.ts';

/** A file system of the page's own, with one folder; `full` refuses to write. */
function fakeStorage(full = false): { readonly files: Map<string, string> } {
  const files = new Map<string, string>();
  const handle = (name: string): object => ({
    getFile: () => Promise.resolve(new Blob([files.get(name) ?? ''])),
    createWritable: () => {
      let text = '';
      return Promise.resolve({
        write: (more: string) => {
          if (full) return Promise.reject(new DOMException('no room', 'QuotaExceededError'));
          text += more;
          return Promise.resolve();
        },
        close: () => {
          files.set(name, text);
          return Promise.resolve();
        },
      });
    },
  });
  const getFileHandle = (name: string, { create }: { create: boolean }): Promise<object> =>
    create || files.has(name)
      ? Promise.resolve(handle(name))
      : Promise.reject(new DOMException('no such file', 'NotFoundError'));
  vi.stubGlobal('navigator', { storage: { getDirectory: () => Promise.resolve({ getFileHandle }) } });
  return { files };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test('another worker reads what one wrote', async () => {
  const { files } = fakeStorage();
  expect(await textFile('gpu-tuning.json').read()).toBeNull();
  await textFile('gpu-tuning.json').write('{"a":1}');
  expect(await textFile('gpu-tuning.json').read()).toBe('{"a":1}');
  expect([...files.keys()]).toEqual(['gpu-tuning.json']);
});

test('without a file system, or on a full one, it lasts as long as the worker', async () => {
  for (const prepare of [() => vi.stubGlobal('navigator', {}), () => fakeStorage(true)]) {
    prepare();
    const memory = textFile('gpu-tuning.json');
    expect(await memory.read()).toBeNull();
    await memory.write('kept');
    expect(await memory.read()).toBe('kept');
    expect(await textFile('gpu-tuning.json').read()).toBeNull();
  }
});
