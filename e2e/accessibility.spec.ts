// Promise: no serious accessibility violation on the start screen and on the finished one, in both colour
// themes.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { button, expectPhase, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    const told = serious.map(
      ({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' ')}`,
    );
    expect(told).toEqual([]);
  }
}

test('start and finished screens have no serious violation', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6);
  await openApp(page);
  await expectAccessible(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await page.getByLabel('Backend').selectOption('wasm');
  await loadRecipe(page, { steps: 12, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await button(page, 'Merge & export').click();
  await expectAccessible(page);
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('merged-difference')).toBeVisible();
  await expectAccessible(page);
});
