// docs/picture.png, the picture of the README: the built app fine-tunes its own model on its own emoji over
// wasm, and the page is photographed down to the scalars when the run has finished.
// `node scripts/picture.mjs` makes it anew.
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { softwareWebgpuFlags } from './setup/browser-flags.mjs';
import { buildApp } from './setup/build.mjs';
import { root } from './setup/paths.mjs';
import { serveApp } from './setup/serve.mjs';

await buildApp((line) => console.log(line));
const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
const server = await serveApp(0);
const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  await page.goto(server.url);
  await page.getByText('Emoji-8', { exact: true }).first().click();
  await page.getByTestId('data-title').getByText('Emoji-8').waitFor();
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Train' }).click();
  await page.getByLabel('Backend').selectOption('wasm');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.locator('[data-testid=phase][data-phase=finished]').waitFor({ timeout: 1_800_000 });
  await page.evaluate(() => scrollTo(0, 0));
  const last = await page.getByRole('region', { name: 'Scalars' }).boundingBox();
  if (last === null) throw new Error('The page shows no scalars.');
  const clip = { x: 0, y: 0, width: 1440, height: Math.ceil(last.y + last.height + 16) };
  await page.screenshot({ path: join(root, 'docs/picture.png'), fullPage: true, clip });
} finally {
  await browser.close();
  await server.close();
}
