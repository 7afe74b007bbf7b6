// @vitest-environment happy-dom
// What a person sees of the page, without a browser, but for the run (run/run.test.tsx). Pictures, layout and
// the real worker are e2e/'s.
import {
  act,
  fireEvent,
  type queries,
  render,
  screen,
  within,
  type BoundFunctions,
} from '@testing-library/react';
import { Suspense, type ComponentType } from 'react';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { defaultEpochs, recipeDefaults } from '../recipe/recipe.ts';
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { dataStore } from '../state/data-store.ts';
import { hubStore } from '../state/hub-store.ts';
import { settled } from '../state/testing/app-phases.ts';
import type { FakeClient } from '../state/testing/fake-client.ts';
import { versionStore } from '../state/version-store.ts';
import { CrashGuard } from './CrashGuard.tsx';
import { FaultBox } from './parts/FaultBox.tsx';
import { lazyPart } from './parts/lazy-part.tsx';
import { resultText } from './runs/run-words.ts';
import {
  button,
  canPress,
  complaints,
  field,
  shown,
  type,
  goAndArrive,
  arrive,
} from './testing/shown-page.tsx';

// The curves are drawn on a canvas, which there is none of here.
vi.mock('./charts/LineChart.tsx', () => ({ LineChart: () => null }));

/** While it is broken, nothing of the place to take a model home from can be drawn. */
const broken = vi.hoisted(() => ({ now: false }));
vi.mock('./result/TakeHomeCard.tsx', async (original) => {
  const { default: Real } = await original<{ readonly default: ComponentType }>();
  const TakeHomeCard = () => {
    if (broken.now) throw new Error('no picture of it');
    return <Real />;
  };
  return { default: TakeHomeCard };
});

describe('a newer build', () => {
  afterEach(() => versionStore.setState({ newer: 'none' }));

  const notice = (newer: 'waiting' | 'others-open'): string => {
    act(() => versionStore.setState({ newer }));
    return screen.getByTestId('new-version').textContent;
  };

  test.each(['training, stage 1', 'paused', 'finished'])(
    'waits while a run would be lost: %s',
    async (phase) => {
      await shown(phase);
      expect(notice('waiting')).toBe('A new version is ready: reload when your run is done.');
      expect(screen.queryByRole('button', { name: 'Reload' })).toBeNull();
    },
  );

  test.each(['ready', 'failed for good'])('is offered where nothing would be lost: %s', async (phase) => {
    await shown(phase);
    expect(screen.queryByTestId('new-version')).toBeNull();
    expect(notice('waiting')).toContain('A new version is ready.');
    expect(notice('others-open')).toContain('close the other tabs of Graft');
    expect(button('Reload')).not.toBeNull();
  });
});

describe('the recipe', () => {
  test('a wrong field is marked and named, and Start waits for it', async () => {
    await shown('ready');
    const rate = field(/^Learning rate/);
    const help = (): string =>
      document.getElementById(rate.getAttribute('aria-describedby') ?? '')?.textContent ?? '';
    const before = help();
    type(rate, 'fast');
    expect(rate.getAttribute('aria-invalid')).toBe('true');
    expect(help()).not.toBe(before);
    expect(canPress(button('Start'))).toBe(false);
    type(rate, '0.001');
    expect(rate.getAttribute('aria-invalid')).toBe('false');
    expect(help()).toBe(before);
    expect(canPress(button('Start'))).toBe(true);
  });

  test('without epochs of its own it says how many it takes, and for how many images', async () => {
    await shown('ready');
    const epochs = field(/^Epochs/);
    expect(epochs).toMatchObject({ value: '' });
    const words = document.getElementById(epochs.getAttribute('aria-describedby') ?? '')?.textContent;
    expect(words).toBe(`Passes over the training images. Empty: ${defaultEpochs(400)}, for 400 images.`);
    expect(epochs.getAttribute('placeholder')).toBe(String(defaultEpochs(400)));
    type(field(/^Result is the state/), 'last');
    type(field(/^Learns from/), 'all');
    expect(epochs.getAttribute('placeholder')).toBe(String(defaultEpochs(500)));
    type(epochs, '7');
    expect(canPress(button('Start'))).toBe(true);
    type(epochs, '0');
    expect(canPress(button('Start'))).toBe(false);
    type(epochs, '');
    expect(canPress(button('Start'))).toBe(true);
  });

  test('what is not shown cannot be wrong', async () => {
    await shown('ready');
    const until = field(/^Drops until/);
    type(until, '200');
    expect(canPress(button('Start'))).toBe(false);
    type(field(/^Branch dropout/), 'none');
    expect(screen.queryByLabelText(/^Drops until/)).toBeNull();
    expect(canPress(button('Start'))).toBe(true);
  });

  test('cannot be edited while a run is under way', async () => {
    await shown('training, stage 1');
    const settings = document.querySelector<HTMLFieldSetElement>('#recipe-settings');
    expect(settings?.disabled).toBe(true);
  });
});

