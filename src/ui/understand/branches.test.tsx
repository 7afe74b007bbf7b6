// @vitest-environment happy-dom
// The card about what branches are for, on the client without a worker: what each switch asks, that the newest
// counts, that the ranking can be stopped and gone on with, and that focus stays where somebody is.
import { act, fireEvent, render, screen, within } from '@testing-library/react';
import { beforeEach, expect, test, vi } from 'vitest';
import type { Counterfactual } from '../../dmlora/counterfactual.ts';
import { branchStore } from '../../state/branch-store.ts';
import { runStore } from '../../state/run-store.ts';
import type { FakeClient } from '../../state/testing/fake-client.ts';
import { settled } from '../../state/testing/app-phases.ts';
import { button, shown } from '../testing/shown-page.tsx';
// What the page loads when a run has ended is here before a test waits for it.
import '../try/TryCard.tsx';
import './UnderstandPlace.tsx';
import './UnderstandCard.tsx';
import './BranchesCard.tsx';
import { AlikeView } from './AlikeView.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

beforeEach(() => branchStore.setState(branchStore.getInitialState(), true));

async function press(element: HTMLElement): Promise<void> {
  await act(async () => {
    element.focus();
    fireEvent.click(element);
    await settled();
  });
}

async function opened(): Promise<FakeClient> {
  const client = await shown('finished', 'understand', 'branches');
  await screen.findByRole('heading', { name: 'What each branch is for' });
  await press(button('Look at its branches'));
  return client;
}

const box = (name: string | RegExp): HTMLInputElement => screen.getByRole('checkbox', { name });
const asked = ({ sent }: FakeClient): Counterfactual => {
  const last = sent.findLast(({ name }) => name === 'whatIf');
  if (last === undefined) throw new Error('it asked nothing');
  return (last.input as { readonly what: Counterfactual }).what;
};

test('nothing is asked before somebody wants to know, and whoever asked is led to what came', async () => {
  const client = await shown('finished', 'understand', 'branches');
  await screen.findByRole('heading', { name: 'What each branch is for' });
  expect(client.sent.map(({ name }) => name)).not.toContain('branchFigures');
  await press(button('Look at its branches'));
  expect(client.sent.slice(-2).map(({ name }) => name)).toEqual(['ask', 'branchFigures']);
  expect(document.activeElement?.getAttribute('aria-label')).toBe('Branches to switch');
  expect(screen.getByTestId('imagined').textContent).toContain('This is the run as it is.');
});

test('a block, a layer, a branch, a dropped one and a scalar are switched, and all is undone at once', async () => {
  const client = await opened();
  await press(box('Block 3'));
  expect(asked(client).off).toHaveLength(12);
  expect(document.activeElement).toBe(box('Block 3'));
  expect(screen.getByTestId('imagined').textContent).toMatch(
    /of 200 images right \(95\s%: [−+±]\d+ to [−+±]\d+\)/u,
  );
  await press(box('Block 3'));
  expect(screen.getByTestId('imagined').textContent).toContain('This is the run as it is.');
  await press(button('Layers of block 3'));
  await press(box('All of block 3, query'));
  expect(asked(client).off.map(({ module }) => module)).toEqual(['blocks.3.q', 'blocks.3.q']);
  const ones = screen.getAllByRole<HTMLInputElement>('checkbox', { name: /^Branch \d of block 3, query$/ });
  const [one] = ones;
  if (one === undefined) throw new Error('block 3 has no branch');
  await press(one);
  expect(asked(client).off).toHaveLength(1);
  expect(box('All of block 3, query').indeterminate).toBe(true);
  const [gone] = screen.getAllByRole('checkbox', {
    name: /^Branch \d of block 3, query, dropped at step \d+$/,
  });
  if (gone === undefined) throw new Error('block 3 lost no branch');
  await press(gone);
  expect(asked(client).restored).toHaveLength(1);
  fireEvent.change(screen.getByRole('slider', { name: 'Scalar of block 3, query' }), {
    target: { value: 0.5 },
  });
  await act(settled);
  expect([...asked(client).scalars]).toEqual([['blocks.3.q', 0.5]]);
  await press(button('All as in the run'));
  expect(screen.getByTestId('imagined').textContent).toContain('This is the run as it is.');
  expect(document.activeElement).toBe(button('All as in the run'));
});

