// @vitest-environment happy-dom
// What is pasted or dropped on the page, on the client without a worker: files are opened as what they are, nothing
// while a run goes, and what cannot be read says so.
import { act, fireEvent, screen } from '@testing-library/react';
import { expect, test } from 'vitest';
import { settled } from '../../state/testing/app-phases.ts';
import type { FakeClient } from '../../state/testing/fake-client.ts';
import { shown } from '../testing/shown-page.tsx';

const picture = new File(['x'], 'leaf.png', { type: 'image/png' });

/** Whether the page took it: the browser's own answer is prevented then. */
async function paste(...files: readonly File[]): Promise<boolean> {
  const items = files.map((file) => ({ kind: 'file', type: file.type, getAsFile: () => file }));
  let taken = false;
  await act(async () => {
    taken = !fireEvent.paste(document.body, { clipboardData: { files, items } });
    await settled();
  });
  return taken;
}

const opened = (client: FakeClient): readonly unknown[] =>
  client.sent.filter(({ name }) => /^(?:open|sort)/.test(name)).map(({ name, input }) => [name, input]);

test('a picture that is pasted is opened', async () => {
  const client = await shown('ready', 'images');
  const before = opened(client).length;
  expect(await paste(picture)).toBe(true);
  expect(opened(client).slice(before)).toEqual([
    [
      'openData',
      expect.objectContaining({
        title: 'leaf.png',
        source: { kind: 'files', files: [expect.objectContaining({ path: './leaf.png', blob: picture })] },
      }),
    ],
  ]);
});

test('text that is pasted is left to the browser', async () => {
  const client = await shown('ready', 'images');
  const before = opened(client).length;
  expect(await paste()).toBe(false);
  expect(opened(client)).toHaveLength(before);
});

test('a picture that is pasted while a run goes opens nothing and says why', async () => {
  const client = await shown('training, stage 1', 'images');
  const before = opened(client).length;
  expect(await paste(picture)).toBe(true);
  expect(opened(client)).toHaveLength(before);
  expect(screen.getByRole('alert').textContent).toContain('run');
});

test('folders that are dropped are sorted by the worker, and opened as images', async () => {
  const client = await shown('ready', 'model');
  const before = opened(client).length;
  const handles = [{ kind: 'directory', name: 'trees' }];
  const items = handles.map((handle) => ({
    kind: 'file',
    webkitGetAsEntry: () => ({ isDirectory: true, name: 'trees' }),
    getAsFileSystemHandle: () => Promise.resolve(handle),
  }));
  await act(async () => {
    fireEvent.drop(document.body, { dataTransfer: { types: ['Files'], files: [], items } });
    await settled();
  });
  expect(opened(client).slice(before)).toEqual([
    ['sortHandles', { handles }],
    [
      'openData',
      expect.objectContaining({ title: 'trees', source: { kind: 'handles', handles, only: 'images' } }),
    ],
  ]);
});

test('a folder that cannot be read is told', async () => {
  const client = await shown('ready', 'model');
  const before = opened(client).length;
  const createReader = () => ({
    readEntries: (_: unknown, refuse: (why: Error) => void) => refuse(new Error('The disk is gone.')),
  });
  const entry = { isDirectory: true, name: 'trees', createReader };
  const items = [{ kind: 'file', webkitGetAsEntry: () => entry }];
  await act(async () => {
    fireEvent.drop(document.body, { dataTransfer: { types: ['Files'], files: [], items } });
    await settled();
  });
  expect(opened(client)).toHaveLength(before);
  expect(screen.getByRole('alert').textContent).toContain('The disk is gone.');
});