describe('the report of an import', () => {
  test('says how many files were refused, used with a remark, passed over, and why', async () => {
    await shown('images with remarks', 'images');
    const refused = screen.getByTestId('rejected');
    expect(refused.textContent).toContain('2 files refused');
    expect(refused.textContent).toContain('cats/broken.jpg');
    expect(refused.textContent).toContain('The file ends before its picture does.');
    expect(screen.getByTestId('warnings').textContent).toContain('1 file used, with something to know');
    expect(screen.getByTestId('ignored').textContent).toContain('1 file passed over');
  });

  test('says what was drawn together, with an example, and of which class nothing can be held out', async () => {
    await shown('images with remarks', 'images');
    const { textContent } = screen.getByTestId('together');
    expect(textContent).toContain('142 in 31 groups, the largest of 12');
    expect(textContent).toContain('such as cats/IMG_0001_a.jpg, cats/IMG_0001_b.jpg.');
    expect(textContent).toContain('Nothing can be held out of dogs: ');
  });

  test('says what is found when the images are looked at', async () => {
    const client = await shown('images with remarks', 'images');
    fireEvent.click(button('Look for copies and odd pictures'));
    await act(settled);
    expect(screen.getByTestId('checked').textContent).toBe(
      'Something was found among 38 images; 2 more could not be decoded.',
    );
    const leak = screen.getByTestId('found-near-leak');
    expect(leak.textContent).toContain('1 picture on both sides of the split');
    expect(leak.textContent).toContain('Ankle bootto learn fromAnkle bootto validate');
    expect(screen.getByTestId('found-one-shade').textContent).toContain('__proto__to learn from');
    expect(screen.queryByTestId('found-blurred')).toBeNull();
    fireEvent.click(button('Look for doubtful labels'));
    await act(settled);
    const doubted = screen.getByTestId('found-labels');
    expect(doubted.textContent).toContain('2 labels in doubt, of 38');
    expect(doubted.textContent).toContain('__proto__like Ankle bootto learn from');
    fireEvent.click(button('Draw all near copies together'));
    await act(settled);
    expect(client.sent.findLast(({ name }) => name === 'editImages')?.input).toMatchObject({
      change: { kind: 'together', groups: [[0, 80]] },
    });
    // What is done about one is an edit like any other, and it is gone. Folders hold these out: nothing is drawn.
    fireEvent.click(button('Make it Ankle boot'));
    await act(settled);
    expect(doubted.textContent).toContain('1 label in doubt');
    expect(screen.queryByText('Draw all near copies together')).toBeNull();
    fireEvent.click(button('Leave out those that are learned from'));
    await act(settled);
    expect(screen.queryByTestId('found-near-leak')).toBeNull();
    fireEvent.click(button('Leave them out'));
    await act(settled);
    expect(screen.getByTestId('checked').textContent).toContain('All that was found is settled');
    for (let edits = 0; edits < 4; edits++) {
      fireEvent.click(screen.getByRole('button', { name: /^Undo: / }));
      await act(settled);
    }
    expect(screen.queryByRole('button', { name: /^Undo: / })).toBeNull();
    expect(screen.getByTestId('found-near-leak').textContent).toContain('1 picture on both sides');
    expect(screen.getByTestId('found-labels').textContent).toContain('2 labels in doubt');
  });

  test('has no list for what did not happen', async () => {
    await shown('ready', 'images');
    for (const id of ['rejected', 'warnings', 'ignored']) expect(screen.queryByTestId(id)).toBeNull();
  });

  test('a class named like markup is text', async () => {
    await shown('ready', 'images');
    expect(screen.getAllByText('<b>bold</b>').length).toBeGreaterThan(0);
  });
});

