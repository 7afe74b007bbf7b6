// JSON that is too large or too deep is refused with a sentence before anything parses it.
import { expect, test, vi } from 'vitest';
import { jsonTextOf, parseJsonText } from './json-text.ts';

const nested = (depth: number, [open, close] = ['[', ']']): string =>
  open.repeat(depth) + close.repeat(depth);

test('text that a file may hold is parsed as it is', () => {
  for (const value of [null, 3, 'x', [], { a: [{ b: '\\"[[[[' }] }])
    expect(parseJsonText(JSON.stringify(value))).toEqual({ ok: true, value });
  expect(parseJsonText(nested(64)).ok).toBe(true);
  // Brackets in a string are none.
  expect(parseJsonText(JSON.stringify({ text: `"\\${'['.repeat(100_000)}` })).ok).toBe(true);
});

test.each([
  ['brackets', nested(65)],
  ['a thousand brackets', nested(1000)],
  ['brackets without an end', '['.repeat(4_000_000)],
  ['objects', `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`],
])('%s are refused before they are parsed', (_, text) => {
  const parse = vi.spyOn(JSON, 'parse');
  const read = parseJsonText(text);
  expect(parse).not.toHaveBeenCalled();
  parse.mockRestore();
  expect(read.ok ? '' : read.fault).toContain('nested more than 64 deep');
});

test('a file that is too large is not even read', async () => {
  const file = new Blob([new Uint8Array(1)]);
  Object.defineProperty(file, 'size', { value: 8_000_001 });
  const text = vi.spyOn(file, 'text');
  const read = await jsonTextOf(file);
  expect(read.ok ? '' : read.fault).toContain('8 MB');
  expect(text).not.toHaveBeenCalled();
  expect(parseJsonText(' '.repeat(8_000_001)).ok).toBe(false);
});

test('what is no JSON is said to be none', () => {
  const read = parseJsonText('seed: 1');
  expect(read.ok ? '' : read.fault).toMatch(/^It is not JSON: .*\.$/);
});
