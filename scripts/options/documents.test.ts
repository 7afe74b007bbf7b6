// The table of options in README.md and in continue.py is that of src/recipe/options.ts.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { root } from '../setup/paths.mjs';
import { parts, written } from './documents.ts';

test.each(parts)('$file says what the table says; if not, run `npm run options`', async (part) => {
  const text = await readFile(root + part.file, 'utf8');
  expect(text).toBe(written(text, part));
});

test('a file without a place for it is no success', () => {
  for (const part of parts) expect(() => written('nothing', part)).toThrow(part.file);
});
