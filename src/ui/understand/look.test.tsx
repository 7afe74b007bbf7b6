// @vitest-environment happy-dom
// The card about where a model looks, on the client without a worker: what is asked, what each map says in words,
// and the way to it from a mistake.
import { act, fireEvent, screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { runStore } from '../../state/run-store.ts';
import { settled } from '../../state/testing/app-phases.ts';
import { button, shown } from '../testing/shown-page.tsx';
// What the page loads when a run has ended is here before a test waits for it.
import './LookCard.tsx';
import './UnderstandCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

async function card(title: string): Promise<HTMLElement> {
  const found = (await screen.findByRole('heading', { name: title }, { timeout: 10_000 })).closest('section');
  if (found === null) throw new Error('the heading is in no card');
  return found;
}

const press = async (element: HTMLElement): Promise<void> => {
  await act(async () => {
    fireEvent.click(element);
    await settled();
  });
};

test('nothing is looked at before an image is chosen; then three maps, before and after, in words', async () => {
  const client = await shown('finished', 'understand', 'looks');
  const look = await card('Where it looks');
  await press(button('Show its images'));
  expect(client.sent.filter(({ name }) => name === 'look')).toEqual([]);
  const [first] = within(look).getAllByRole('button', { name: /Where did it look/ });
  if (first === undefined) throw new Error('no image to choose');
  act(() => first.focus());
  await press(first);
  // The list closes over the button: the focus goes to what it showed, and not to the page.
  expect(document.activeElement).toBe(within(look).getByRole('group', { name: 'The chosen image' }));
  expect(client.sent.at(-1)).toMatchObject({ name: 'look', input: { set: 'validation' } });
  expect(within(look).getByTestId('look-status').textContent).toMatch(/: what tells of [ab]\.$/);
  const maps = within(within(look).getByTestId('look-maps')).getAllByRole('img');
  expect(maps).toHaveLength(6);
  for (const map of maps)
    expect(map.getAttribute('aria-label')).toMatch(
      /^(Before|After), \d+\s% [ab]\. Most at the [a-z ]+, row \d, column \d of 8; a tenth of the patches holds \d+\s%\.$/u,
    );
  expect(look.textContent).toMatch(/It does not show what speaks against the class/);
});

test('another class is asked for by itself, and the image stays', async () => {
  const client = await shown('finished', 'understand', 'looks');
  const look = await card('Where it looks');
  await press(button('Show its images'));
  await press(within(look).getAllByRole('button', { name: /Where did it look/ })[3] ?? document.body);
  const before = client.sent.at(-1)?.input;
  await act(async () => {
    const other = (before as { class: number }).class === 0 ? '1' : '0';
    fireEvent.change(within(look).getByLabelText('What tells of the class'), { target: { value: other } });
    await settled();
  });
  const after = client.sent.at(-1)?.input as { row: number; class: number };
  expect(after).toMatchObject({ row: (before as { row: number }).row });
  expect(after.class).not.toBe((before as { class: number }).class);
});

test('a mistake leads to where it looked', async () => {
  const client = await shown('finished', 'understand', 'mistakes');
  const understand = await card('What it gets wrong');
  await press(button('Look at its answers'));
  fireEvent.click(within(understand).getByRole('radio', { name: 'Mistakes' }));
  await press(within(understand).getAllByRole('button', { name: /Where did it look/ })[0] ?? document.body);
  expect(client.sent.some(({ name }) => name === 'look')).toBe(true);
  const look = await card('Where it looks');
  expect(within(look).getByTestId('look-maps')).toBeDefined();
});

test('of a head alone it says that attention cannot have changed', async () => {
  await shown('finished, no branches', 'understand', 'looks');
  const look = await card('Where it looks');
  const words = 'attention is the same before and after, by construction';
  expect(look.textContent).not.toContain(words);
  act(() =>
    runStore.setState(({ summary }) => ({
      summary: summary && { ...summary, recipe: { ...summary.recipe, backbone: { tune: 'none' } } },
    })),
  );
  expect(look.textContent).toContain(words);
});
