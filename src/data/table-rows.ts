// Rows of tables beside images, from the text of a file: JSON, JSON Lines, lists of paths and classes, CSV
// (csv-rows.ts). Text in, rows of columns out; knows nothing of what a column means.
import { parseJsonText } from '../shared/json-text.ts';
import type { Result } from '../shared/result.ts';
import { csvRows } from './csv-rows.ts';
import { promisedFormat } from './file-path.ts';
import { isFileName, noRows, type BadRow, type ReadRows, type Row } from './table-file.ts';

/**
 * The rows of a text by the ending of its file.
 *
 * @param isImage whether a value names an image, so that its line is no header.
 * @param isTitle whether a value is the title of a column of classes, so that its line is one.
 */
export function rowsOf(
  text: string,
  extension: string,
  isImage: (value: string) => boolean,
  isTitle: (value: string) => boolean,
): ReadRows {
  switch (extension) {
    case 'jsonl':
    case 'ndjson':
      return jsonLines(text);
    case 'json':
      return jsonRows(text);
    case 'txt':
      return listRows(text);
    default:
      return csvRows(text, { isTabbed: extension === 'tsv', isImage, isTitle });
  }
}

/** Lines of a path and a class with white space or commas between, as lists of ImageNet are. */
function listRows(text: string): ReadRows {
  const rows: Row[] = [];
  const bad: BadRow[] = [];
  let row = 0;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    row += 1;
    const parts = pathAndClass(line.trim());
    if (line.startsWith('#') && !isFileName(parts?.[0] ?? '')) continue;
    if (parts !== null)
      rows.push(
        new Map([
          ['1', parts[0]],
          ['2', parts[1]],
        ]),
      );
    else bad.push({ where: `row ${row}`, values: [line], why: 'it is no path with a class' });
  }
  return { ...noRows, rows, bad };
}

/** A line after the ending of its file, where the class may have several words, or before its last word. */
function pathAndClass(line: string): [path: string, label: string] | null {
  for (const { index, 0: dot, 1: ending = '' } of line.matchAll(/\.(\w{2,5})[\s,;]+/g))
    if (promisedFormat(ending.toLowerCase()) !== null)
      return [line.slice(0, index + 1 + ending.length), line.slice(index + dot.length)];
  const isBetween = (i: number): boolean => /[\s,;]/.test(line.charAt(i));
  let begin = line.length;
  while (begin > 0 && !isBetween(begin - 1)) begin -= 1;
  let end = begin;
  while (end > 0 && isBetween(end - 1)) end -= 1;
  return end === 0 || begin === line.length ? null : [line.slice(0, end), line.slice(begin)];
}

/** JSON as Python writes it too: with numbers that are none. */
export function looseJson(text: string): Result<unknown, string> {
  const read = parseJsonText(text, text.length); // tables have a limit of their own
  if (read.ok || !/NaN|Infinity/.test(text)) return read;
  const plain = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:NaN|Infinity)\b/g, (found) =>
    found.startsWith('"') ? found : 'null',
  );
  return parseJsonText(plain, plain.length);
}

/** Rows of a list of objects, or of one object that gives a class for each name of a file. */
function jsonRows(text: string): ReadRows {
  const read = looseJson(text);
  if (!read.ok) {
    const isTable = /"annotations"\s*:|\.(?:png|jpe?g|gif|bmp|tiff?|webp|avif|heic)"/i.test(text);
    return { ...noRows, why: isTable ? `is damaged or cut off, and not read: ${read.fault}` : null };
  }
  const json = read.value;
  if (Array.isArray(json)) return { ...noRows, rows: json.flatMap((row: unknown) => plainRows(row)) };
  const entries = [...(plainRows(json)[0] ?? [])];
  const rows = entries.every(([name]) => isFileName(name))
    ? entries.map(([file, label]) => new Map(Object.entries({ file, label })))
    : [];
  return { ...noRows, rows };
}

/** Objects of text, one a line. */
function jsonLines(text: string): ReadRows {
  const rows: Row[] = [];
  const bad: BadRow[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const read = looseJson(i === 0 ? line.replace(/^\ufeff/, '') : line);
    const own = read.ok ? plainRows(read.value) : [];
    rows.push(...own);
    if (own.length > 0) return;
    const values = [...line.slice(0, 2000).matchAll(/"([^"\\]+)"/g)].map(([, value = '']) => value);
    bad.push({ where: `row ${i + 1}`, values, why: read.ok ? 'it is no object' : 'it is no whole JSON' });
  });
  const why = rows.length > 0 || bad.length === 0 ? null : 'has no line that is an object of JSON.';
  return { ...noRows, rows, bad, why };
}

/**
 * An object as a row, lists of one value as that, other values that are no plain ones left out; none for
 * others.
 */
function plainRows(row: unknown): Row[] {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return [];
  const plain = Object.entries(row).flatMap(([column, held]: [string, unknown]) => {
    const value: unknown = Array.isArray(held) && held.length === 1 ? held[0] : held;
    return ['string', 'number', 'boolean'].includes(typeof value) ? [[column, String(value)] as const] : [];
  });
  return [new Map(plain)];
}