test('only one block leaves all others off, and dropped ones all come back at once', async () => {
  const client = await opened();
  await press(button('Only block 0'));
  expect(new Set(asked(client).off.map(({ module }) => module.split('.')[1]))).not.toContain('0');
  expect(asked(client).off).toHaveLength(11 * 12);
  await press(button('Dropped ones back'));
  expect(asked(client).restored).toHaveLength(144);
});

test('of two switches the answer to the newer counts', async () => {
  await opened();
  await act(async () => {
    fireEvent.click(box('Block 1'));
    fireEvent.click(box('Block 2'));
    await settled();
  });
  expect(branchStore.getState().answer?.what).toBe(branchStore.getState().what);
  expect(branchStore.getState().what.off).toHaveLength(24);
});

test('removals come part by part, are sorted, and go on where they were stopped', async () => {
  const client = await opened();
  await press(screen.getByRole('radio', { name: 'What removals cost' }));
  const times = (): number => client.sent.filter(({ name }) => name === 'removals').length;
  fireEvent.click(button('Measure all removals'));
  fireEvent.click(button('Cancel'));
  await act(settled);
  expect(times()).toBe(1);
  expect(button('Go on')).toBeDefined();
  await press(button('Go on'));
  await act(settled);
  const inputs = client.sent.filter(({ name }) => name === 'removals').map(({ input }) => input);
  expect(inputs.slice(0, 2)).toEqual([{ from: 0 }, { from: 10 }]);
  await vi.waitFor(() => expect(button('All are measured')).toBeDefined(), 30_000);
  expect(document.activeElement).toBe(button('All are measured'));
  const table = screen.getByTestId('removals');
  const losses = (): number[] =>
    [...table.querySelectorAll('[data-loss]')].map((cell) => Number(cell.getAttribute('data-loss')));
  expect(losses()).toEqual([...losses()].sort((a, b) => b - a));
  await press(within(table).getByRole('button', { name: /Cross entropy/ }));
  expect(losses()).toEqual([...losses()].sort((a, b) => a - b));
  expect(table.querySelector('th[aria-sort="ascending"]')?.textContent).toContain('Cross entropy');
});

test('likeness and drops are told in words and numbers', async () => {
  await opened();
  await press(screen.getByRole('radio', { name: 'How alike they are' }));
  expect(within(screen.getByTestId('alike')).getAllByRole('row')).toHaveLength(73);
  expect(within(screen.getByTestId('drop-figures')).getAllByRole('row')).toHaveLength(4);
  expect(screen.getByText(/144 branches dropped\./)).toBeDefined();
  const ranks = within(screen.getByTestId('ranks')).getAllByRole('img');
  expect(ranks).toHaveLength(6);
  const means =
    runStore
      .getState()
      .ranked.at(-1)
      ?.modules.filter(({ module }) => module.endsWith('.q')) ?? [];
  const mean = means.reduce((sum, { rank = NaN }) => sum + rank, 0) / means.length;
  expect(ranks[0]?.getAttribute('aria-label')).toContain(`${mean.toFixed(1)} after step 250`);
});

test('branches of which nothing was kept are counted, and said to be unknown', async () => {
  await shown('ready');
  const known = { rankBefore: 3, rankAfter: 2, closeness: 0.3, closenessOfAll: 0.1 };
  const dropped = ['q', 'v'].map((linear) => ({
    step: 20,
    module: `blocks.0.${linear}`,
    branch: 1,
    ...known,
  }));
  const drops = [{ step: 10 }, { step: 10 }, { step: 20 }, { step: 20 }];
  render(<AlikeView figures={{ modules: [], dropped }} drops={drops} />);
  const part = screen.getByRole('heading', { name: 'What the drops took' }).nextElementSibling;
  expect(part?.textContent).toMatch(/^4 branches dropped\..* Of 2 nothing was kept: /);
  expect(part?.textContent).toMatch(/The others were more like another branch than/);
  const rows = within(screen.getByTestId('drop-figures')).getAllByRole('row');
  expect(rows.map(({ textContent }) => textContent).slice(1, 3)).toEqual([
    '102not kept',
    '2020.300.103.02.0',
  ]);
});
