// Promise: a model of the Hub opens by its name, with its progress shown; again without a network; and a Hub
// that lies is told as a sentence, with nothing bad kept. Against the stand-in: no test reaches the real Hub.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from '@playwright/test';
import { startHubStandIn, type HubStandIn } from '../scripts/testing/hub-stand-in.ts';
import { button, expectPhase, go, loadRecipe, openApp, openPictures } from './app.ts';
import { expect, test, type Watch } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

let hub: HubStandIn;
test.beforeAll(async () => {
  hub = await startHubStandIn({
    port: Number(process.env['GRAFT_E2E_HUB_PORT']),
    storagePort: Number(process.env['GRAFT_E2E_HUB_STORAGE_PORT']),
  });
});
test.afterAll(() => hub.close());
test.beforeEach(async ({ watched }) => {
  hub.honest();
  hub.repositories.clear();
  hub.requests.length = 0;
  const [config, weights] = await Promise.all(
    ['config.json', 'model.safetensors'].map((name) => readFile(join(microModel, name))),
  );
  hub.add('ann/micro', {
    'config.json': config ?? '',
    'model.safetensors': weights ?? '',
    'README.md': 'words',
  });
  allow(watched, hub.address, hub.storageAddress);
});

/** These two hosts only, and what the browser prints when they refuse. */
function allow(watched: Watch, ...origins: string[]): void {
  for (const origin of origins) watched.allowed.push(new RegExp(`^request to ${origin}/`));
  watched.allowed.push(/^console: Failed to load resource/);
}

/** Opens the page with the stand-in as its Hub. */
async function openWithHub(page: Page): Promise<void> {
  await openApp(page);
  await go(page, 'Model');
  await page.getByText('Access token and mirror').click();
  await page.getByTestId('hub-address').fill(hub.address);
}

async function ask(page: Page, model: string): Promise<void> {
  await page.getByTestId('hub-model').fill(model);
  await page.getByTestId('hub-open').click();
}

test('a model opens by its name, shows its bytes, and opens again without a network', async ({ page }) => {
  await openWithHub(page);
  hub.lie(/\/files\//, { kind: 'hold', after: 40_000 }, 1);
  await ask(page, 'ann/micro');
  await expect(page.getByText(/Downloading ann\/micro/).first()).toBeVisible();
  await expect(page.getByText(/41 kB of 101 kB/).first()).toBeVisible();
  hub.release();
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  await expect(button(page, 'Start')).toBeEnabled();
  expect(hub.requests.some(({ url }) => url.includes('README'))).toBe(false);

  await page.reload();
  await expect(page.getByTestId('model-title')).toBeVisible();
  await page.getByText(/^On this machine: 1 model/).click();
  await expect(page.getByTestId('cached-models')).toContainText('ann/micro');
  hub.lie(/./, { kind: 'status', status: 503 });
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  await page.getByText('How images reach it, what the numbers mean, and notes').click();
  await expect(page.getByText(/could not be asked for a newer state/)).toBeVisible();
});

test('a stopped download goes on where it stopped; what is kept can be deleted', async ({ page }) => {
  await openWithHub(page);
  hub.lie(/\/files\//, { kind: 'hold', after: 40_000 }, 1);
  await ask(page, 'ann/micro');
  await expect(page.getByText(/41 kB of 101 kB/).first()).toBeVisible();
  await button(page, 'Stop').last().click();
  await expect(page.getByTestId('hub-open')).toBeEnabled();
  await expect(page.getByTestId('fault')).toHaveCount(0);
  await page.getByText(/^On this machine: 1 model/).click();
  await expect(page.getByTestId('cached-models')).toContainText('opening it goes on');
  hub.requests.length = 0;
  await page.getByTestId('hub-open').click();
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  expect(hub.requests.find(({ host }) => host === 'storage')?.range).toMatch(/^bytes=[1-9]/);
  // The open model is still read from there.
  await expect(button(page, 'Delete ann/micro')).toBeDisabled();
  await page.reload();
  await page.getByText(/^On this machine: 1 model/).click();
  await button(page, 'Delete ann/micro').click();
  await expect(page.getByTestId('cached-models')).toHaveCount(0);
});

/** Files of a data set in Parquet. */
async function birds(): Promise<Record<string, Buffer>> {
  const folder = new URL('../testdata/parquet/folders/default/', import.meta.url);
  const [train, held] = await Promise.all(
    ['train', 'test'].map((name) => readFile(new URL(`${name}/0000.parquet`, folder))),
  );
  return { 'train/0.parquet': train ?? Buffer.alloc(0), 'test/0.parquet': held ?? Buffer.alloc(0) };
}

test('a data set opens by its name: its bytes are said first, and what is kept can be deleted', async ({
  page,
}) => {
  hub.add('datasets/ann/birds', await birds());
  await openApp(page);
  await go(page, 'Images');
  await page.getByText('Open a data set of the Hugging Face Hub by its name').click();
  const place = page.getByRole('region', { name: 'Images', exact: true });
  await place.getByText('Access token and mirror').click();
  await place.getByTestId('hub-address').fill(hub.address);
  await page.getByTestId('data-set').fill('ann/birds');
  await page.getByTestId('data-set-ask').click();
  await expect(page.getByTestId('data-set-offer')).toContainText(
    /ann\/birds: 2 Parquet files, .*Licence: apache-2.0/,
  );
  expect(hub.requests.some(({ url }) => url.includes('/resolve/'))).toBe(false);
  await page.getByTestId('data-set-open').click();
  await expect(page.getByTestId('data-set-open')).toHaveText('Open it');
  await expect(page.getByTestId('reading')).toContainText('column');
  await page.getByText(/^On this machine: 1 data set/).click();
  // The open images are still read from there.
  await button(page, 'Delete ann/birds').click();
  await expect(place.getByTestId('fault')).toContainText('is open, and its files are still read');
  await page.reload();
  await go(page, 'Images');
  await page.getByText('Open a data set of the Hugging Face Hub by its name').click();
  await page.getByText(/^On this machine: 1 data set/).click();
  await button(page, 'Delete ann/birds').click();
  await expect(page.getByTestId('cached-datasets')).toHaveCount(0);
});

test('a private model opens with a token that only the Hub hears', async ({ page }) => {
  const repository = hub.repositories.get('ann/micro');
  hub.repositories.set('ann/micro', { ...repository!, hidden: 'private' });
  await openWithHub(page);
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('fault')).toContainText(/private or not exist.*access token/);
  await page.getByTestId('hub-token').fill(hub.token);
  await page.getByTestId('hub-open').click();
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  const heard = hub.requests.filter(({ authorization }) => authorization !== undefined);
  expect(heard.length).toBeGreaterThan(1);
  expect(heard.every(({ host }) => host === 'hub')).toBe(true);
  const kept = await page.evaluate(() =>
    JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
  );
  expect(kept).not.toContain(hub.token);
});

test('a lie is told, nothing of it is kept, and what was open stays', async ({ page }) => {
  await openWithHub(page);
  const before = await page.getByTestId('model-title').textContent();
  hub.lie(/\/files\//, { kind: 'flip' });
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('fault')).toHaveAttribute('data-kind', 'hub');
  await expect(page.getByTestId('fault')).toContainText(/digest.*Nothing of it was kept/);
  await expect(page.getByTestId('model-title')).toHaveText(before ?? '');
  await expect(button(page, 'Start')).toBeEnabled();
  hub.honest();
  await page.getByTestId('hub-open').click();
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  await expect(page.getByTestId('fault')).toHaveCount(0);
});

test('a model that does not fit is refused with what to do, and fits when there is room', async ({
  page,
  context,
}) => {
  await openWithHub(page);
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', {
    origin: new URL(page.url()).origin,
    quotaSize: 50_000,
  });
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('fault')).toHaveAttribute('data-kind', 'storage');
  await expect(page.getByTestId('fault')).toContainText(
    /too little room.*\d+ k?B are needed.*Delete runs .* models .* or data sets/,
  );
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(page.url()).origin });
  await page.getByTestId('hub-open').click();
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
});

