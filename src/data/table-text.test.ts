// Texts of tables in the encodings that programs write, whole and damaged.
import { expect, test } from 'vitest';
import { tableText } from './table-text.ts';

const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
/** Letters up to U+00FF, a byte each, as Windows-1252 has them. */
const latin = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));
const read = (bytes: readonly number[], isXml = false) => tableText(Uint8Array.from(bytes), isXml);

test('UTF-8 with a letter that is damaged stays UTF-8, and says where', async () => {
  const rows = utf8('file,label\n0.png,crème brûlée\n1.png,naïve café\n2.png,');
  const { text, notes } = await read([...rows, 0x63, 0x61, 0x66, 0xe9, 0x0a]);
  expect(text).toContain('0.png,crème brûlée\n1.png,naïve café\n2.png,caf\ufffd');
  expect(notes).toEqual([expect.stringContaining('damaged, as in "caf\ufffd"')]);
});

test('UTF-8 that is cut off within a letter stays UTF-8', async () => {
  const rows = utf8('file,label\n0.png,crème brûlée\n1.png,naïve café');
  const { text } = await read(rows.slice(0, -1));
  expect(text).toContain('0.png,crème brûlée\n1.png,naïve caf\ufffd');
});

test('what is hardly UTF-8 anywhere is read in another encoding, and says so', async () => {
  const { text, notes } = await read(latin('file,label\n0.png,pâte\n1.png,pêche\n2.png,crème brûlée\n'));
  expect(text).toContain('1.png,pêche');
  expect(notes).toEqual([expect.stringContaining('is not UTF-8 and is read as')]);
});

test('the encoding that XML declares is taken, without a word', async () => {
  const xml = '<?xml version="1.0" encoding="ISO-8859-1"?><annotation><object><name>blåbær</name></object>';
  expect(await read(latin(xml), true)).toEqual({ text: xml, notes: [] });
});

test('XML that declares none is read alike in every file, with one word for all', async () => {
  const texts = ['blåbær', 'jordbær, müsli', 'é'].map((name) => `<annotation><name>${name}</name>`);
  const told = await Promise.all(texts.map((text) => read(latin(text), true)));
  expect(told.map(({ text }) => text)).toEqual(texts);
  expect(new Set(told.flatMap(({ notes }) => notes)).size).toBe(1);
});
