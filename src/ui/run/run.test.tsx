// @vitest-environment happy-dom
// What a person sees of a run, without a browser: in every phase of testing/app-phases.ts, before Start, and
// while the page is out of sight.
import { act, cleanup, fireEvent, screen, within } from '@testing-library/react';
import { describe, expect, test, vi } from 'vitest';
import { forecastStore } from '../../state/forecast-store.ts';
import { runStore } from '../../state/run-store.ts';
import { tabsStore } from '../../state/other-tabs.ts';
import { appPhases, settled } from '../../state/testing/app-phases.ts';
import { button, field, pressable, shown, type } from '../testing/shown-page.tsx';

// The curves are drawn on a canvas, which there is none of here.
vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

/** Phase, its name on the chip, the beginning of what is said, and what can be pressed. */
const runInPhases: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['ready', 'Ready', 'Everything is ready', ['Start', 'Step']],
  ['a wrong setting', 'Ready', 'Correct the marked settings', []],
  ['images refused', 'Ready', 'could not be used: why stands under Images', []],
  ['a long run', 'Ready', 'Everything is ready', ['Start', 'Step']],
  ['preparing', 'Preparing', 'Preparing: looking at 1,000 images.', ['Stop']],
  ['training, stage 1', 'Training, stage 1', 'Stage 1: branches and head learn', ['Pause', 'Stop']],
  ['training, stage 2', 'Training, stage 2', 'the scalars and the head learn', ['Pause', 'Stop']],
  ['validating', 'Validating', 'Measuring on the validation images', ['Pause', 'Stop']],
  ['paused', 'Paused', 'Resume, take a single step', ['Resume', 'Step', 'Stop']],
  ['diverging', 'Training', 'The run is diverging', ['Pause', 'Stop']],
  ['failed, can go on', 'Stopped by a fault', 'it can go on from step 120', ['Resume', 'Stop']],
  ['failed for good', 'Stopped by a fault', 'cannot go on', ['Start']],
  ['stopped early', 'Finished', 'Ended early', ['Start']],
  ['training, may end early', 'Training, stage 1', 'Stage 1: branches and head learn', ['Pause', 'Stop']],
  ['ended by itself', 'Finished', 'Ended early, as the recipe says', ['Start']],
  ['finished', 'Finished', 'All steps are done', ['Start']],
  ['finished, classes alike', 'Finished', 'All steps are done', ['Start']],
  ['finished, no branches', 'Finished', 'All steps are done. What was learned can', ['Start']],
  ['many classes', 'Finished', 'All steps are done', ['Start']],
  ['a large model, finished', 'Finished', 'All steps are done', ['Start']],
  ['exporting', 'Finished', 'All steps are done', []],
  ['exported', 'Finished', 'All steps are done', ['Start']],
  ['images with remarks', 'Ready', 'Everything is ready', ['Start', 'Step']],
  ['an unfinished run', 'Ready', 'Everything is ready', ['Start', 'Step']],
  ['runs to compare', 'Ready', 'Everything is ready', ['Start', 'Step']],
  ['no WebGPU', 'Ready', 'Everything is ready', ['Start', 'Step']],
];

describe('the run in every phase', () => {
  test.each(runInPhases)('%s', async (phase, chip, status, buttons) => {
    await shown(phase);
    expect(screen.getByTestId('phase').textContent).toContain(chip);
    expect(screen.getByTestId('status').textContent).toContain(status);
    expect(pressable()).toEqual(buttons);
  });

  test('none is missing here', () => {
    expect(appPhases.map(({ name }) => name).sort()).toEqual(runInPhases.map(([name]) => name).sort());
  });

  test('Start over a result that was not saved asks first', async () => {
    const client = await shown('finished');
    const starts = (): number => client.sent.filter(({ name }) => name === 'start').length;
    fireEvent.click(button('Start'));
    expect(starts()).toBe(1);
    fireEvent.click(button('Start a new run'));
    await act(settled);
    expect(starts()).toBe(2);
  });
});

test('a narrow page has a tab for each part that draws something, and for no other', async () => {
  const tabs = (): (string | null)[] =>
    within(screen.getByRole('navigation', { name: 'Parts of the run' }))
      .getAllByRole('link')
      .map(({ textContent }) => textContent);
  const cards = (): string[] =>
    ['Branches', 'Scalars', 'Drops'].filter((name) => screen.queryByRole('heading', { name }) !== null);
  const check = (expected: readonly string[]): void => {
    expect(tabs()).toEqual(expected);
    expect(cards()).toEqual(expected.filter((name) => ['Branches', 'Scalars', 'Drops'].includes(name)));
  };
  await shown('ready');
  check(['Branches', 'Recipe', 'By folds']);
  cleanup();
  await shown('finished, no branches');
  check(['Curves', 'Branches', 'Recipe', 'By folds']);
  cleanup();
  await shown('finished');
  check(['Curves', 'Branches', 'Scalars', 'Drops', 'Recipe', 'By folds']);
  act(() =>
    runStore.setState(({ summary }) => ({
      summary: summary && {
        ...summary,
        recipe: { ...summary.recipe, dmlora: { ...summary.recipe.dmlora, scalars: 'off' } },
      },
    })),
  );
  check(['Curves', 'Branches', 'Drops', 'Recipe', 'By folds']);
});

