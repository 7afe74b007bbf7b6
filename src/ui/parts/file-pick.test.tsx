// @vitest-environment happy-dom
// The button that opens a folder, on a picker without a browser.
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { FilePick } from './FilePick.tsx';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const folder = { kind: 'directory', name: 'trees' } as unknown as FileSystemDirectoryHandle;

function shownPick() {
  const [onFiles, onFolder] = [vi.fn(), vi.fn()];
  render(<FilePick folder label="Open" testId="pick" otherwise="Drop it." {...{ onFiles, onFolder }} />);
  const press = () => fireEvent.click(screen.getByRole('button', { name: 'Open' }));
  const input = vi.spyOn(screen.getByTestId<HTMLInputElement>('pick'), 'click');
  return { onFolder, press, input };
}

test('one picker is open at a time; closed, it says what else can be done, until the next one is', async () => {
  const waiting: { resolve: (folder: FileSystemDirectoryHandle) => void; reject: (why: Error) => void }[] =
    [];
  const picker = vi.fn(
    () =>
      new Promise<FileSystemDirectoryHandle>((resolve, reject) => {
        waiting.push({ resolve, reject });
      }),
  );
  vi.stubGlobal('showDirectoryPicker', picker);
  const { onFolder, press, input } = shownPick();
  press();
  press();
  expect(picker).toHaveBeenCalledTimes(1);
  expect(screen.queryByRole('status')).toBeNull();
  waiting[0]?.reject(new DOMException('closed', 'AbortError'));
  await act(() => Promise.resolve());
  expect(screen.getByRole('status').textContent).toBe('Drop it.');
  press();
  expect(picker).toHaveBeenCalledTimes(2);
  expect(screen.queryByRole('status')).toBeNull();
  waiting[1]?.resolve(folder);
  await act(() => Promise.resolve());
  expect(onFolder.mock.calls).toEqual([[folder]]);
  expect(input).not.toHaveBeenCalled();
});

test('a picker that may not be opened gives way to that of files, without a word', async () => {
  vi.stubGlobal('showDirectoryPicker', () => Promise.reject(new DOMException('a frame', 'SecurityError')));
  const { press, input } = shownPick();
  press();
  await vi.waitFor(() => expect(input).toHaveBeenCalledTimes(1));
  expect(screen.queryByRole('status')).toBeNull();
});