describe('the export', () => {
  test('no format, no writing; a format that was refused says why', async () => {
    const client = await shown('finished', 'take-home');
    fireEvent.click(button('Merge & export'));
    const box = screen.getByRole<HTMLInputElement>('checkbox', { name: /Hugging Face/ });
    fireEvent.click(box);
    expect(screen.getByText('Choose at least one format.')).toBeTruthy();
    expect(button('Write and prove').disabled).toBe(true);
    fireEvent.click(box);
    fireEvent.click(button('Write and prove'));
    await act(settled);
    expect(client.sent.at(-1)).toMatchObject({ name: 'exportModel', input: { formats: ['hf'] } });
    expect(screen.getByTestId('export-hf').getAttribute('data-offered')).toBe('true');
  });

  test('what was written is offered with its proof, what was refused is not', async () => {
    await shown('exported', 'take-home');
    fireEvent.click(button('Merge & export'));
    expect(screen.getByTestId('export-onnx').getAttribute('data-offered')).toBe('true');
    const refused = screen.getByTestId('export-timm');
    expect(refused.getAttribute('data-offered')).toBe('false');
    expect(refused.textContent).toContain('timm’s ViT cannot hold this model.');
    expect(within(refused).queryByRole('button')).toBeNull();
  });
});

test('a result names its images, and says when others are open', async () => {
  await shown('finished');
  expect(screen.queryByTestId('other-images')).toBeNull();
  const result = screen.getByRole('region', { name: 'Result' });
  expect(result.textContent).toContain('on Clothes and animals');
  const { data } = dataStore.getState();
  act(() => dataStore.setState({ data: data === null ? null : { ...data, title: 'Beetles' } }));
  expect(screen.getByTestId('other-images').textContent).toBe(
    'This is about Clothes and animals; Beetles was opened since.',
  );
  expect(result.textContent).toContain('on Clothes and animals');
});

test('of a run that counts all classes alike the measure that decided is shown and named', async () => {
  await shown('finished, classes alike');
  const bars = screen.getByTestId('recall-bars');
  expect(bars.parentElement?.textContent).toContain('Mean recall of the classes, which decided');
  expect(bars.textContent).toMatch(/^Probe5\.0.%After91\.4.%$/u);
  const [, first] = within(screen.getByRole('region', { name: 'Validation as a table' })).getAllByRole('row');
  expect(first?.textContent).toMatch(/10\.0.%.*5\.0.%$/u);
  expect(screen.getAllByText(/, mean recall 91\.4.%/u)).not.toHaveLength(0);
  const listed = {
    ...{ step: 9, steps: 9, finished: true },
    validation: { loss: 1, accuracy: 0.5, recall: 0.25 },
    recipe: recipeDefaults,
  };
  expect(resultText(listed)).toMatch(/, 50\.0.% of validation right, mean recall 25\.0.%$/u);
});

test('a fault that does not go by itself can be closed, and what is open stays', async () => {
  await shown('ready', 'images');
  act(() => dataStore.setState({ fault: { kind: 'bad-dataset', why: 'one-class', detail: 'One.' } }));
  expect(screen.getByTestId('status').textContent).toContain('could not be used');
  fireEvent.click(button('Close'));
  expect(screen.queryByTestId('fault')).toBeNull();
  expect(screen.getByTestId('status').textContent).toContain('Everything is ready');
  expect(canPress(button('Start'))).toBe(true);
});

test('the focus never stays in a place that is gone', async () => {
  await shown('finished');
  const link = screen.getByRole('link', { name: 'Take it home' });
  link.focus();
  await goAndArrive('take-home');
  expect(document.activeElement).toBe(screen.getByRole('main'));
  // The action of the bar is one button, whatever it does next.
  const start = button('Start');
  start.focus();
  await goAndArrive('train');
  expect(document.activeElement).toBe(start);
});

