// @vitest-environment happy-dom
// What a drop holds: handles where a folder is among it and the browser has them, files otherwise.
import { describe, expect, test } from 'vitest';
import { droppedIn } from './dropped-files.ts';

const file = (name: string): File => new File(['x'], name);

/** As much of a dropped file's entry as is asked for. */
const fileEntry = (fullPath: string) => ({
  isDirectory: false,
  fullPath,
  file: (give: (file: File) => void) => give(file(fullPath.split('/').at(-1) ?? '')),
});

/** As much of a dropped folder's entry as is asked for: its files in two parts, as browsers give them. */
function folderEntry(name: string, files: readonly string[]) {
  const parts = [files.slice(0, 1), files.slice(1), []];
  const createReader = () => ({
    readEntries: (give: (entries: readonly unknown[]) => void) =>
      give((parts.shift() ?? []).map((child) => fileEntry(`/${name}/${child}`))),
  });
  return { isDirectory: true, name, fullPath: `/${name}`, createReader };
}

type Given = () => Promise<unknown>;

/** An item of a drop; without `given` of a browser that has no handles. */
const item = (entry: { isDirectory: boolean; fullPath: string }, given?: Given) => ({
  kind: 'file',
  webkitGetAsEntry: () => entry,
  getAsFile: () => file(entry.fullPath.slice(1)),
  ...(given === undefined ? {} : { getAsFileSystemHandle: given }),
});

const drop = (...items: readonly unknown[]): DragEvent =>
  // No environment of tests has drops.
  ({ type: 'drop', dataTransfer: { items } }) as unknown as DragEvent;

const pathsOf = async (event: DragEvent): Promise<readonly string[] | null> => {
  const dropped = await droppedIn(event);
  return dropped.kind === 'files' ? dropped.files.map(({ path }) => path) : null;
};

describe('droppedIn', () => {
  const trees = () => folderEntry('trees', ['1.png', '2.png']);
  const handle = { kind: 'directory', name: 'trees' };
  const zip = { kind: 'file', name: 'more.zip' };

  test('gives the handles of folders and of what lies beside them, and reads nothing', async () => {
    const folder = { isDirectory: true, fullPath: '/trees' };
    const event = drop(
      item(folder, () => Promise.resolve(handle)),
      item(fileEntry('/more.zip'), () => Promise.resolve(zip)),
    );
    expect(await droppedIn(event)).toEqual({ kind: 'handles', handles: [handle, zip] });
  });

  test('gives files where no folder is among them', async () => {
    const given = () => Promise.resolve(zip);
    expect(await droppedIn(drop(item(fileEntry('/more.zip'), given)))).toMatchObject({ kind: 'files' });
  });

  test('gives the files in a folder where the browser has no handles', async () => {
    expect(await pathsOf(drop(item(trees())))).toEqual(['trees/1.png', 'trees/2.png']);
  });

  test('gives two folders of one name two names', async () => {
    const [here, there] = [folderEntry('photos', ['1.png']), folderEntry('photos', ['1.png', '2.png'])];
    expect(await pathsOf(drop(item(here), item(there)))).toEqual([
      'photos/1.png',
      'photos (2)/1.png',
      'photos (2)/2.png',
    ]);
  });

  test('gives the files in folders that the browser keeps the handle of, refused or none', async () => {
    const refuse = () => Promise.reject(new DOMException('no', 'AbortError'));
    const beside = item(fileEntry('/3.png'), () => Promise.resolve(zip));
    expect(await pathsOf(drop(item(trees(), refuse), beside))).toEqual([
      'trees/1.png',
      'trees/2.png',
      '/3.png',
    ]);
    expect(await pathsOf(drop(item(trees(), () => Promise.resolve(null))))).toHaveLength(2);
  });
});