test('the curves have a key for what the run has, and no other', async () => {
  const keys = (): string | undefined =>
    screen.getByRole('heading', { name: 'Curves' }).closest('section')?.querySelector('ul')?.textContent;
  await shown('finished');
  expect(keys()).toMatch(/^ *training *validation *branches drop *stage 2$/);
  cleanup();
  await shown('finished, no branches');
  expect(keys()).toMatch(/^ *training *validation$/);
});

test('in stage 2 what is tuned of the backbone rests with the branches, or learns afresh with them', async () => {
  const become = (scalars: 'train-then-scale' | 'scale-then-retrain', tune: 'none' | 'norms'): string => {
    act(() =>
      runStore.setState(({ summary }) => ({
        summary: summary && {
          ...summary,
          recipe: {
            ...{ ...summary.recipe, backbone: { tune } },
            dmlora: { ...summary.recipe.dmlora, scalars },
          },
        },
      })),
    );
    return screen.getByTestId('status').textContent;
  };
  await shown('training, stage 2');
  expect(become('train-then-scale', 'none')).toContain('branches rest, the scalars and the head learn.');
  expect(become('train-then-scale', 'norms')).toContain('branches and LayerNorms rest, the scalars');
  expect(become('scale-then-retrain', 'none')).toContain('branches and head learn afresh, the scalars');
  expect(become('scale-then-retrain', 'norms')).toContain('branches, LayerNorms and head learn afresh,');
});

describe('a long run', () => {
  test('is foretold, can be shortened by one click, and the click undone', async () => {
    const client = await shown('a long run');
    expect(screen.getByTestId('forecast').textContent).toBe(
      'The whole run takes about 54 min on this device (preparing 40 s, training 48 min, measuring 5 min).',
    );
    const offer = screen.getByTestId('shorter');
    expect(
      within(offer)
        .getAllByRole('listitem')
        .map(({ textContent }) => textContent),
    ).toEqual(['Epochs: 3 instead of 10', 'Images: 48 × 48 pixels instead of 64 × 64 pixels']);
    const epochs = (): string => (field(/^Epochs/) as HTMLInputElement).value;
    const sizes = (): unknown[] =>
      client.sent
        .filter(({ name }) => name === 'openModel')
        .map(({ input }) => (input as { imageSize?: number }).imageSize);
    const before = epochs();
    fireEvent.click(button('Shorten the run'));
    await act(settled);
    expect(epochs()).toBe('3');
    expect(sizes().at(-1)).toBe(48);
    expect(screen.getByTestId('shortened').textContent).toContain('Epochs: 3 instead of 10');
    // Also while the device is measured at the other image size.
    act(() => forecastStore.setState({ forecast: { kind: 'unknown', isMeasuring: true } }));
    expect(screen.getByTestId('forecast').textContent).toContain('Finding out');
    fireEvent.click(button('Undo'));
    await act(settled);
    expect(epochs()).toBe(before);
    expect(sizes().at(-1)).toBe(64);
    expect(screen.queryByTestId('shortened')).toBeNull();
  });

  test('that was shortened and then changed by hand has nothing to undo', async () => {
    await shown('a long run');
    fireEvent.click(button('Shorten the run'));
    await act(settled);
    type(field(/^Epochs/), '4');
    expect(screen.queryByTestId('shortened')).toBeNull();
  });
});

test('what the model will see is shown when asked, by the recipe of now, and not while a run has the worker', async () => {
  const client = await shown('ready');
  const loading = { timeout: 20_000 };
  const asked = (): unknown[] =>
    client.sent.filter(({ name }) => name === 'viewStep').map(({ input }) => input);
  const labels = (): (string | null)[] =>
    within(screen.getByRole('list', { name: 'Images of the step' }))
      .getAllByRole('listitem')
      .map(({ textContent }) => textContent);
  expect(asked()).toEqual([]);
  fireEvent.click(button('Show the first step'));
  await screen.findByText('Step 1 of 250: 32 images', {}, loading);
  expect(labels()).toHaveLength(32);
  expect(labels()[0]).not.toContain('%');
  fireEvent.click(button('Next step'));
  await screen.findByText('Step 2 of 250: 32 images', {}, loading);
  type(field(/^Mixup/), '0.4');
  await vi.waitFor(() => expect(labels()[0]).toMatch(/70.% \+ .* 30.%/), loading);
  expect(asked().at(-1)).toMatchObject({ step: 1, recipe: { mixup: 0.4 } });
  fireEvent.click(button('Start'));
  await act(settled);
  expect(screen.queryByText('What the model will see')).toBeNull();
});

