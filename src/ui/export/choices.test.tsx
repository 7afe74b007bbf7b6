// @vitest-environment happy-dom
// What cannot be had of a run: calibration where it learned every image, PEFT where it is no LoRA.
import { act, render, screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { choose, chosenFormats, exportStore } from '../../state/export-store.ts';
import { runStore } from '../../state/run-store.ts';
import { shown } from '../testing/shown-page.tsx';
import { ExportChoices } from './ExportChoices.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

test('calibrated probabilities are offered where validation images were held out, and only there', async () => {
  await shown('finished');
  const { container } = render(<ExportChoices disabled={false} />);
  const box = (): HTMLInputElement =>
    screen.getByRole<HTMLInputElement>('checkbox', { name: 'Calibrated probabilities' });
  expect(box().disabled).toBe(false);
  act(() =>
    runStore.setState(({ result }) => ({ result: result && { ...result, learnedValidation: true } })),
  );
  expect(box().disabled).toBe(true);
  expect(box().checked).toBe(false);
  expect(container.textContent).toContain('it learned the validation images as well');
});

test('PEFT is offered where a LoRA holds what was learned, and what was chosen before is left out of other runs', async () => {
  await shown('finished');
  act(() => choose({ peft: true }));
  const { container } = render(<ExportChoices disabled={false} />);
  const box = (): HTMLInputElement => screen.getByRole<HTMLInputElement>('checkbox', { name: /^PEFT/ });
  const formats = (): string[] =>
    chosenFormats(exportStore.getState().choice, runStore.getState().summary?.recipe);
  const become = (tune: 'none' | 'norms' | 'all', branches: 0 | 4): void =>
    act(() =>
      runStore.setState(({ summary }) => ({
        summary: summary && {
          ...summary,
          recipe: {
            ...{ ...recipeDefaults, backbone: { tune } },
            dmlora: { ...recipeDefaults.dmlora, branches },
          },
        },
      })),
    );
  expect([box().checked, box().disabled]).toEqual([true, false]);
  expect(formats()).toEqual(['hf', 'peft']);
  for (const [tune, branches, why] of [
    ['all', 4, 'Not for this run. The run tuned all of the backbone too'],
    ['none', 0, 'Not for this run. There are no branches'],
  ] as const) {
    become(tune, branches);
    expect([box().checked, box().disabled]).toEqual([false, true]);
    expect(container.textContent).toContain(why);
    expect(container.textContent).toContain('The branches alone as a stock LoRA');
    expect(formats()).toEqual(['hf']);
  }
  become('none', 4);
  expect(formats()).toEqual(['hf', 'peft']);
  expect(container.textContent).toContain('The branches alone as a stock LoRA');
  become('norms', 4);
  expect(formats()).toEqual(['hf', 'peft']);
  expect(container.textContent).toContain('The branches, with the tuned LayerNorms, as a stock LoRA');
});

test('a run without branches has nothing to merge, and says what learned', async () => {
  await shown('finished, no branches', 'take-home');
  const card = (await screen.findByRole('button', { name: 'Export' }, { timeout: 10_000 })).closest(
    'section',
  );
  expect(card?.textContent).toContain(
    'no branches to merge: what learned is LayerNorms and head. The same arch',
  );
  expect(card?.textContent).not.toContain('Merging adds');
});
