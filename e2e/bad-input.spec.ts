// Promise: bad input ends in a sentence that says what to do, and what was open before stays open and can be
// trained.
import { zipSync } from 'fflate';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Page, TestInfo } from '@playwright/test';
import { button, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { png, writePictures } from './pictures.ts';

/** Opens a good model and good images first: what must not be lost. */
async function openGood(page: Page, info: TestInfo): Promise<void> {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('good'), 4));
  await expect(page.getByTestId('data-title')).toHaveText('good');
}

/** The fault is told with what to do, and the good model and images are still there to start with. */
async function expectFaultAndNothingLost(page: Page, kind: string, words: RegExp): Promise<void> {
  const fault = page.getByTestId('fault');
  await expect(fault).toHaveAttribute('data-kind', kind);
  await expect(fault).toContainText(words);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await expect(page.getByTestId('data-title')).toHaveText('good');
  await expect(button(page, 'Start')).toBeEnabled();
}

async function write(path: string, bytes: Uint8Array | string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return path;
}

test('a model without config.json', async ({ page }, info) => {
  await openGood(page, info);
  const folder = info.outputPath('bare');
  await mkdir(folder, { recursive: true });
  await copyFile(join(microModel, 'model.safetensors'), join(folder, 'model.safetensors'));
  await openModel(page, folder);
  await expectFaultAndNothingLost(page, 'bad-file', /Open the config\.json/);
});

test('a pickle', async ({ page }, info) => {
  await openGood(page, info);
  const folder = info.outputPath('pickled');
  await write(join(folder, 'pytorch_model.bin'), Uint8Array.of(0x80, 0x02, 0x7d, 0x71, 0x00, 0x2e));
  await copyFile(join(microModel, 'config.json'), join(folder, 'config.json'));
  await openModel(page, folder);
  await expectFaultAndNothingLost(page, 'bad-file', /does not run pickled code.*safetensors/);
});

test('images of one class only', async ({ page }, info) => {
  await openGood(page, info);
  await openPictures(page, await writePictures(info.outputPath('one'), 4, ['red']));
  await expectFaultAndNothingLost(page, 'bad-dataset', /at least two classes/);
});

test('an empty class beside one other', async ({ page }, info) => {
  await openGood(page, info);
  const folder = await writePictures(info.outputPath('gap'), 4, ['red']);
  await write(join(folder, 'green', 'notes.txt'), 'pictures to come');
  await openPictures(page, folder);
  await expectFaultAndNothingLost(page, 'bad-dataset', /"green" holds no usable image.*at least two classes/);
});

test('an empty class beside several is named, the others are used', async ({ page }, info) => {
  await openGood(page, info);
  const folder = await writePictures(info.outputPath('gaps'), 4, ['red', 'blue']);
  await write(join(folder, 'green', 'notes.txt'), 'pictures to come');
  await openPictures(page, folder);
  await expect(page.getByTestId('data-title')).toHaveText('gaps');
  await expect(page.getByText('"green" holds no usable image')).toBeVisible();
  await expect(button(page, 'Start')).toBeEnabled();
});

test('a zip without folders', async ({ page }, info) => {
  await openGood(page, info);
  const flat = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.png`, png('red', i)]));
  const path = await write(info.outputPath('flat.zip'), zipSync(flat));
  await page.getByTestId('pick-images-zip').setInputFiles(path);
  await expectFaultAndNothingLost(page, 'bad-dataset', /one folder a class/);
});

test('a text file named .jpg is left out by name, the rest is used', async ({ page }, info) => {
  await openGood(page, info);
  const folder = await writePictures(info.outputPath('mixed'), 4);
  await write(join(folder, 'red', 'letter.jpg'), 'Dear Sir or Madam, I am no picture.');
  await openPictures(page, folder);
  await expect(page.getByTestId('data-title')).toHaveText('mixed');
  const rejected = page.getByTestId('rejected');
  await rejected.locator('summary').click();
  await expect(rejected).toContainText('letter.jpg');
  await expect(button(page, 'Start')).toBeEnabled();
});
