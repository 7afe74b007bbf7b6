// Promise: where the browser has no WebGPU adapter the run goes to wasm, and the page says so (G15).
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { quietFlags } from '../scripts/setup/browser-flags.mjs';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

test.use({
  launchOptions: {
    executablePath: process.env['CHROME_PATH'] ?? '',
    args: [...quietFlags, '--disable-gpu'],
  },
});

test('without WebGPU training runs on wasm and the page says so', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6);
  await openApp(page);
  const badge = page.getByTestId('device-badge');
  await expect(badge).toHaveAttribute('data-backend', 'wasm');
  await go(page, 'Train');
  await expect(page.getByTestId('device-notice')).toContainText('is not available here');
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 12, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(badge).toHaveAttribute('data-backend', 'wasm');
  await expect(page.getByTestId('device-notice')).toContainText('wasm');
});
