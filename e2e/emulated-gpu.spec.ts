// Promise: a GPU that the processor emulates is no reason to train a hundred times slower: the automatic
// choice is wasm, and the page says why (G16). By name it is given (train-webgpu.spec.ts).
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

test('on an emulated GPU the automatic choice is wasm', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6);
  await openApp(page);
  await go(page, 'Train');
  await expect(page.getByTestId('device-notice')).toContainText('emulated');
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 6, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('device-badge')).toHaveAttribute('data-backend', 'wasm');
  await expect(page.getByTestId('device-notice')).toContainText('emulated');
});