test('a mirror that the page may not talk to is named as such', async ({ page, watched }) => {
  watched.allowed.push(/Content Security Policy|content security: connect-src|Fetch API cannot load/);
  await page.setViewportSize({ width: 400, height: 800 });
  await openApp(page);
  await go(page, 'Model');
  await page.getByText('Access token and mirror').click();
  await page.getByTestId('hub-address').fill('https://mirror.invalid');
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('fault')).toContainText(/policy.*https:\/\/mirror\.invalid.*GRAFT_HUB/);
  // Where it was asked for.
  await expect(page.getByTestId('hub-open')).toBeInViewport();
  await expect(page.getByTestId('fault')).toBeInViewport({ ratio: 1 });
});

test('a trained model goes to a repository of the user’s, and nothing but its files', async ({
  page,
}, info) => {
  await openWithHub(page);
  await page.getByTestId('hub-token').fill(hub.token);
  await ask(page, 'ann/micro');
  await expect(page.getByTestId('model-title')).toHaveText('ann/micro');
  await openPictures(page, await writePictures(info.outputPath('secret'), 4));
  await expect(page.getByTestId('data-title')).toHaveText('secret');
  await loadRecipe(page, { steps: 2, batch: 4 }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await go(page, 'Take home');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  hub.requests.length = 0;
  await page.getByText('Push to the Hugging Face Hub (optional)').click();
  await page.getByTestId('push-repository').fill('ann/mine');
  const listed = await page
    .getByRole('list', { name: 'Files that will be sent' })
    .locator('code')
    .allTextContents();
  // Nothing has been sent before this.
  expect(hub.requests).toEqual([]);
  await page.getByTestId('push-send').click();
  await expect(page.getByTestId('pushed')).toContainText(`${hub.address}/ann/mine`);
  const made = hub.repositories.get('ann/mine');
  expect(made?.hidden).toBe('private');
  expect([...(made?.files.keys() ?? [])].sort()).toEqual([...listed].sort());
  expect(listed).toContain('model.safetensors');
});

test('npm run finetune takes a model and a data set by their names', async ({}, info) => {
  hub.add('datasets/ann/birds', await birds());
  const out = info.outputPath('model');
  const args = [
    '--model',
    'ann/micro',
    '--data',
    'ann/birds',
    '--out',
    out,
    '--steps',
    '2',
    '--batch',
    '4',
    '--backend',
    'wasm',
  ];
  const env = { ...process.env, GRAFT_HUB: `${hub.address},${hub.storageAddress}`, HF_TOKEN: hub.token };
  const run = promisify(execFile)(process.execPath, ['scripts/finetune.mjs', ...args, '--json'], { env });
  const result = JSON.parse((await run).stdout) as {
    model: string;
    steps: number;
    classes: string[];
  };
  expect(result).toMatchObject({ model: 'ann/micro', steps: 2 });
  expect(result.classes.length).toBeGreaterThan(1);
  expect(hub.requests.some(({ authorization }) => authorization === `Bearer ${hub.token}`)).toBe(true);
});
