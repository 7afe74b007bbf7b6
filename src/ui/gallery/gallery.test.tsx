// @vitest-environment happy-dom The gallery on the client without a worker: what is shown, selected and
// changed, by whom it is told, and how it is undone.
import { act, fireEvent, screen, within } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { settled } from '../../state/testing/app-phases.ts';
import type { FakeClient } from '../../state/testing/fake-client.ts';
import { button, field, shown, type, goAndArrive } from '../testing/shown-page.tsx';
// What the page loads when somebody looks through the images is here before a test waits for it.
import './GalleryCard.tsx';
import '../result/TakeHomeCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

/** Of the list: one column. */
let width = 100;
beforeEach(() => {
  width = 100;
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockImplementation(() => width);
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function opened(): Promise<FakeClient> {
  const client = await shown('ready', 'images', 'all');
  await screen.findByRole('listbox', { name: 'Images' });
  await act(settled);
  return client;
}

const list = (): HTMLElement => screen.getByRole('listbox', { name: 'Images' });
const options = (): HTMLElement[] => within(list()).getAllByRole('option');
const press = (key: string, more: object = {}): boolean => fireEvent.keyDown(list(), { key, ...more });
const selected = (): string | null => screen.getByTestId('selected').textContent;
const does = async (what: () => unknown): Promise<void> =>
  act(async () => {
    what();
    await settled();
  });

test('only what is in sight is in the page, and the list says how long it is', async () => {
  await opened();
  expect(screen.getByTestId('shown').textContent).toBe('1,000 of 1,000 images');
  expect(options().length).toBeLessThan(20);
  expect(options()[0]?.getAttribute('aria-setsize')).toBe('1000');
  expect(list().getAttribute('aria-activedescendant')).toBe(options()[0]?.id);
});

test('nothing is drawn, so no picture is asked for, as long as the list has no size', async () => {
  width = 0;
  await opened();
  expect(within(list()).queryAllByRole('option')).toEqual([]);
});

test('images are selected by keys, relabelled, and the edit is named, undone and done again', async () => {
  const client = await opened();
  press('ArrowDown');
  press('ArrowDown', { shiftKey: true });
  press('ArrowDown', { shiftKey: true });
  expect(selected()).toBe('3 selected');
  type(field(/^Class for the selected images/), '猫');
  await does(() => fireEvent.click(button('Relabel')));
  expect(client.sent.find(({ name }) => name === 'editImages')?.input).toMatchObject({
    change: { kind: 'relabel', images: [1, 2, 3], to: '猫' },
  });
  expect(button('Undo: relabel 3 images as “猫”').disabled).toBe(false);
  expect(options()[1]?.getAttribute('aria-label')).toMatch(/, 猫, to learn from, edited$/);
  // Text in a field has an undo of its own.
  await does(() => fireEvent.keyDown(field(/^Class for/), { key: 'z', ctrlKey: true }));
  expect(button('Undo: relabel 3 images as “猫”').disabled).toBe(false);
  await does(() => press('z', { ctrlKey: true }));
  expect(button('Redo: relabel 3 images as “猫”').disabled).toBe(false);
  expect(options()[1]?.getAttribute('aria-label')).not.toContain('edited');
  await does(() => press('Z', { ctrlKey: true, shiftKey: true }));
  expect(options()[1]?.getAttribute('aria-label')).toContain('edited');
});

test('a filter shows some, all of which can be left out and brought back', async () => {
  await opened();
  await does(() => type(field(/^What there is to know/), 'tiny'));
  expect(screen.getByTestId('shown').textContent).toBe('5 of 1,000 images');
  press('a', { ctrlKey: true });
  expect(selected()).toBe('5 selected');
  await does(() => press('Delete'));
  expect(screen.getByText('995 images in 5 classes')).toBeTruthy();
  expect(options()[0]?.getAttribute('aria-label')).toContain('left out');
  await does(() => fireEvent.click(button('Bring back')));
  expect(screen.getByText('1,000 images in 5 classes')).toBeTruthy();
});

test('a finger selects one after the other; a move shows in the split', async () => {
  await opened();
  for (const at of [0, 1]) {
    fireEvent.pointerDown(options()[at] ?? list(), { pointerType: 'touch' });
    fireEvent.click(options()[at] ?? list());
  }
  expect(selected()).toBe('2 selected');
  await does(() => type(field(/^Place for the selected images/), 'test'));
  expect(options()[1]?.getAttribute('aria-label')).not.toContain('edited');
  await does(() => fireEvent.click(button('Move')));
  expect(options()[1]?.getAttribute('aria-label')).toContain('kept for a test, edited');
});

test('a button keeps the focus when there is nothing more for it to do', async () => {
  await opened();
  press('ArrowDown');
  for (const words of ['Leave out', 'Bring back', 'Undo: bring back 1 image', 'Undo: leave out 1 image']) {
    const pressed = button(words);
    pressed.focus();
    await does(() => fireEvent.click(pressed));
    expect(document.activeElement).toBe(pressed);
  }
  const undo = button('Undo');
  expect(undo.getAttribute('aria-disabled')).toBe('true');
});

test('that edits hold is told beside the images, and all are taken back at once', async () => {
  const client = await opened();
  press('ArrowDown');
  await does(() => press('Delete'));
  press('ArrowDown');
  await does(() => press('Delete'));
  await goAndArrive('images', 'set');
  expect(screen.getByTestId('own-edits').textContent).toContain('2 changes of yours hold');
  const all = button('Take them all back');
  all.focus();
  await does(() => fireEvent.click(all));
  expect(client.sent.at(-1)?.input).toMatchObject({ change: 'undo-all' });
  expect(screen.getByTestId('own-edits').textContent).toContain('are taken back');
  expect(document.activeElement).toBe(all);
});

test('one class is renamed, several are merged, and one is made', async () => {
  await opened();
  const classes = screen.getByRole('list', { name: 'Classes to change', hidden: true });
  const tick = (name: string): boolean =>
    fireEvent.click(within(classes).getByRole('checkbox', { name, hidden: true }));
  const press = async (name: string, words: string): Promise<void> => {
    type(screen.getByLabelText('Name of the class'), name);
    await does(() => fireEvent.click(screen.getByRole('button', { name: words, hidden: true })));
  };
  await press('New', 'Make a class');
  expect(button('Undo: make the class “New”').disabled).toBe(false);
  tick('Ankle boot');
  await press('Boot', 'Rename');
  expect(button('Undo: rename “Ankle boot” to “Boot”').disabled).toBe(false);
  tick('Boot');
  tick('猫');
  await press('Both', 'Merge');
  expect(screen.getByText('1,000 images in 4 classes')).toBeTruthy();
});

test('a result says that its images were edited since, as long as they are', async () => {
  const client = await opened();
  await does(() => fireEvent.click(button('Start')));
  await does(() => client.play(250));
  await goAndArrive('images', 'all');
  press('ArrowRight');
  await does(() => press('Delete'));
  await goAndArrive('train');
  expect(screen.getByTestId('edited-since').textContent).toContain('edited since this run began');
  await goAndArrive('images', 'all');
  await screen.findByRole('listbox', { name: 'Images' });
  await does(() => press('z', { ctrlKey: true }));
  await goAndArrive('train');
  expect(screen.queryByTestId('edited-since')).toBe(null);
});
