// @vitest-environment happy-dom
// Which recipes are compared, on the client without a worker: what is ticked stays that, whatever it is called and
// whatever comes into the list.
import { act, fireEvent, screen, within } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { queueStore } from '../../state/queue-store.ts';
import { savedRunsStore } from '../../state/saved-runs-store.ts';
import { settled } from '../../state/testing/app-phases.ts';
import type { ListedRun } from '../../worker/protocol.ts';
import { button, canPress, shown } from '../testing/shown-page.tsx';
// What the page loads in this place is here before a test waits for it.
import '../understand/UnderstandPlace.tsx';
import './LabCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

const run = (id: string, name: string, minutes: number, accuracy: number): ListedRun => ({
  ...{ id, name, step: 250, finished: true, steps: 250, bytes: 1, deleted: false, model: 'm', images: 'i' },
  ...{ imageCount: 9, classes: 2, recipe: { ...recipeDefaults, seed: 40 + minutes } },
  ...{ validation: { loss: 0.4, accuracy }, savedAt: 1e12 - minutes * 60_000 },
});
const list = (...runs: ListedRun[]): void => savedRunsStore.setState({ runs, listedAt: 1e12 });

async function offered(...runs: ListedRun[]): Promise<void> {
  queueStore.setState({ queue: null, going: false, figures: new Map() });
  await shown('ready', 'understand', 'recipes');
  await screen.findByTestId('lab-arms');
  act(() => list(...runs));
}

/** Names of all, and of those that are ticked. */
const boxes = (): HTMLInputElement[] => within(screen.getByTestId('lab-arms')).getAllByRole('checkbox');
const labelOf = (box: HTMLInputElement): string => box.closest('label')?.textContent ?? '';
const ticked = (): string[] =>
  boxes()
    .filter(({ checked }) => checked)
    .map(labelOf);
function tick(label: RegExp): void {
  const box = boxes().find((one) => label.test(labelOf(one)));
  if (box === undefined) throw new Error(`nothing is called ${label.source}`);
  fireEvent.click(box);
}

test('a run that is chosen stays chosen when another one of that name ends, and says when it ended', async () => {
  const [older, newer] = [run('a', 'Leaves', 3, 0.8), run('b', 'Leaves', 2, 0.9)];
  await offered(newer, older, run('c', 'Leaves (2)', 5, 0.7));
  const names = boxes().map((box) => labelOf(box).split(' of a run')[0]);
  expect(names.slice(-3)).toEqual(['Leaves', 'Leaves (2)', 'Leaves (2) (2)']);
  tick(/80\.0/);
  const isChosen: unknown = expect.stringMatching(
    / of a run that ended 3 minutes ago, 80\.0\u00a0% of validation right$/,
  );
  expect(ticked().slice(1)).toEqual([isChosen]);
  act(() => list(...Array.from({ length: 9 }, (_, i) => run(`n${i}`, 'Leaves', 1, 0.5)), newer, older));
  expect(ticked().slice(1)).toEqual([isChosen]);
});

test('a recipe of a file is ticked itself, and not what is made from this recipe under its name', async () => {
  await offered();
  const lora =
    boxes()
      .map(labelOf)
      .find((label) => label.startsWith('LoRA, rank')) ?? '';
  const name = /^LoRA, rank \d+/.exec(lora)?.[0] ?? '';
  expect(name).not.toBe('');
  const arms = [
    { name, recipe: { steps: 5 } },
    { name: 'other', recipe: {} },
  ];
  const input = document.querySelector('[data-testid="lab-file"] input, input[data-testid="lab-file"]');
  if (!(input instanceof HTMLInputElement)) throw new Error('no file can be chosen');
  const add = (given: object[]): Promise<void> =>
    act(async () => {
      fireEvent.change(input, {
        target: { files: [new File([JSON.stringify({ arms: given })], 'arms.json')] },
      });
      for (let i = 0; i < 5; i++) await settled();
    });
  await add(arms);
  expect(ticked().slice(1)).toEqual([`${name} (2) of a file`, 'other of a file']);
  await add([{ name: 'third', recipe: {} }]);
  expect(ticked().slice(1)).toEqual(['third of a file']);
  expect(canPress(button('Train 6 runs'))).toBe(true);
});