describe('saved runs', () => {
  const inRun = (name: string): BoundFunctions<typeof queries> =>
    within(
      screen.getAllByTestId('run').find(({ textContent }) => textContent.includes(name)) ?? document.body,
    );

  async function shownRuns(): Promise<FakeClient> {
    const client = await shown('an unfinished run', 'take-home');
    await screen.findByTestId('unfinished');
    await screen.findByTestId('runs');
    return client;
  }

  test('the page opens with the one that was not finished, and goes on with it', async () => {
    const client = await shownRuns();
    const unfinished = screen.getByTestId('unfinished');
    expect(unfinished.textContent).toBe('Continue Leaves <b> at step 120 of 250');
    fireEvent.click(within(unfinished).getByRole('button'));
    await arrive();
    expect(client.sent).toContainEqual({ name: 'openRun', input: { id: 'a', then: 'train' } });
    expect(screen.queryByTestId('unfinished')).toBeNull();
    expect(screen.getByTestId('phase').textContent).toContain('Training');
    expect(screen.getByTestId('run-notes').textContent).toContain('goes on with it');
  });

  test('each is told in a few lines, and what all of it takes', async () => {
    await shownRuns();
    const text = screen.getAllByTestId('run').map(({ textContent }) => textContent);
    expect(text).toHaveLength(2);
    expect(text[0]).toContain('Unfinished at step 120 of 250, 87.3');
    expect(text[0]).toContain('3 minutes ago');
    expect(text[0]).toContain('250 steps of 32 images, 4 → 2 branches of rank 4');
    expect(text[1]).toContain('Finished after 250 steps');
    expect(screen.getByTestId('stored').textContent).toContain('25 MB');
    expect(screen.getByTestId('stored').textContent).toContain('models 5.5 MB');
  });

  test('one is renamed, deleted and brought back', async () => {
    const client = await shownRuns();
    fireEvent.click(inRun('Leaves').getByRole('button', { name: 'Rename Leaves <b>' }));
    type(field(/^Name of the run/), ' Oaks ');
    fireEvent.click(button('Keep this name'));
    await act(settled);
    expect(client.sent.at(-1)).toEqual({ name: 'renameRun', input: { id: 'a', name: 'Oaks' } });
    fireEvent.click(button('Delete Oaks'));
    await act(settled);
    expect(screen.queryByTestId('unfinished')).toBeNull();
    fireEvent.click(button('Bring Oaks back'));
    await act(settled);
    expect(screen.getByTestId('unfinished').textContent).toContain('Oaks');
  });

  test('none is opened while another one is under way', async () => {
    await shownRuns();
    fireEvent.click(button('Start'));
    await act(settled);
    await goAndArrive('take-home');
    expect(button('Continue Leaves <b>').disabled).toBe(true);
    expect(button('Remove everything').disabled).toBe(true);
    expect(screen.queryByTestId('unfinished')).toBeNull();
  });

  test('the run under way says how far it is saved, or why it is not', async () => {
    const client = await shown('training, stage 1');
    act(() => client.emit({ kind: 'saved', id: 'x', step: 96, busyMs: 4 }));
    expect(screen.getByTestId('saved').textContent).toContain('at step 96');
    act(() => client.emit({ kind: 'not-saved', fault: { kind: 'storage', why: 'quota', detail: 'Full.' } }));
    expect(screen.getByTestId('not-saved').textContent).toContain('too little room');
    act(() => client.emit({ kind: 'saved', id: 'x', step: 120, busyMs: 4 }));
    expect(screen.queryByTestId('not-saved')).toBeNull();
  });
});

describe('a fault', () => {
  test.each<Fault>([
    { kind: 'device-lost', step: 12, detail: 'The graphics driver was restarted.' },
    { kind: 'storage', why: 'quota', detail: 'The disk is full.', needed: 5000 },
    { kind: 'bug', message: '<img src=x onerror=alert(1)>' },
  ])('of kind $kind says what happened and what to do, as text', (fault) => {
    render(<FaultBox fault={fault} />);
    const { title, detail, advice } = describeFault(fault);
    const box = screen.getByRole('alert');
    for (const words of [title, detail, advice]) expect(box.textContent).toContain(words);
    expect(box.querySelector('img')).toBeNull();
  });

  test('with a name of ten thousand characters, or one that reads backwards, is short and readable', () => {
    const detail = `\u202e${'x'.repeat(10_000)}`;
    render(<FaultBox fault={{ kind: 'bad-file', name: detail, why: 'unreadable', detail }} />);
    const text = screen.getByRole('alert').textContent;
    expect(text.length).toBeLessThan(2500);
    expect(text).not.toContain('\u202e');
    expect(text).toContain('Check that the file still exists');
  });

  test('that the run got over by itself is a remark, and says what it cost', async () => {
    const client = await shown('training, stage 1');
    const fault = { kind: 'device-lost', step: 12, kept: 10, detail: 'x' } as const;
    act(() => client.emit({ kind: 'recovered', fault, memoryPlan: null }));
    expect(screen.getByTestId('recovered').textContent).toBe(
      'The GPU was lost at step 12 and came back; nothing is missing: the steps from 10 on were done again.',
    );
    expect(screen.queryByRole('alert')).toBeNull();
  });

  test('of images that were moved lets their folder be opened again', async () => {
    const client = await shown('ready');
    act(() => client.emit({ kind: 'fault', fault: { kind: 'images-changed', paths: ['a/1.png'], of: 3 } }));
    expect(screen.getByRole('alert').textContent).toContain('1 of 3 were moved, deleted or changed since');
    expect(
      within(screen.getByRole('alert')).getByRole('button', { name: 'Open the folder again' }),
    ).toBeTruthy();
  });

  test('of a run stands by the run', async () => {
    await shown('failed, can go on');
    expect(screen.getByRole('alert').textContent).toContain('The graphics driver was restarted.');
  });
});

