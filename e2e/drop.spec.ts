// Promise: a model and images dropped together on the window are told apart and both opened, as files and as folders.
import { zipSync } from 'fflate';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { button, dropPaths, go, openApp } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { png, writePictures } from './pictures.ts';

test('model files and a zip dropped at once', async ({ page }) => {
  const pictures = Object.fromEntries(
    Array.from({ length: 4 }, (_, i) => [
      [`red/${i}.png`, png('red', i)] as const,
      [`blue/${i}.png`, png('blue', 100 + i)] as const,
    ]).flat(),
  );
  const files = [
    { name: 'model.safetensors', bytes: await readFile(join(microModel, 'model.safetensors')) },
    { name: 'config.json', bytes: await readFile(join(microModel, 'config.json')) },
    { name: 'colours.zip', bytes: Buffer.from(zipSync(pictures)) },
  ].map(({ name, bytes }) => ({ name, base64: bytes.toString('base64') }));
  await openApp(page);
  const dropped = await page.evaluateHandle((given) => {
    const transfer = new DataTransfer();
    for (const { name, base64 } of given) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name));
    }
    return transfer;
  }, files);
  for (const type of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent('main', type, { dataTransfer: dropped });
  await expect(page.getByTestId('data-title')).toHaveText('colours');
  await expect(page.getByRole('list', { name: 'Classes' })).toContainText('blue');
  await go(page, 'Model');
  await expect(page.getByText('2 blocks', { exact: true })).toBeVisible();
  await expect(button(page, 'Start')).toBeEnabled();
});

test('folders dropped at once, of a model and of images, are listed by the worker', async ({
  page,
}, info) => {
  const folder = await writePictures(info.outputPath('colours'), 4, ['red', 'blue']);
  const more = await writePictures(info.outputPath('more'), 4, ['green']);
  for (const name of ['model.safetensors', 'config.json'])
    await copyFile(join(microModel, name), join(folder, name));
  await openApp(page);
  await dropPaths(page, folder, more);
  await expect(page.getByTestId('data-title')).toHaveText('12 files');
  await expect(page.getByRole('list', { name: 'Classes' })).toContainText(/blue.*green.*red/);
  await go(page, 'Model');
  await expect(page.getByText('2 blocks', { exact: true })).toBeVisible();
  await expect(button(page, 'Start')).toBeEnabled();
});
