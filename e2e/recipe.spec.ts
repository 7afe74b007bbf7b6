// Promise: what the recipe form takes, the worker takes. What is wrong is marked where it can be seen; what
// is hidden stops nobody; a recipe file that cannot be used changes nothing.
import { writeFile } from 'node:fs/promises';
import type { Locator, Page } from '@playwright/test';
import { button, expectPhase, go, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

const field = (page: Page, label: string): Locator =>
  page.getByRole('region', { name: 'Recipe' }).getByLabel(label, { exact: true });

test('plain LoRA, with a hidden window that would end before it begins, trains', async ({ page }, info) => {
  await openApp(page);
  await openModel(page, microModel);
  await openPictures(page, await writePictures(info.outputPath('pictures'), 4));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await go(page, 'Train');
  await page.getByRole('radio', { name: 'steps', exact: true }).check();
  await field(page, 'Steps').fill('4');
  await field(page, 'Batch in images').fill('4');
  await page.locator('summary', { hasText: 'Branches' }).click();

  await field(page, 'Branches').selectOption('1');
  await expect(page.getByText('2 branches cannot be left of 1.')).toBeVisible();
  await expect(button(page, 'Start')).toBeDisabled();
  await field(page, 'Drops from in %').fill('50');
  await field(page, 'Drops until in %').fill('10');
  await field(page, 'Branch dropout').selectOption('none');
  await expect(field(page, 'Left at the end')).toHaveCount(0);
  await expect(field(page, 'Drops until in %')).toHaveCount(0);
  await expect(page.getByTestId('branch-map')).toContainText('All of them stay');

  await field(page, 'Learning rate').fill('12');
  await expect(page.getByText('A number above 0 and at most 10 is needed, not "12".')).toBeVisible();
  await expect(button(page, 'Start')).toBeDisabled();
  await field(page, 'Learning rate').fill('0.003');
  await field(page, 'From block').fill('2');
  await expect(page.getByText(/This model has blocks 0 to 1/)).toBeVisible();
  await field(page, 'From block').fill('1');

  await go(page, 'Train');

  await page.getByLabel('Backend').selectOption('wasm');
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('branch-map')).toHaveAttribute('data-live', '6');
});

test('a recipe file that cannot be used is told, and changes nothing', async ({ page }, info) => {
  await openApp(page);
  await go(page, 'Train');
  await field(page, 'Seed').fill('77');
  const path = info.outputPath('recipe.json');
  for (const [text, words] of [
    ['{"seed": 5, "x": []}', /"x".*No recipe has a field of this name/],
    ['{"learningRate": 12}', /"learningRate".*above 0 and at most 10/],
    [`{"seed": 5, "x": ${'['.repeat(50_000)}`, /nested more than 64 deep/],
    [`{"seed": 5, "x": "${'x'.repeat(9_000_000)}"}`, /no file of its kind has more than 8 MB/],
  ] as const) {
    await writeFile(path, text);
    await page.getByTestId('pick-recipe').setInputFiles(path);
    await expect(page.getByTestId('fault')).toContainText(words);
    await expect(field(page, 'Seed')).toHaveValue('77');
  }
  await writeFile(path, '{"seed": 5, "dmlora": {"dropMode": "none", "branches": 1}}');
  await page.getByTestId('pick-recipe').setInputFiles(path);
  await expect(field(page, 'Seed')).toHaveValue('5');
  await expect(page.getByTestId('fault')).toHaveCount(0);
});
