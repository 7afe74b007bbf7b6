// Promise: Stop works from the click on Start on. Before the first step it leaves everything as it was: what
// is open, and an earlier result with its way out.
import type { Page } from '@playwright/test';
import { button, expectPhase, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

/** Presses Start, and Stop as soon as it can be: within a frame, long before there is a first step. */
const startAndStop = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    const named = (name: string): HTMLButtonElement | undefined =>
      [...document.querySelectorAll('button')].find((one) => one.textContent.trim() === name);
    named('Start')?.click();
    while (named('Stop')?.disabled !== false) await new Promise((resolve) => setTimeout(resolve));
    named('Stop')?.click();
  });

test('a start that is stopped leaves all as it was, an earlier result too', async ({ page }, info) => {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 6));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 4, batch: 8 }, info.outputPath('recipe.json'));
  await startAndStop(page);
  await expect(button(page, 'Start')).toBeEnabled();
  await expectPhase(page, 'idle');

  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  // Once it is saved another start replaces it without a question.
  await expect(page.getByTestId('saved')).toHaveAttribute('data-step', '4');
  const accuracy = page.getByTestId('result');
  const before = await accuracy.textContent();
  await loadRecipe(page, { steps: 6, batch: 8 }, info.outputPath('recipe.json'));
  await startAndStop(page);
  await expect(button(page, 'Start')).toBeEnabled();
  await expect(page.getByTestId('saved')).toHaveAttribute('data-step', '4');
  await expect(accuracy).toHaveText(before ?? '');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('export-hf')).toHaveAttribute('data-offered', 'true');
});
