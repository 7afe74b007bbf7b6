// @vitest-environment happy-dom
// Probabilities can only be calibrated on images that the run did not learn.
import { act, render, screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
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
