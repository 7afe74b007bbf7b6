// Promise: the result of a run, also of one that is opened again, answers images that it never saw as it
// answers its own, beside the linear probe; what was open stays open; the camera is off until its button is
// pressed.
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { softwareWebgpuFlags } from '../scripts/setup/browser-flags.mjs';
import { expectAccessible } from './accessible.ts';
import { button, expectPhase, go, goToView, openApp, openSmall } from './app.ts';
import { expect, test } from './graft-test.ts';
import { answersOf } from './understand-csv.ts';
import { classNames } from './pictures.ts';

const executablePath = process.env['CHROME_PATH'] ?? '';
test.use({
  launchOptions: {
    executablePath,
    args: [...softwareWebgpuFlags, '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
  },
});

/** What the page says of the one image that was tried: probability by class. */
async function triedClasses(page: Page): Promise<Map<string, number>> {
  const shown = await page.getByTestId('tried-class').all();
  const pairs = shown.map(async (one): Promise<[string, number]> => [
    (await one.getAttribute('data-class')) ?? '',
    Number(await one.getAttribute('data-p')),
  ]);
  return new Map(await Promise.all(pairs));
}

test('an image gets the answer that it has in its set, and nothing that is open changes', async ({
  page,
}, info) => {
  await openSmall(page, info, { steps: 3, batch: 8 });
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await goToView(page, 'What it gets wrong');
  await button(page, 'Look at its answers').click();
  const rows = await answersOf(page, info.outputPath('answers.csv'));
  const [row] = rows;
  const path = row?.['image'] ?? '';
  const file = join(info.outputPath(), path);
  await goToView(page, 'Try it');
  await page.getByTestId('try-files').setInputFiles(file);
  await expect(page.getByTestId('tried-class').first()).toBeVisible();
  const tried = await triedClasses(page);
  for (const name of classNames) expect(tried.get(name)).toBeCloseTo(Number(row?.[`p(${name})`]), 6);
  await expectAccessible(page);
  const took = Number(await page.getByTestId('tried').getAttribute('data-ms'));
  info.annotations.push({ type: 'latency', description: `${took} ms` });

  await page.getByTestId('try-folder').setInputFiles(join(info.outputPath(), path, '..'));
  await expect(page.getByTestId('tried-table').getByRole('row')).toHaveCount(7);
  await expectAccessible(page);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');

  await button(page, 'Use the camera').click();
  await expect(page.getByLabel('What the camera sees')).toBeVisible();
  await expect(page.getByTestId('tried-class').first()).toBeVisible();
  await button(page, 'Stop the camera').click();
  await expect(page.getByLabel('What the camera sees')).toHaveCount(0);
  await expectPhase(page, 'finished');

  // The run that was saved is opened in a new visit, and answers the same.
  await go(page, 'Take home');
  await expect(page.getByTestId('run').first()).toHaveAttribute('data-finished', 'true');
  await openApp(page);
  await go(page, 'Take home');
  await page
    .getByTestId('run')
    .getByRole('button', { name: /^Open / })
    .click();
  await expectPhase(page, 'finished');
  await goToView(page, 'Try it');
  await page.getByTestId('try-files').setInputFiles(file);
  await expect(page.getByTestId('tried-class').first()).toBeVisible();
  const again = await triedClasses(page);
  for (const [name, share] of tried) expect(again.get(name)).toBeCloseTo(share, 6);
});
