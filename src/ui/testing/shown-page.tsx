// The page for tests of what a person sees, without a browser: drawn by the real components on the client
// without a worker, and found by what it says. A test fails where React complained on the console.
import { act, cleanup, fireEvent, render, screen, within } from '@testing-library/react';
import { afterEach, beforeEach, expect, vi, type MockInstance } from 'vitest';
import { afterPaint } from '../../state/after-paint.ts';
import { openPhase, settled } from '../../state/testing/app-phases.ts';
import type { FakeClient } from '../../state/testing/fake-client.ts';
import { App } from '../App.tsx';
import { addressOf, goTo, type Place } from '../place.ts';
import { TrainerContext } from '../trainer-context.ts';

/** What React and everybody else complained of on the console. */
export let complaints: MockInstance<typeof console.error>;

beforeEach(() => {
  complaints = vi.spyOn(console, 'error').mockImplementation(() => undefined);
});

// React tells what went wrong while it drew on the console.
afterEach(async () => {
  cleanup();
  // A place that was asked for last is the address before another test names one.
  await new Promise<void>((resolve) => afterPaint(resolve));
  expect(complaints.mock.calls).toEqual([]);
  complaints.mockRestore();
});

/** The whole page in such a phase, in this place; most of what is tested stands where a run is seen. */
export async function shown(phase: string, place: Place = 'train', view?: string): Promise<FakeClient> {
  location.hash = addressOf(place, view);
  const { trainer, client } = await openPhase(phase);
  render(
    <TrainerContext value={trainer}>
      <App />
    </TrainerContext>,
  );
  await act(settled);
  return client;
}

/** Waits until the place that the address names is drawn. */
export const arrive = (): Promise<void> =>
  act(async () => {
    await settled();
    await new Promise<void>((resolve) => afterPaint(resolve));
    await settled();
  });

/** Goes to a place and waits until it is drawn. */
export function goAndArrive(place: Place, view?: string): Promise<void> {
  goTo(place, view);
  return arrive();
}

export const button = (name: string): HTMLButtonElement => screen.getByRole('button', { name });
export const field = (label: RegExp): HTMLElement => screen.getByLabelText(label);
export const type = (element: HTMLElement, value: string): boolean =>
  fireEvent.change(element, { target: { value } });

/** Buttons of the bar stay where the focus can be, pressable or not. */
export const canPress = (found: HTMLButtonElement): boolean =>
  !found.disabled && found.getAttribute('aria-disabled') !== 'true';

/** Those of the run's buttons that can be pressed. */
export const pressable = (): string[] =>
  within(screen.getByRole('group', { name: 'Run controls' }))
    .getAllByRole<HTMLButtonElement>('button')
    .filter((found) => canPress(found))
    .map(({ textContent }) => textContent.trim());