test('a page that cannot be drawn says so, and is there again at a click', () => {
  const broken = { now: true };
  const Picture = () => {
    if (broken.now) throw new Error('no picture');
    return <p>drawn</p>;
  };
  render(
    <CrashGuard page>
      <Picture />
    </CrashGuard>,
  );
  expect(complaints).toHaveBeenCalled();
  complaints.mockClear();
  expect(screen.getByRole('alert').textContent).toContain('no picture');
  expect(screen.getByRole('alert').textContent).toContain('a run goes on');
  broken.now = false;
  fireEvent.click(button('Show the page again'));
  expect(screen.getByText('drawn')).toBeTruthy();
});

test('a part that does not come takes nothing else with it, and comes at a click', async () => {
  let loads = 0;
  const Late = lazyPart(() => {
    loads += 1;
    return loads === 1
      ? Promise.reject(new TypeError('Failed to fetch dynamically imported module'))
      : Promise.resolve({ default: () => <p>here</p> });
  });
  render(
    <>
      <p>beside it</p>
      <CrashGuard>
        <Suspense fallback={null}>
          <Late />
        </Suspense>
      </CrashGuard>
    </>,
  );
  await act(settled);
  expect(complaints).toHaveBeenCalled();
  complaints.mockClear();
  expect(screen.getByRole('alert').textContent).toContain('A part of the page could not be loaded');
  expect(screen.getByText('beside it')).toBeTruthy();
  expect(loads).toBe(1);
  fireEvent.click(button('Try again'));
  await act(settled);
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.getByText('here')).toBeTruthy();
  expect(loads).toBe(2);
});

test('a place that cannot be drawn leaves the bar and the other places as they are', async () => {
  broken.now = true;
  await shown('finished', 'take-home');
  const place = screen.getAllByTestId('place').find(({ dataset }) => dataset['place'] === 'take-home');
  const alert = await within(place ?? document.body).findByRole('alert');
  complaints.mockClear();
  expect(alert.textContent).toContain('no picture of it');
  expect(screen.getByTestId('phase').textContent).toContain('Finished');
  await goAndArrive('train');
  expect(screen.getByRole('region', { name: 'Result' })).toBeTruthy();
  await goAndArrive('take-home');
  broken.now = false;
  fireEvent.click(within(alert).getByRole('button', { name: 'Try again' }));
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.getByRole('heading', { name: 'Take the model home' })).toBeTruthy();
});

test('an access token stands in its field and nowhere in the page', async () => {
  await shown('ready', 'model');
  const token = 'hf_secretsecret';
  const tokenField = screen.getByTestId<HTMLInputElement>('hub-token');
  type(tokenField, token);
  expect(hubStore.getState().token).toBe(token);
  expect(tokenField.value).toBe(token);
  expect(document.documentElement.outerHTML).not.toContain(token);
  act(() => hubStore.setState({ token: '' }));
  expect(tokenField.value).toBe('');
});

describe('dragging files over the window', () => {
  const drag = (): boolean =>
    fireEvent(window, Object.assign(new Event('dragenter'), { dataTransfer: { types: ['Files'] } }));

  test('says what may be dropped', async () => {
    await shown('ready');
    expect(screen.queryByTestId('drop-overlay')).toBeNull();
    drag();
    expect(screen.getByTestId('drop-overlay').textContent).toContain('Drop to open');
  });

  test('says that a run is in the way', async () => {
    await shown('training, stage 1');
    drag();
    expect(screen.getByTestId('drop-overlay').textContent).toContain('Stop it first');
  });
});
