// @vitest-environment happy-dom
// The card about an ended run's answers, on the client without a worker: what it says, what the keyboard does,
// and that a hundred classes do not all become buttons at once.
import { act, fireEvent, screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { settled } from '../../state/testing/app-phases.ts';
import { runStore } from '../../state/run-store.ts';
import { understandStore } from '../../state/understand-store.ts';
import { button, shown, goAndArrive } from '../testing/shown-page.tsx';
// What the page loads when a run has ended is here before a test waits for it.
import '../try/TryCard.tsx';
import './UnderstandPlace.tsx';
import './BranchesCard.tsx';
import './UnderstandCard.tsx';
import './LookCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

async function opened(): Promise<HTMLElement> {
  const card = (await screen.findByRole('heading', { name: 'What it gets wrong' })).closest('section');
  if (card === null) throw new Error('the heading is in no card');
  return card;
}

async function asked(): Promise<HTMLElement> {
  const card = await opened();
  await act(async () => {
    fireEvent.click(button('Look at its answers'));
    await settled();
  });
  return card;
}

test('nothing is asked before somebody wants to know, and then once', async () => {
  const client = await shown('finished', 'understand', 'mistakes');
  await opened();
  const times = (): number => client.sent.filter(({ name }) => name === 'ask').length;
  expect(times()).toBe(0);
  await asked();
  expect(screen.getByTestId('answers').textContent).toMatch(
    /\s% of 200 validation images right: \d+ to \d+\s%\./u,
  );
  expect(times()).toBe(1);
  expect(client.sent.at(-1)?.input).toEqual({ set: 'validation' });
});

test('of images that were learned no interval is told and no temperature is fitted', async () => {
  await shown('finished', 'understand', 'mistakes');
  act(() =>
    runStore.setState(({ result }) => ({
      result: result === null ? null : { ...result, keep: 'last', learnedValidation: true },
    })),
  );
  await asked();
  expect(screen.getByTestId('answers').textContent).toMatch(
    /validation images right\..*were learned as well/u,
  );
  fireEvent.click(screen.getByRole('radio', { name: 'How sure it is' }));
  await screen.findByTestId('ece');
  expect(screen.queryByTestId('temperature')).toBeNull();
});

test('arrows lead from number to number, and a press shows the images of a cell', async () => {
  const client = await shown('finished', 'understand', 'mistakes');
  await asked();
  const cells = within(screen.getByTestId('confusion')).getAllByRole('button');
  expect(cells).toHaveLength(4);
  expect(cells.map(({ tabIndex }) => tabIndex)).toEqual([0, -1, -1, -1]);
  act(() => cells[0]?.focus());
  fireEvent.keyDown(cells[0] ?? document.body, { key: 'ArrowRight' });
  expect(document.activeElement).toBe(cells[1]);
  fireEvent.keyDown(cells[1] ?? document.body, { key: 'ArrowRight' });
  expect(document.activeElement).toBe(cells[1]);
  await act(async () => {
    fireEvent.click(cells[1] ?? document.body);
    await settled();
  });
  const count = Number(cells[1]?.dataset['count']);
  expect(screen.getByTestId('cell-title').textContent).toBe(`${count} images of a, answered b`);
  expect(screen.getAllByTestId('answered-image')).toHaveLength(Math.min(24, count));
  expect(client.sent.at(-1)).toMatchObject({ name: 'runThumbnails' });
});

test('the test is looked at by its own button, which says what that costs', async () => {
  const client = await shown('finished', 'understand', 'mistakes');
  const card = await asked();
  fireEvent.click(within(card).getByRole('radio', { name: 'Test' }));
  expect(card.textContent).toContain('they are a test no longer');
  expect(client.sent.filter(({ name }) => name === 'ask')).toHaveLength(1);
  await act(async () => {
    fireEvent.click(button('Look at the test images'));
    await settled();
  });
  expect(client.sent.at(-1)?.input).toEqual({ set: 'test' });
  expect(screen.getByTestId('answers').dataset['set']).toBe('test');
});

test('of a hundred classes those that are confused most are shown first', async () => {
  await shown('many classes', 'understand', 'mistakes');
  await asked();
  const table = screen.getByTestId('confusion');
  expect(within(table).getAllByRole('row')).toHaveLength(22);
  fireEvent.click(button('Show all 100 classes'));
  // Some rows after each painting, and the arrows know the columns of cells that stand for several.
  expect(within(table).getAllByRole('row').length).toBeLessThan(40);
  await vi.waitFor(() => expect(within(table).getAllByRole('row')).toHaveLength(102), 30_000);
  for (const row of within(table).getAllByRole<HTMLTableRowElement>('row').slice(1, -1))
    expect([...row.cells].reduce((sum, { colSpan }) => sum + colSpan, 0)).toBe(102);
  const hit = screen.getByTestId('cell-40-40');
  hit.focus();
  for (const key of ['ArrowRight', 'ArrowLeft']) fireEvent.keyDown(document.activeElement ?? hit, { key });
  expect(document.activeElement).toBe(hit);
  fireEvent.keyDown(hit, { key: 'ArrowDown' });
  expect(document.activeElement?.getAttribute('data-testid')).toMatch(/^cell-\d+-40$/);
});

test('every view has something to say of every part of the split', async () => {
  await shown('finished', 'understand', 'mistakes');
  const card = await asked();
  for (const view of ['Classes', 'Mistakes', 'How sure it is', 'Confusion']) {
    fireEvent.click(within(card).getByRole('radio', { name: view }));
    await act(settled);
    expect(card.textContent.length).toBeGreaterThan(200);
  }
});

test('progress and a fault are those of the part that is shown', async () => {
  await shown('finished', 'understand', 'mistakes');
  const card = await opened();
  const fault = { kind: 'device-lost', step: 0, detail: 'Of the training images.' } as const;
  act(() => understandStore.setState({ asking: 'train', faults: { train: fault } }));
  expect(within(card).queryByRole('progressbar')).toBeNull();
  expect(within(card).queryByRole('alert')).toBeNull();
  expect(button('Look at its answers').disabled).toBe(true);
  expect(card.textContent).toContain('It is being asked about the training images now');
  fireEvent.click(within(card).getByRole('radio', { name: 'Training' }));
  expect(within(card).getByRole('progressbar')).toBeTruthy();
  expect(within(card).getByRole('alert').textContent).toContain('Of the training images.');
  await goAndArrive('understand', 'looks');
  const looks = screen.getByText('Where it looks', { selector: 'h2' }).closest('section');
  expect(looks?.textContent).not.toContain('Of the training images.');
});
