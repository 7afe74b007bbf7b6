// Promise: from any static host, under any path, the app opens and trains without a network after one visit;
// a newer build is told of and never mixed with the one that is open, and nothing reloads by itself.
import { cp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Locator, Page } from '@playwright/test';
import { contentSecurityPolicy } from '../scripts/headers.mjs';
import { serviceWorkerName, serviceWorkerText } from '../scripts/offline.mjs';
import { dist, root } from '../scripts/setup/paths.mjs';
import { startStaticHost } from '../scripts/testing/static-host.mjs';
import { button, expectPhase, go, loadRecipe, openModel, openPictures, startWithStep } from './app.ts';
import { expect, test, type Watch } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

test.use({ serviceWorkers: 'allow' });

const path = '/tools/graft/';
// Skipped here too: hooks of a test that its fixture skips run all the same.
test.skip(process.env['GRAFT_OFFLINE'] === '1', 'It goes offline by itself.');

let host: Awaited<ReturnType<typeof startStaticHost>>;
test.beforeEach(async ({ watched }) => {
  host = await startStaticHost([[path, dist]]);
  watched.allowed.push(new RegExp(`^request to ${host.origin}${path}`));
});
test.afterEach(() => host.close());

/** The first visit, until everything is kept. */
async function visit(page: Page): Promise<void> {
  await page.goto(host.origin + path);
  await expect(page.getByTestId('offline')).toBeVisible();
  await expect(page.getByTestId('model-title')).toBeVisible();
  await expect(page.getByTestId('data-title')).toBeVisible();
}

/** No network: the host is gone too, which the browser cannot guess. */
async function goOffline(page: Page, watched: Watch): Promise<void> {
  await page.context().setOffline(true);
  await host.close();
  watched.requests.length = 0;
}

test('after one visit everything that ships opens and trains without a network', async ({
  page,
  watched,
}, info) => {
  await visit(page);
  await goOffline(page, watched);
  const answer = await page.reload();
  // The host sent no policy: the service worker did.
  expect(answer?.fromServiceWorker()).toBe(true);
  expect(answer?.headers()['content-security-policy']).toBe(contentSecurityPolicy);
  // With its headers the page is isolated: computations see its hand.
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await expect(page.getByTestId('model-title')).toHaveText('Graft Sprout 64');
  await expect(page.getByTestId('data-title')).toBeVisible();
  await page.getByRole('button', { name: /Emoji-8/ }).click();
  await expect(page.getByTestId('data-title')).toHaveText('Emoji-8');

  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 6));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 6, batch: 8 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('device-badge')).toHaveAttribute('data-backend', 'wasm');
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('export-hf')).toHaveAttribute('data-offered', 'true', { timeout: 120_000 });
});

/** What stands in a page of the other build alone. */
const newer = (page: Page): Locator => page.locator('html[data-build="newer"]');

/** Another build in a folder: it calls itself newer, and no chunk for exports under the name that this one has. */
async function nextBuild(folder: string): Promise<void> {
  await cp(dist, folder, { recursive: true });
  const page = await readFile(join(folder, 'index.html'), 'utf8');
  await writeFile(
    join(folder, 'index.html'),
    page.replace('<html lang="en"', '<html data-build="newer" lang="en"'),
  );
  const assets = await readdir(join(folder, 'assets'));
  const exporting = assets.filter((name) => name.startsWith('worker-export-run'));
  expect(exporting).toHaveLength(1);
  for (const name of exporting) await rm(join(folder, 'assets', name));
  const worker = await readFile(join(folder, serviceWorkerName), 'utf8');
  const code = worker.slice(worker.indexOf('\n') + 1);
  await writeFile(join(folder, serviceWorkerName), await serviceWorkerText(folder, code));
}

const askForUpdates = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    await (await navigator.serviceWorker.getRegistration())?.update();
  });

test('a newer build waits for the run and for other tabs, and the open page keeps its own files', async ({
  page,
}, info) => {
  await visit(page);
  // Controlled from its first request on, as at every later visit.
  await page.reload();
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 6));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, { steps: 200, batch: 8 }, info.outputPath('recipe.json'));
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
  await startWithStep(page);

  const next = info.outputPath('next');
  await nextBuild(next);
  host.folders.set(path, next);
  await askForUpdates(page);
  const notice = page.getByTestId('new-version');
  await expect(notice).toHaveText('A new version is ready: reload when your run is done.');
  await expectPhase(page, 'paused');
  await button(page, 'Stop').click();
  await expectPhase(page, 'finished');
  // This part of the build is loaded now, from what was kept: the host has it no longer.
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('export-hf')).toHaveAttribute('data-offered', 'true', { timeout: 120_000 });
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    button(page, 'Download all as a zip').click(),
  ]);
  await download.saveAs(info.outputPath('export.zip'));
  await page.keyboard.press('Escape');
  await expect(newer(page)).toHaveCount(0);

  const other = await page.context().newPage();
  await other.goto(host.origin + path);
  await expect(newer(other)).toHaveCount(0);
  await notice.getByRole('button', { name: 'Reload' }).click();
  await expect(notice).toContainText('close the other tabs of Graft');
  await expect(newer(page)).toHaveCount(0);
  await other.close();
  await notice.getByRole('button', { name: 'Reload' }).click();
  await expect(newer(page)).toHaveCount(1);
  await expect(page.getByTestId('model-title')).toHaveText('Graft Sprout 64');
  await expect(notice).toHaveCount(0);
});

test('a half-copied build is refused whole, and the one that is kept goes on', async ({
  page,
  watched,
}, info) => {
  await visit(page);
  const half = info.outputPath('half');
  await nextBuild(half);
  // The service worker is there, the page of its build is not yet.
  await cp(join(dist, 'index.html'), join(half, 'index.html'));
  host.folders.set(path, half);
  watched.allowed.push(/integrity/);
  await askForUpdates(page).catch(() => undefined);
  await page.waitForFunction(async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    return registration?.installing === null;
  });
  await page.context().setOffline(true);
  await page.reload();
  await expect(newer(page)).toHaveCount(0);
  await expect(page.getByTestId('model-title')).toBeVisible();
  await expect(page.getByTestId('new-version')).toHaveCount(0);
});

test('answers that find nothing carry the policy, and no link leads out of the build', async ({ page }) => {
  const link = join(dist, 'leads-out.json');
  await symlink(join(root, 'package.json'), link);
  try {
    for (const [name, status] of [
      ['nothing-here.js', 404],
      ['leads-out.json', 404],
      ['favicon.svg', 200],
    ] as const) {
      const answer = await page.request.get(`./${name}`);
      expect(answer.status(), name).toBe(status);
      expect(answer.headers()['content-security-policy'], name).toContain("default-src 'none'");
    }
  } finally {
    await rm(link);
  }
});
