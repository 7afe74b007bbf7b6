// Promise: a GPU that the browser loses in the middle of a run costs nothing: it is prepared again and the run
// goes on. Lost for good, the run is kept, and ends on the processor with what it had learned.
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures, stepsDone } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

test('the GPU process crashes twice in a run', async ({ page, browser, watched }, info) => {
  // What Chromium says of its own crash.
  watched.allowed.push(/GPU|gpu|external Instance/);
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 10));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 4000, batch: 8, seed: 4 }, info.outputPath('recipe.json'));
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('webgpu');
  await button(page, 'Start').click();
  await expectPhase(page, 'training');
  await expect.poll(() => stepsDone(page)).toBeGreaterThan(5);

  const chromium = await browser.newBrowserCDPSession();
  await chromium.send('Browser.crashGpuProcess');
  await expect(page.getByTestId('recovered')).toContainText(/The GPU was lost at step \d+ and came back/);
  await expectPhase(page, 'training');
  const back = await stepsDone(page);
  await expect.poll(() => stepsDone(page)).toBeGreaterThan(back + 3);

  // After the second crash this browser gives no GPU any more (F7).
  await chromium.send('Browser.crashGpuProcess');
  await expectPhase(page, 'failed');
  const fault = page.getByTestId('fault').first();
  await expect(fault).toHaveAttribute('data-kind', 'device-lost');
  await expect(fault).toContainText('The run is kept as it was after');
  await button(page, 'Stop').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('result')).toBeVisible();
});
