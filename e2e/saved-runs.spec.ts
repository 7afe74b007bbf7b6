// Promise: a run survives a reload, and its file another browser: gone on with, it leaves what it leaves
// undisturbed, bit for bit. What is kept is listed, named, deleted and brought back, and can all be removed.
import { readFile } from 'node:fs/promises';
import type { Page } from '@playwright/test';
import {
  button,
  expectPhase,
  go,
  loadRecipe,
  openApp,
  openModel,
  openPictures,
  singleStep,
  startWithStep,
  stepsDone,
} from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

// Drops on the way, stage 2 from step 120.
const recipe = { steps: 150, batch: 4, seed: 6, augment: 'crop+flip' };

// Three runs and their exports, on whatever machine this is.
test.describe.configure({ timeout: 900_000 });

async function prepare(page: Page, pictures: string, recipePath: string): Promise<void> {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, recipe, recipePath);
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
}

/** What an ended run leaves: every step and validation but for its speed, and the merged weights. */
async function leavings(page: Page, folder: string): Promise<string[]> {
  await expectPhase(page, 'finished');
  await go(page, 'Train');
  await expect(page.getByTestId('result')).toBeVisible();
  const csv = await saved(page, () => button(page, 'CSV').click(), `${folder}.csv`);
  const rows = csv
    .toString()
    .split('\n')
    .map((row) => row.split(',').filter((_, column) => column !== 5));
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  await page.getByTestId('export-hf').getByText('6 files').click();
  const weights = await saved(
    page,
    () => page.getByRole('button', { name: 'Download hf/model.safetensors' }).click(),
    `${folder}.safetensors`,
  );
  await page.keyboard.press('Escape');
  return [JSON.stringify(rows), weights.toString('base64')];
}

async function saved(page: Page, click: () => Promise<void>, path: string): Promise<Buffer> {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  await download.saveAs(path);
  return readFile(path);
}

async function pausedAfterSteps(page: Page, steps: number): Promise<void> {
  await startWithStep(page);
  while ((await stepsDone(page)) < steps) await singleStep(page);
  await expect(page.getByTestId('saved')).toHaveAttribute('data-step', String(await stepsDone(page)));
}

test('a run goes on after a reload, and from its file in another browser, as if nothing had been', async ({
  page,
  browser,
}, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 8);
  const recipePath = info.outputPath('recipe.json');
  await prepare(page, pictures, recipePath);
  await button(page, 'Start').click();
  const undisturbed = await leavings(page, info.outputPath('undisturbed'));

  await page.reload();
  await prepare(page, pictures, recipePath);
  await pausedAfterSteps(page, 5);
  const at = await stepsDone(page);
  // The folder is not opened again: pixels, labels and weights were kept.
  await page.reload();
  const unfinished = page.getByTestId('unfinished');
  await expect(unfinished).toHaveAttribute('data-step', String(at));
  const file = info.outputPath('run.safetensors');
  await go(page, 'Take home');
  await saved(
    page,
    () =>
      page
        .getByRole('button', { name: /^Save pictures on micro_vit_hf as file/ })
        .first()
        .click(),
    file,
  );
  await unfinished.getByRole('button').click();
  expect(await leavings(page, info.outputPath('reloaded'))).toEqual(undisturbed);
  await go(page, 'Train');
  await expect(page.getByTestId('run-notes')).toHaveCount(0);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await expect(page.getByTestId('data-title')).toHaveText('pictures');

  // Elsewhere neither the model nor the images are there: it says so, one after the other.
  const other = await browser.newContext();
  const elsewhere = await other.newPage();
  await openApp(elsewhere);
  await go(elsewhere, 'Take home');
  await elsewhere.getByTestId('pick-run').setInputFiles(file);
  const waiting = elsewhere.getByTestId('unfinished');
  await expect(waiting).toHaveAttribute('data-step', String(at));
  await waiting.getByRole('button').click();
  await expect(elsewhere.getByText('This run needs its model again').first()).toBeVisible();
  await openModel(elsewhere, microModel);
  await expect(elsewhere.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await waiting.getByRole('button').click();
  await expect(elsewhere.getByText('This run needs its images again').first()).toBeVisible();
  await openPictures(elsewhere, pictures);
  await expect(elsewhere.getByTestId('data-title')).toHaveText('pictures');
  await waiting.getByRole('button').click();
  expect(await leavings(elsewhere, info.outputPath('elsewhere'))).toEqual(undisturbed);
  await other.close();
});

test('runs are listed, opened, exported, renamed, deleted, brought back, and all removed', async ({
  page,
}, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 8);
  await prepare(page, pictures, info.outputPath('recipe.json'));
  await pausedAfterSteps(page, 3);
  const run = page.getByTestId('run');
  await page.reload();
  await go(page, 'Take home');
  await expect(run).toHaveCount(1);
  await expect(run).toHaveAttribute('data-finished', 'false');

  await run.getByRole('button', { name: /^Rename/ }).click();
  await page.getByLabel('Name of the run').fill('<b>mine</b>');
  await button(page, 'Keep this name').click();
  await expect(page.getByTestId('unfinished')).toContainText('Continue <b>mine</b> at step');

  // Exported as it is, it stays as it was saved.
  const at = await run.getAttribute('data-step');
  await button(page, 'Export <b>mine</b> as it is').click();
  await leavings(page, info.outputPath('as-it-is'));
  await page.reload();
  await go(page, 'Take home');
  await expect(run).toHaveAttribute('data-step', at ?? '');
  await expect(run).toHaveAttribute('data-finished', 'false');

  await button(page, 'Delete <b>mine</b>').click();
  await expect(page.getByTestId('deleted-run')).toHaveCount(1);
  await expect(page.getByTestId('unfinished')).toHaveCount(0);
  await button(page, 'Bring <b>mine</b> back').click();
  await expect(run).toHaveCount(1);

  await button(page, 'Continue <b>mine</b>').click();
  await expectPhase(page, 'finished');
  await page.reload();
  await go(page, 'Take home');
  await expect(run).toHaveAttribute('data-finished', 'true');
  await expect(page.getByTestId('unfinished')).toHaveCount(0);
  await button(page, 'Open <b>mine</b>').click();
  await leavings(page, info.outputPath('opened'));

  expect(Number(await page.getByTestId('stored').getAttribute('data-bytes'))).toBeGreaterThan(1000);
  await page.reload();
  await go(page, 'Take home');
  await expect(run).toHaveCount(1);
  await button(page, 'Remove everything').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove everything' }).click();
  await expect(run).toHaveCount(0);
  const left = await page.evaluate(async () => {
    const names: string[] = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
    return names;
  });
  expect(left.filter((name) => ['runs', 'kept-models', 'models'].includes(name))).toEqual([]);
});

test('a run that cannot be saved goes on, and says so', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 8);
  await prepare(page, pictures, info.outputPath('recipe.json'));
  const session = await page.context().newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(page.url()).origin, quotaSize: 1 });
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('not-saved')).toContainText('too little room');
  await expect(page.getByTestId('result')).toBeVisible();
});
