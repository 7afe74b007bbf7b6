// Promise: images that are dropped are put right in the app, looked at as a step will see them, and trained on as
// they were put right, over a reload too.
import {
  button,
  dropPaths,
  expectPhase,
  go,
  loadRecipe,
  openApp,
  openModel,
  openPictures,
  singleStep,
  startWithStep,
} from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

test('drop, relabel, undo, redo, preview, train, reload, continue', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6, ['red', 'blue']);
  await openApp(page);
  await openModel(page, microModel);
  await dropPaths(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await page.getByRole('link', { name: 'Look through all of them' }).click();
  const images = page.getByRole('listbox', { name: 'Images' }).getByRole('option');
  await expect(images).toHaveCount(12);
  await expect(images.first().locator('img')).toBeVisible();
  await images.first().click();
  await images.nth(2).click({ modifiers: ['Shift'] });
  await expect(page.getByTestId('selected')).toHaveText('3 selected');
  await page.getByLabel('Class for the selected images').fill('violet');
  await button(page, 'Relabel').click();
  await expect(page.getByText('12 images in 3 classes')).toBeVisible();
  await images.first().press('Control+z');
  await expect(page.getByText('12 images in 2 classes')).toBeVisible();
  await button(page, 'Redo: relabel 3 images as “violet”').click();
  await expect(images.nth(2)).toHaveAccessibleName(/violet.*edited/);

  await loadRecipe(page, { steps: 150, batch: 4 }, info.outputPath('recipe.json'));
  await button(page, 'Show the first step').click();
  const seen = page.getByTestId('viewed-step');
  await expect(seen).toContainText('Step 1 of 150: 4 images');
  const batch = page.getByRole('list', { name: 'Images of the step' }).getByRole('listitem');
  await expect(batch).toHaveCount(4);
  for (const one of await batch.all()) await expect(one).toContainText(/red|blue|violet/);
  await startWithStep(page);
  await singleStep(page);
  await singleStep(page);
  await page.reload();
  await go(page, 'Take home');
  await page
    .getByTestId('run')
    .getByRole('button', { name: /^Continue/ })
    .click();
  await expectPhase(page, 'finished');
  await go(page, 'Images');
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await expect(page.getByRole('list', { name: 'Classes' })).toContainText('violet');
  await openPictures(page, pictures);
  await expect(page.getByTestId('own-edits')).toContainText('1 change of yours holds');
  await expect(page.getByRole('list', { name: 'Classes' })).toContainText('violet');
});
