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
