// Promise: every way out is chosen in one dialogue, proved before it is offered, and leaves as one zip with a
// folder for each format that holds its card, its record and its script.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { classNames, writePictures } from './pictures.ts';

test('formats are written, proved and zipped', async ({ page }, info) => {
  const pictures = await writePictures(info.outputPath('pictures'), 6);
  // A GIF of 32 x 32 pixels that has none: it passes for an image until it is decoded.
  const hollow = 'GIF89a\x20\0\x20\0\0\0\0\x2c\0\0\0\0\x20\0\x20\0\0\x02\0;';
  await writeFile(join(pictures, 'red', 'hollow.gif'), Buffer.from(hollow, 'latin1'));
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, pictures);
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await expect(page.getByText('pictures: 19 images in 3 classes')).toBeVisible();
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
  await loadRecipe(page, { steps: 12, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');

  const dialog = page.getByRole('dialog', { name: 'Export' });
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await expect(dialog).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(button(page, 'Merge & export')).toBeFocused();
  await page.keyboard.press('Enter');

  const formats = dialog.getByRole('group', { name: 'Formats' }).getByRole('checkbox');
  await expect(formats).toHaveCount(6);
  await formats.first().uncheck();
  await expect(button(page, 'Write and prove')).toBeDisabled();
  for (const format of await formats.all()) await format.check();
  await dialog.getByRole('radio', { name: 'Names of transformers 5' }).check();
  await button(page, 'Write and prove').click();
  for (const format of ['hf-v5', 'timm', 'peft', 'onnx']) {
    const result = page.getByTestId(`export-${format}`);
    await expect(result).toHaveAttribute('data-offered', 'true', { timeout: 120_000 });
    const difference = await result.getByTestId('merged-difference').getAttribute('data-value');
    expect(Number(difference)).toBeLessThan(1e-4);
    await expect(result).toContainText('the same answers on 3 of 3');
  }
  const shared = 'Read back: the same weights as Hugging Face, names of transformers 5, bit for bit';
  for (const format of ['timm', 'onnx'])
    await expect(page.getByTestId(`export-${format}`)).toContainText(shared);
  await expect(page.getByTestId('export-peft')).toContainText(
    'Read back and compared on 3 validation images',
  );
  // Fewer bits are offered where the first answers stay, and refused in words where they do not.
  const fewBits = { 'onnx-q8': 'onnx/model_quantized.onnx', 'onnx-q4': 'onnx/model_q4.onnx' };
  const offered: [string, string[]][] = [];
  for (const [format, file] of Object.entries(fewBits)) {
    const result = page.getByTestId(`export-${format}`);
    await expect(result).toHaveAttribute('data-offered', /true|false/, { timeout: 120_000 });
    if ((await result.getAttribute('data-offered')) === 'true')
      offered.push([format, ['config.json', file, 'pixels.mjs', 'preprocessor_config.json']]);
    else await expect(result).toContainText(/answer|largest/);
  }

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    button(page, 'Download all as a zip').click(),
  ]);
  const saved = info.outputPath('export.zip');
  await download.saveAs(saved);
  const files = unzipSync(new Uint8Array(await readFile(saved)));
  const text = (name: string): string => new TextDecoder().decode(files[name]);
  const documents = ['README.md', 'continue.py', 'run.json'];
  const weights = {
    'hf-v5': ['config.json', 'model.safetensors', 'preprocessor_config.json'],
    timm: ['config.json', 'model.safetensors'],
    peft: ['adapter_config.json', 'adapter_model.safetensors'],
    onnx: ['config.json', 'onnx/model.onnx', 'pixels.mjs', 'preprocessor_config.json'],
  };
  const expected = [...Object.entries(weights), ...offered].flatMap(([format, names]) =>
    [...names, ...documents].map((name) => `${format}/${name}`),
  );
  expect(Object.keys(files).sort()).toEqual(expected.sort());
  expect(text('hf-v5/model.safetensors')).toContain('vit.layers.1.attention.q_proj.weight');
  expect(text('peft/README.md')).toContain('library_name: peft');
  const run = JSON.parse(text('onnx/run.json')) as Record<string, Record<string, unknown>>;
  expect(run['data']!['classes']).toEqual(classNames);
  // Every picture that was used, and no other.
  const { train, validation, test: kept } = run['data'] as Record<string, unknown[]>;
  expect([train, validation, kept].map((list) => list?.length)).toEqual([15, 3, 0]);
  expect(run['export']).toMatchObject({ format: 'onnx', dtype: 'float32' });

  // Another choice is another export: what was written for the former one is gone.
  await dialog.getByRole('radio', { name: 'float16', exact: true }).check();
  await expect(page.getByTestId('export-timm')).toBeHidden();
  await expect(button(page, 'Write and prove')).toBeEnabled();
});
