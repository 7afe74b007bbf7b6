// The playground opens from the sources, as `npm run dev` serves it: the app in a phase, a kernel that runs.
// It is no page of the build.
import { expect, test, type Page } from '@playwright/test';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createServer, type ViteDevServer } from 'vite';
import { dist, root } from '../scripts/setup/paths.mjs';

let server: ViteDevServer;

test.beforeAll(async () => {
  // The page is named as an entry, so that all it imports is bundled before it loads and nothing reloads it.
  server = await createServer({
    configFile: path.join(root, 'vite.config.ts'),
    root,
    server: { port: 0 },
    optimizeDeps: { entries: ['playground.html'] },
    logLevel: 'error',
  });
  await server.listen();
});

test.afterAll(async () => {
  await server.close();
});

/** Opens the page; what goes wrong on it is put into the list. */
async function openPlayground(page: Page, query: string): Promise<string[]> {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  await page.goto(`${server.resolvedUrls?.local[0] ?? ''}playground.html${query}`);
  return complaints;
}

test('the app in a phase, and another by the list without a question', async ({ page }) => {
  const complaints = await openPlayground(page, '?phase=paused');
  await expect(page.getByRole('button', { name: 'Resume' })).toBeEnabled();
  await page.getByLabel('Playground:').selectOption('the app: no WebGPU');
  await expect(page).toHaveURL(/phase=no%20WebGPU$/);
  await page.getByRole('link', { name: 'Train' }).click();
  await expect(page.getByText('This browser has no WebGPU').first()).toBeVisible();
  expect(complaints).toEqual([]);
});

/** Pixels of the page without the playground's own bar. */
const pageHeight = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      document.documentElement.scrollHeight -
      (document.querySelector('nav[aria-label=Playground]')?.getBoundingClientRect().height ?? 0),
  );

test('curve and branches share the first screen; on a phone a place is at most three', async ({ page }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  const complaints = await openPlayground(page, '?phase=training,+stage+1#/train');
  const bar = (await page.getByLabel('Playground', { exact: true }).boundingBox())?.height ?? 0;
  // Parts of the page come later than the rest, and move what is there.
  await expect(async () => {
    const [curve, tree] = await Promise.all(
      [page.getByTestId('chart-loss'), page.getByLabel(/^Branch map/)].map((one) => one.boundingBox()),
    );
    if (curve == null || tree == null) throw new Error('the curve or the branches are not drawn');
    expect(tree.x).toBeGreaterThanOrEqual(curve.x + curve.width);
    for (const { y, height } of [curve, tree]) expect(y + height - bar).toBeLessThanOrEqual(900);
  }).toPass({ timeout: 60_000 });

  await page.setViewportSize({ width: 390, height: 844 });
  for (const phase of ['finished', 'runs to compare']) {
    await openPlayground(page, `?phase=${encodeURIComponent(phase)}#/images`);
    const views = ['understand', 'understand/compare', 'understand/recipes'];
    for (const place of ['images', 'model', 'train', ...views, 'take-home']) {
      await page.evaluate((hash) => (location.hash = hash), `#/${place}`);
      await expect(page.locator('[data-testid=place]:visible').getByRole('heading').first()).toBeVisible();
      const where = `${phase}, ${place}`;
      await expect
        .poll(() => page.evaluate(() => document.documentElement.scrollWidth), { message: where })
        .toBe(390);
      await expect.poll(() => pageHeight(page), { message: where }).toBeLessThanOrEqual(3 * 844);
    }
  }
  expect(complaints).toEqual([]);
});

test('a kernel is printed, runs and agrees with float64, on a narrow page too', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 900 });
  const complaints = await openPlayground(page, '?phase=of+none');
  await expect(page.getByText('There is no phase “of none”')).toBeVisible();
  await page.getByRole('main').getByLabel('Kernel').selectOption('attention');
  await page.getByLabel('tokens').fill('x');
  await expect(page.getByRole('status')).toContainText('tokens is x: give a whole number');
  await expect(page.getByRole('button', { name: 'Run and compare' })).toBeDisabled();
  await page.getByLabel('tokens').fill('21');
  await expect(page.getByText('@group(0) @binding(0)')).toBeVisible();
  await page.getByRole('button', { name: 'Run and compare' }).click();
  await expect(page.getByRole('cell', { name: 'agrees' }).first()).toBeVisible();
  await expect(page.getByText('DIFFERS')).toHaveCount(0);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(complaints).toEqual([]);
});

test('the build has no playground', () => {
  expect(existsSync(path.join(dist, 'index.html'))).toBe(true);
  expect(existsSync(path.join(dist, 'playground.html'))).toBe(false);
});
