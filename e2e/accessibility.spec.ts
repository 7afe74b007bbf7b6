// Promise: no accessibility violation in any place, before a run and after it, in both colour
// themes.
import type { Page } from '@playwright/test';
import { expectAccessible } from './accessible.ts';
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

async function expectAccessibleIn(page: Page, ...shown: readonly string[]): Promise<void> {
  for (const place of shown) {
    await go(page, place);
    await expectAccessible(page);
  }
}

test('every place of the start and finished screens have no violation', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6);
  await openApp(page);
  await expectAccessibleIn(page, 'Images', 'Model', 'Train');
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
  await loadRecipe(page, { steps: 12, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expectAccessibleIn(page, 'Train', 'Understand', 'Take home');
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await expectAccessible(page);
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('merged-difference')).toBeVisible();
  await expectAccessible(page);
});
