// @vitest-environment happy-dom
// The code that loads a written format is copied, or the page says that the browser refused.
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { Usage } from './Usage.tsx';

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const card = new Blob(['# m\n\n## Use\n\n```python\nimport timm\n```\n']);

async function copied(clipboard: unknown): Promise<string | null> {
  vi.stubGlobal('navigator', { clipboard });
  render(<Usage card={card} title="timm" />);
  const details = screen.getByRole<HTMLDetailsElement>('group');
  await act(async () => {
    details.open = true;
    fireEvent(details, new Event('toggle'));
    await card.text();
  });
  expect((await screen.findByRole('region', { name: 'Code that loads timm' })).textContent).toBe(
    'import timm',
  );
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name: 'Copy' }));
    await Promise.resolve();
  });
  return screen.getByRole('status').textContent;
}

test('copying is told', async () => {
  const writeText = vi.fn(() => Promise.resolve());
  expect(await copied({ writeText })).toBe('Copied.');
  expect(writeText).toHaveBeenCalledWith('import timm');
});

test('a refusal, or a browser without a clipboard, is told with what to do', async () => {
  expect(await copied({ writeText: () => Promise.reject(new Error('no')) })).toMatch(/by hand/);
  cleanup();
  expect(await copied(undefined)).toMatch(/by hand/);
});
