// Promise: an image is decoded once. Before Start, while it is looked at; not at Start, not at a second Start
// and not after a reload; and what is kept can be deleted. Opening can be cancelled, and what was open stays.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { button, expectPhase, go, loadRecipe, openApp, openModel, openPictures } from './app.ts';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

const prepared = (page: Page) => page.getByTestId('prepared');

/**
 * All are ready, and none was decoded for it, or any number: preparing may begin anew while images and model
 * are opened, and finds then what it has decoded before.
 */
async function expectPrepared(page: Page, images: number, decoded: 'none' | 'any'): Promise<void> {
  await go(page, 'Images');
  await expect(prepared(page)).toHaveAttribute('data-ready', String(images));
  await expect(prepared(page)).toHaveAttribute('data-total', String(images));
  if (decoded === 'none') await expect(prepared(page)).toHaveAttribute('data-decoded', '0');
}

test('images are decoded once', async ({ page }, info) => {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByText('2 blocks', { exact: true })).toBeVisible();
  const folder = await writePictures(info.outputPath('colours'), 8);
  await openPictures(page, folder);
  await expect(page.getByTestId('data-title')).toHaveText('colours');
  await expectPrepared(page, 24, 'any');

  await loadRecipe(page, { steps: 2 }, info.outputPath('recipe.json'));
  for (let run = 0; run < 2; run++) {
    await button(page, 'Start').click();
    await expectPhase(page, 'finished');
    await expectPrepared(page, 24, 'none');
  }

  await page.reload();
  await expect(page.getByTestId('model-title')).toBeVisible();
  await openModel(page, microModel);
  await expect(page.getByText('2 blocks', { exact: true })).toBeVisible();
  await openPictures(page, folder);
  await expect(page.getByTestId('data-title')).toHaveText('colours');
  await expectPrepared(page, 24, 'none');

  await page.getByTestId('stored-pixels').locator('summary').click();
  await button(page, 'Delete prepared images').click();
  await expect(page.getByTestId('stored-pixels')).toHaveCount(0);
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expectPrepared(page, 24, 'any');
});

test('opening many files can be cancelled and leaves the former images open', async ({ page }, info) => {
  await openApp(page);
  const title = await page.getByTestId('data-title').textContent();
  const folder = info.outputPath('many');
  await mkdir(folder, { recursive: true });
  await writePictures(join(folder, 'many'), 1000);
  await page.evaluate(() => {
    const longest = { ms: 0 };
    Object.assign(window, { longest });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest.ms = Math.max(longest.ms, duration);
    }).observe({ entryTypes: ['longtask'] });
  });
  await openPictures(page, join(folder, 'many'));
  await button(page, 'Cancel').click();
  await expect(button(page, 'Cancel')).toHaveCount(0);
  await expect(page.getByTestId('data-title')).toHaveText(title ?? '');
  await expect(button(page, 'Start')).toBeEnabled();
  // The same folder, to its end.
  await openPictures(page, join(folder, 'many'));
  await expect(page.getByTestId('data-title')).toHaveText('many');
  const longest = await page.evaluate(() => (window as unknown as { longest: { ms: number } }).longest.ms);
  test.info().annotations.push({ type: 'longest task', description: `${Math.round(longest)} ms` });
  console.log(`longest task of the page: ${Math.round(longest)} ms`);
});

test('a folder that is picked as a handle is listed by the worker, and reads as its files do', async ({
  page,
}) => {
  await openApp(page);
  await go(page, 'Images');
  // No dialogue of the system: a folder of the app's own origin, which is a handle of the same kind.
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const picked = await root.getDirectoryHandle('picked', { create: true });
    for (const [at, name] of ['red', 'green', 'blue'].entries()) {
      const folder = await picked.getDirectoryHandle(name, { create: true });
      for (let i = 0; i < 6; i++) {
        const canvas = new OffscreenCanvas(48, 48);
        const context = canvas.getContext('2d');
        if (context === null) throw new Error('no canvas');
        context.fillStyle = `hsl(${120 * at + 5 * i} 80% 50%)`;
        context.fillRect(0, 0, 48, 48);
        const file = await folder.getFileHandle(`${i}.png`, { create: true });
        const writable = await file.createWritable();
        await writable.write(await canvas.convertToBlob());
        await writable.close();
      }
    }
    const choices = [
      () => Promise.reject(new DOMException('closed', 'AbortError')),
      () => Promise.resolve(picked),
    ];
    Object.assign(window, { showDirectoryPicker: () => choices.shift()?.() });
  });
  const title = (await page.getByTestId('data-title').textContent()) ?? '';
  // Closed without a choice, nothing changes.
  await button(page, 'Open an image folder').click();
  await expect(page.getByTestId('data-title')).toHaveText(title);
  await button(page, 'Open an image folder').click();
  await expect(page.getByTestId('data-title')).toHaveText('picked');
  await expect(page.getByRole('main')).toContainText('18 images');
  await expect(page.getByRole('main')).toContainText('red');
});
