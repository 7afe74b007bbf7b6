// @vitest-environment happy-dom
// Trying images on the client without a worker: what is dropped on the card is asked about and opens nothing,
// what is dropped elsewhere opens as before; a file that is no image says why; the camera is asked for by its
// button alone.
import { act, fireEvent, screen } from '@testing-library/react';
import { expect, test, vi } from 'vitest';
import { settled } from '../../state/testing/app-phases.ts';
import type { FakeClient } from '../../state/testing/fake-client.ts';
import { button, shown } from '../testing/shown-page.tsx';
// What the page loads when a run has ended is here before a test waits for it.
import '../understand/UnderstandPlace.tsx';
import './TryCard.tsx';

vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

async function opened(): Promise<FakeClient> {
  const client = await shown('finished', 'understand', 'try');
  await screen.findByRole('heading', { name: 'Try it' });
  return client;
}

// Browsers give every file a path inside its folder, empty where there is none.
const image = (name: string): File =>
  Object.assign(new File([name], name, { type: 'image/png' }), { webkitRelativePath: '' });

async function choose(...files: File[]): Promise<void> {
  await act(async () => {
    fireEvent.change(screen.getByTestId('try-files'), { target: { files } });
    await settled();
  });
}

async function drop(on: Element, files: File[]): Promise<void> {
  const items = files.map((file) => ({
    ...{ kind: 'file', type: file.type },
    webkitGetAsEntry: () => null,
    getAsFile: () => file,
  }));
  const dataTransfer = { types: ['Files'], files, items };
  await act(async () => {
    fireEvent.drop(on, { dataTransfer });
    await settled();
  });
}

test('one image shows its classes beside those of the probe', async () => {
  const client = await opened();
  await choose(image('leaf.png'));
  expect(client.sent.at(-1)).toMatchObject({ name: 'tryImages', input: { files: [{ path: 'leaf.png' }] } });
  const classes = screen.getAllByTestId('tried-class');
  expect(classes).toHaveLength(2);
  const shares = classes.map(({ dataset }) => Number(dataset['p']));
  expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  expect(shares[0]).toBeGreaterThanOrEqual(shares[1] ?? 1);
  expect(screen.getByTestId('tried').textContent).toContain('linear probe');
});

test('several are a table, some at a time, and what is no image says why', async () => {
  const client = await opened();
  await choose(...Array.from({ length: 20 }, (_, i) => image(i === 3 ? 'notes.txt' : `${i}.png`)));
  await act(settled);
  const asked = client.sent.filter(({ name }) => name === 'tryImages');
  expect(asked).toHaveLength(2);
  const rows = screen.getByTestId('tried-table').querySelectorAll('tbody tr');
  expect(rows).toHaveLength(20);
  expect(rows[3]?.textContent).toContain('No image, by its first bytes.');
});

test('what is dropped on the card opens nothing; what is dropped beside it does', async () => {
  const client = await opened();
  const opens = (): number => client.sent.filter(({ name }) => /^open/.test(name)).length;
  const before = opens();
  await drop(screen.getByTestId('try-zone'), [image('a.png')]);
  expect(opens()).toBe(before);
  expect(client.sent.at(-1)).toMatchObject({ name: 'tryImages' });
  // All of the card, not the dashed part alone: its heading too.
  const asked = client.sent.length;
  await drop(screen.getByRole('heading', { name: 'Try it' }), [image('a.png')]);
  expect(opens()).toBe(before);
  expect(client.sent.slice(asked).map(({ name }) => name)).toEqual(['tryImages']);
  await drop(screen.getByRole('navigation', { name: 'Views of the result' }), [image('a.png')]);
  expect(opens()).toBe(before + 1);
});

test('while a run trains it answers, as of a step, and nobody else does', async () => {
  const client = await shown('training, stage 1', 'understand', 'try');
  await screen.findByRole('heading', { name: 'Try it' });
  await choose(image('leaf.png'));
  expect(client.sent.at(-1)).toMatchObject({ name: 'tryImages', input: { who: 'run' } });
  expect(screen.getByTestId('answered-by').textContent).toBe('the run as of step 120');
  expect(screen.queryByTestId('try-model-folder')).toBeNull();
});

test('a model that is dropped answers from then on; what is no model says so and changes nothing', async () => {
  const client = await shown('ready', 'understand', 'try');
  await screen.findByRole('heading', { name: 'Try it' });
  expect(screen.queryByTestId('who-answers')).toBeNull();
  expect(button('Choose images').disabled).toBe(true);
  const zone = screen.getByTestId('try-zone');
  await drop(zone, [image('config.json')]);
  expect(screen.getByText(/No weights\./)).not.toBeNull();
  await drop(zone, [image('leaves.zip')]);
  expect(screen.queryByText(/No weights\./)).toBeNull();
  await choose(image('leaf.png'));
  expect(client.sent.at(-1)).toMatchObject({ name: 'tryImages', input: { who: 'model' } });
  expect(client.sent.filter(({ name }) => name === 'openToTry')).toHaveLength(2);
  expect(screen.getByTestId('answered-by').textContent).toBe('leaves');
  expect(screen.getByTestId('tried').textContent).not.toContain('probe');
});

test('a saved run answers without being opened', async () => {
  const client = await shown('an unfinished run', 'understand', 'try');
  const who = await screen.findByTestId('who-answers');
  fireEvent.change(who, { target: { value: 'saved b' } });
  await choose(image('leaf.png'));
  expect(client.sent.map(({ name }) => name)).not.toContain('openRun');
  expect(client.sent.at(-2)).toMatchObject({ input: { from: { kind: 'saved', id: 'b' } } });
  expect(screen.getByTestId('answered-by').textContent).toBe('leaves, as of step 120');
});

test('the camera is asked for by its button, and a refusal is told in words', async () => {
  const getUserMedia = vi.fn(() => Promise.reject(new DOMException('no', 'NotAllowedError')));
  vi.stubGlobal(
    'navigator',
    Object.assign(Object.create(navigator) as object, { mediaDevices: { getUserMedia } }),
  );
  try {
    await opened();
    expect(getUserMedia).not.toHaveBeenCalled();
    await act(async () => {
      fireEvent.click(button('Use the camera'));
      await settled();
    });
    expect(getUserMedia).toHaveBeenCalledTimes(1);
    expect(screen.getByText(/Allow the camera for this page/)).not.toBeNull();
    expect(button('Use the camera').getAttribute('aria-pressed')).toBe('false');
  } finally {
    vi.unstubAllGlobals();
  }
});
