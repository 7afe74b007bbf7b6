// Promise: one tab trains, the others say so and show how far it is; when it has ended, or its tab has, they may.
import type { Page, TestInfo } from '@playwright/test';
import { button, expectPhase, loadRecipe, openApp, openModel, openPictures, stepsDone } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

/** A small model and images, and a run that is not over before the test is. */
async function openSmall(page: Page, info: TestInfo): Promise<void> {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 6));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 50_000, batch: 8 }, info.outputPath('recipe.json'));
}

test('of two tabs one trains and the other watches, until the first is over or gone', async ({
  page,
  context,
}, info) => {
  await openSmall(page, info);
  const other = await context.newPage();
  await openSmall(other, info);
  await expect(button(other, 'Start')).toBeEnabled();

  await button(page, 'Start').click();
  await expectPhase(page, 'training');
  const watched = other.getByTestId('other-tab');
  await expect(watched).toHaveAttribute('data-phase', 'training');
  await expect.poll(async () => Number(await watched.getAttribute('data-step'))).toBeGreaterThan(0);
  await expect(button(other, 'Start')).toBeDisabled();
  await expect(other.getByTestId('status')).toContainText('Another tab of Graft is training');

  await button(page, 'Stop').click();
  await expectPhase(page, 'finished');
  await expect(watched).toHaveCount(0);
  await button(other, 'Start').click();
  await expectPhase(other, 'training');
  // The first watches now; the second's tab ends without a word.
  await expect(page.getByTestId('other-tab')).toBeVisible();
  await expect(button(page, 'Start')).toBeDisabled();
  await expect.poll(() => stepsDone(other)).toBeGreaterThan(0);
  await other.close();
  await expect(page.getByTestId('other-tab')).toHaveCount(0);
  await expect(button(page, 'Start')).toBeEnabled();
});