test('a run that may end by itself promises no more than it knows', async () => {
  const counts = (): string => screen.getByTestId('step').parentElement?.parentElement?.textContent ?? '';
  await shown('training, stage 1');
  expect(counts()).toBe('Step 120 of 250epoch 4.8 of 10');
  expect(screen.getByTestId('time-left').textContent).toMatch(/^about /);
  cleanup();
  await shown('training, may end early');
  expect(counts()).toBe('Step 120 of at most 250epoch 4.8 of at most 10');
  expect(screen.getByTestId('time-left').textContent).toMatch(/^at most /);
  cleanup();
  await shown('ended by itself');
  expect(counts()).toBe('Step 175 of 250epoch 7 of 10');
  expect(screen.getByTestId('kept').textContent).toContain('So the run ended by itself after step 175.');
});

test('the preparation is one bar with what is left of it', async () => {
  await shown('preparing');
  const bar = screen.getByTestId<HTMLProgressElement>('preparing');
  expect([bar.value, bar.max]).toEqual([0.42, 1]);
  expect(bar.parentElement?.textContent).toBe('310 of 1,000about 12 s until the first step');
});

describe('away from the page', () => {
  test('the title of the tab says how far the run is', async () => {
    const client = await shown('training, stage 1');
    expect(document.title).toMatch(/^\d+ % Training – Graft$/);
    act(() => client.emit({ kind: 'phase', phase: { kind: 'evaluating', step: 63, steps: 250 } }));
    expect(document.title).toBe('25 % Validating – Graft');
    act(() =>
      client.emit({ kind: 'phase', phase: { kind: 'finished', step: 250, steps: 250, end: 'all-steps' } }),
    );
    expect(document.title).toBe('Finished – Graft');
  });

  test('a notification is asked for by a click alone, and comes at the end if the page is out of sight', async () => {
    const shownNotes: string[] = [];
    const ask = vi.fn(() => Promise.resolve('granted' as const));
    class FakeNotification {
      static readonly requestPermission = ask;
      onclick: unknown = null;
      constructor(title: string, { body }: NotificationOptions) {
        shownNotes.push(`${title} / ${body ?? ''}`);
      }
    }
    vi.stubGlobal('Notification', FakeNotification);
    const visibility = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('visible');
    try {
      const client = await shown('training, stage 1');
      const end = (): void =>
        act(() =>
          client.emit({ kind: 'phase', phase: { kind: 'finished', step: 9, steps: 9, end: 'all-steps' } }),
        );
      const going = (): void =>
        act(() => client.emit({ kind: 'phase', phase: { kind: 'training', stage: 1, step: 1, steps: 9 } }));
      visibility.mockReturnValue('hidden');
      end();
      expect(ask).not.toHaveBeenCalled();
      expect(shownNotes).toEqual([]);
      going();
      await act(async () => {
        fireEvent.click(button('Tell me when it has ended'));
        await settled();
      });
      expect(ask).toHaveBeenCalledTimes(1);
      visibility.mockReturnValue('visible');
      end();
      expect(shownNotes).toEqual([]);
      going();
      visibility.mockReturnValue('hidden');
      end();
      expect(shownNotes).toEqual([
        expect.stringMatching(/^Graft: finished \/ [\d.]+.% of 200 validation images right: \d+ to \d+.%\.$/),
      ]);
    } finally {
      visibility.mockRestore();
      vi.unstubAllGlobals();
    }
  });

  test('the run of another tab is shown, and does not let this one start beside it', async () => {
    await shown('ready');
    expect(screen.queryByTestId('other-tab')).toBeNull();
    act(() =>
      tabsStore.setState({
        run: {
          ...{ model: 'Sprout', images: 'flowers', phase: 'training', step: 120, steps: 400 },
          ...{ accuracy: 0.83, secondsLeft: 61 },
        },
      }),
    );
    expect(screen.getByTestId('other-tab').textContent).toMatch(
      /Another tab is at work: Sprout on flowers. Training, step 120 of 400, 83\.0.% .* about 61 s left\./,
    );
    expect(pressable()).toEqual([]);
    expect(screen.getByTestId('status').textContent).toContain('Another tab of Graft is training');
    act(() => tabsStore.setState({ run: null }));
    expect(pressable()).toEqual(['Start', 'Step']);
  });
});
