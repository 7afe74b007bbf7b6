// The answers that the card about mistakes gives away, read back.
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import papaparse from 'papaparse';
import { button } from './app.ts';

export type Row = Readonly<Record<string, string>>;

export async function answersOf(page: Page, path: string): Promise<Row[]> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    button(page, 'Answers as CSV').click(),
  ]);
  await download.saveAs(path);
  return papaparse.parse<Row>(await readFile(path, 'utf8'), { header: true, skipEmptyLines: true }).data;
}
