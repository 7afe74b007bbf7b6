// A cell that a spreadsheet would compute is text, whatever stands in it; everything else is what it was.
import { expect, test } from 'vitest';
import { csvOf } from './csv.ts';

const cellOf = async (value: string): Promise<string> =>
  (await csvOf(['image'], [[value]]).text()).slice('image\n'.length).trimEnd();

test.each(['=1+1', '+1', '-1', '@a', '\t=1', '=1+1\nmore', '\n=1'])('%j is text', async (value) => {
  expect((await cellOf(value)).replace(/^"/, '').startsWith("'")).toBe(true);
});

test.each(['leaf.png', 'a=b', '1-2'])('%j stays as it is', async (value) => {
  expect(await cellOf(value)).toBe(value);
});

test('numbers stay numbers', async () => {
  expect(await csvOf(['a', 'b'], [[-1.5, 2]]).text()).toBe('a,b\n-1.5,2\n');
});
