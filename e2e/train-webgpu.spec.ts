// Promise: in a real browser over WebGPU a user loads a model and images, trains past a drop into stage 2,
// pauses, steps, resumes, and takes the merged model home. Nothing leaves the page's own origin on the way
// (graft-test.ts).
import { join } from 'node:path';
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
import { classNames, writePictures } from './pictures.ts';
import { tensorsOf } from './safetensors.ts';

test('load, train by steps, resume, export, read back', async ({ page, watched }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 10);
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await expect(page.getByRole('list', { name: 'Classes' }).getByRole('listitem')).toHaveCount(
    classNames.length,
  );
  // Drops at steps 3 and 190 of 2 blocks with q and v, stage 2 from step 260.
  const dmlora = { targets: 'qv', dropWindow: [0.01, 0.633], stage2: 0.866 };
  await loadRecipe(page, { steps: 300, batch: 8, seed: 4, dmlora }, info.outputPath('recipe.json'));
  // An emulated GPU is taken only when it is asked for.
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('webgpu');

  await startWithStep(page);
  const badge = page.getByTestId('device-badge');
  await expect(badge).toHaveAttribute('data-backend', 'webgpu');
  await expect(badge).toContainText('software');
  await expect(badge).toHaveAttribute('title', /engine kernels/);

  const map = page.getByTestId('branch-map');
  await expect(map).toHaveAttribute('data-live', '16');
  const before = await stepsDone(page);
  for (let i = 1; i <= 3; i++) {
    await singleStep(page);
    expect(await stepsDone(page)).toBe(before + i);
  }
  await expect(map).toHaveAttribute('data-dropped', '4');
  await button(page, 'Resume').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('step')).toHaveAttribute('data-step', '300');
  // At the end the map shows the result: the best validated state.
  const kept = Number(await page.getByTestId('kept').getAttribute('data-step'));
  const dropped = kept <= 3 ? 0 : kept <= 190 ? 4 : 8;
  await expect(map).toHaveAttribute('data-dropped', String(dropped));
  await expect(map).toHaveAttribute('data-live', String(16 - dropped));

  await go(page, 'Take home');

  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  const difference = page.getByTestId('merged-difference');
  await expect(difference).toBeVisible();
  expect(Number(await difference.getAttribute('data-value'))).toBeLessThan(1e-4);
  await page.getByTestId('export-hf').getByText('6 files').click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download hf/model.safetensors' }).click(),
  ]);
  const saved = info.outputPath('model.safetensors');
  await download.saveAs(saved);
  const source = await tensorsOf(join(microModel, 'model.safetensors'));
  expect(Object.keys(await tensorsOf(saved))).toEqual(Object.keys(source));
  expect(watched.requests.length).toBeGreaterThan(3);
});
