// @vitest-environment happy-dom
// Runs side by side, on the client without a worker: which are shown, what is said of each pair, and that one that
// cannot be read says so.
import { act, fireEvent, screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { settled } from '../../state/testing/app-phases.ts';
import { chooseLast, compareStore } from '../../state/compare-store.ts';
import { savedRunsStore } from '../../state/saved-runs-store.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import type { ListedRun } from '../../worker/protocol.ts';
import { button, shown } from '../testing/shown-page.tsx';
// What the page loads in this place is here before a test waits for it.
import '../understand/UnderstandPlace.tsx';
import '../runs/RunsCard.tsx';
import './CompareCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

const box = (name: RegExp): HTMLInputElement =>
  within(screen.getByTestId('compare-picker')).getByRole('checkbox', { name });

async function choose(...names: RegExp[]): Promise<void> {
  for (const name of names)
    await act(async () => {
      fireEvent.click(box(name));
      await settled();
    });
}

async function opened(): Promise<Awaited<ReturnType<typeof shown>>> {
  const client = await shown('runs to compare', 'understand', 'compare');
  await screen.findByRole('heading', { name: 'Runs side by side' });
  await act(settled);
  return client;
}

test('the last two are shown without asking, each read once, and one that did not end is none of them', async () => {
  const client = await opened();
  expect(client.sent.filter(({ name }) => name === 'runFigures')).toHaveLength(2);
  expect(screen.queryByRole('checkbox', { name: /not ended/ })).toBeNull();
  expect([box(/as ever/).checked, box(/slower/).checked]).toEqual([true, true]);
  expect(screen.getByTestId('compare-sentences').textContent).toMatch(
    /^B has \d+ more of the 200 validation images right than A \(95 %: \+[\d.]+ to \+\d+\): it is better/,
  );
  const rows = within(screen.getByTestId('compare-settings')).getAllByRole('rowheader');
  expect(rows.map(({ textContent }) => textContent)).toEqual(['Learning rate', 'Label smoothing']);
  expect(screen.getByTestId('compare-curves').getAttribute('aria-label')).toMatch(
    /^loss over steps: A ends at [\d.]+, B ends at [\d.]+$/,
  );
  await act(async () => {
    fireEvent.click(screen.getByRole('radio', { name: 'Accuracy' }));
    await settled();
  });
  expect(screen.getByTestId('compare-curves').getAttribute('aria-label')).toMatch(/^images right over steps/);
});

test('where there is no paired difference it says why, and letters stay as runs come and go', async () => {
  await opened();
  await choose(/another seed/, /long ago/, /Clothes/);
  const sentences = (): string[] =>
    within(screen.getByTestId('compare-sentences'))
      .getAllByRole('listitem')
      .map(({ textContent }) => textContent);
  expect(sentences().slice(1)).toEqual([
    expect.stringMatching(/^A and C have no paired difference\. Their seeds are/),
    expect.stringMatching(/^A and D .* saved before Graft kept the answer to each image/),
    expect.stringMatching(/^A and E .* validated on other images/),
  ]);
  await choose(/another seed/);
  expect(sentences().map((words) => words.slice(0, 7))).toEqual(['B has 6', 'A and D', 'A and E']);
  fireEvent.change(screen.getByLabelText('Compared with'), { target: { value: 'a' } });
  expect(sentences()[0]).toMatch(/^A has \d+ fewer .* it is worse/);
});

test('eight are the most, and none is taken beyond', async () => {
  await opened();
  await choose(/another seed/, /long ago/, /Clothes/, /again, f/, /again, g/, /again, h/);
  expect(box(/again, i/).disabled).toBe(true);
  expect(compareStore.getState().places.every((one) => one !== null)).toBe(true);
  await choose(/Clothes/);
  expect(box(/again, i/).disabled).toBe(false);
});

test('a run that is deleted leaves its place to another', async () => {
  await opened();
  await choose(/another seed/, /long ago/, /Clothes/, /again, f/, /again, g/, /again, h/);
  act(() =>
    savedRunsStore.setState(({ runs }) => ({
      runs: runs?.filter(({ name }) => !name.includes('Clothes')) ?? null,
    })),
  );
  await choose(/again, i/);
  expect(box(/again, i/).checked).toBe(true);
});

test('with one run nothing is chosen, so that the second makes it two', () => {
  compareStore.setState(compareStore.getInitialState(), true);
  const first: ListedRun = {
    ...{ id: 'x', name: 'x', bytes: 1, deleted: false, model: 'm', images: 'i', imageCount: 9, savedAt: 0 },
    ...{ classes: 2, recipe: recipeDefaults, step: 9, steps: 9, finished: true, validation: null },
  };
  const last = { ...first, id: 'y' };
  chooseLast([first]);
  expect(compareStore.getState().isChosen).toBe(false);
  chooseLast([last, first]);
  expect(compareStore.getState().places.slice(0, 2)).toEqual([first.id, last.id]);
});

test('one that cannot be read says so, is read again at a click, and the others stay', async () => {
  await opened();
  const fault = { kind: 'storage', why: 'corrupt', detail: 'It is broken.' } as const;
  act(() =>
    compareStore.setState(({ figures }) => ({
      figures: new Map([...figures].filter(([id]) => id !== 'a')),
      faults: new Map([['a', fault]]),
    })),
  );
  expect(screen.getByRole('alert').textContent).toContain('It is broken.');
  expect(screen.getByTestId('compare-curves')).toBeTruthy();
  await act(async () => {
    fireEvent.click(button('Read it again'));
    await settled();
  });
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.getByTestId('compare-pairs')).toBeTruthy();
});

test('the list of runs leads here', async () => {
  await shown('runs to compare', 'take-home');
  const link = await screen.findByRole('link', { name: 'Compare runs side by side' });
  expect(link.getAttribute('href')).toBe('#/understand/compare');
});

test('without two runs that ended it says what is needed', async () => {
  await shown('an unfinished run', 'understand', 'compare');
  await screen.findByRole('heading', { name: 'Runs side by side' });
  expect(screen.getByText(/^Two runs that have ended are needed, and one is saved/)).toBeTruthy();
});
