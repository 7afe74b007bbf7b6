// The pictures of the README: the built app fine-tunes its own model on its own emoji over wasm. docs/film.jpg
// is the curve and the branches at some moments of the run, docs/picture.png the page down to the scalars when
// it has finished.
// `node scripts/picture.mjs` makes both anew, `--film` the film alone.
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { findBrowser, noBrowser } from './setup/browser.mjs';
import { softwareWebgpuFlags } from './setup/browser-flags.mjs';
import { buildApp } from './setup/build.mjs';
import { root } from './setup/paths.mjs';
import { serveApp } from './setup/serve.mjs';

/** Shares of the run at which the film has a frame, after one of before it; its end is the last. */
const moments = [0.08, 0.3, 0.6];

/**
 * @typedef {object} Frame
 * @property {string} words
 * @property {readonly Buffer[]} pictures
 */

/**
 * @param {import('@playwright/test').Page} page
 * @param {string} words
 * @returns {Promise<Frame>}
 */
async function frameOf(page, words) {
  await page.waitForTimeout(700); // leaves fall
  const shown = [page.getByTestId('chart-loss'), page.getByLabel(/^Branch map/)];
  const pictures = [];
  for (const one of shown) if (await one.isVisible()) pictures.push(await one.screenshot());
  return { words, pictures };
}

/**
 * The frames side by side.
 * @param {import('@playwright/test').Browser} browser
 * @param {readonly Frame[]} frames
 */
async function writeFilm(browser, frames) {
  const page = await browser.newPage({ viewport: { width: 1120, height: 600 } });
  const columns = frames.map(({ words, pictures }) => {
    const images = pictures.map((one) => `<img src="data:image/png;base64,${one.toString('base64')}">`);
    return `<figure><figcaption>${words}</figcaption>${images.join('')}</figure>`;
  });
  await page.setContent(`<style>
    body { margin: 0; font: 600 14px system-ui, sans-serif; color: #1c2b22; background: #fffffb; }
    main { display: flex; gap: 8px; align-items: end; padding: 10px; width: 1100px; }
    figure { flex: 1; margin: 0; min-width: 0; }
    figcaption { padding-bottom: 4px; }
    img { display: block; width: 100%; max-height: 245px; object-fit: contain; object-position: left; }
  </style><main>${columns.join('')}</main>`);
  await page.waitForFunction(() => [...document.images].every(({ complete }) => complete));
  await page.locator('main').screenshot({ path: join(root, 'docs/film.jpg'), quality: 80 });
  await page.close();
}

const onlyFilm = process.argv.includes('--film');
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
  const frames = [await frameOf(page, 'Before')];
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  for (const share of moments) {
    const passed = await page.waitForFunction(
      (wanted) => {
        const told = document.querySelector('[data-testid=step]');
        const step = told?.getAttribute('data-step') ?? '0';
        const steps = told?.getAttribute('data-steps') ?? 'NaN';
        return Number(step) >= wanted * Number(steps) ? step : null;
      },
      share,
      { timeout: 1_800_000 },
    );
    frames.push(await frameOf(page, `Step ${await passed.jsonValue()}`));
  }
  await page.locator('[data-testid=phase][data-phase=finished]').waitFor({ timeout: 1_800_000 });
  frames.push(await frameOf(page, 'The result'));
  await writeFilm(browser, frames);
  if (!onlyFilm) {
    await page.evaluate(() => scrollTo(0, 0));
    const last = await page.getByRole('region', { name: 'Scalars' }).boundingBox();
    if (last === null) throw new Error('The page shows no scalars.');
    const clip = { x: 0, y: 0, width: 1440, height: Math.ceil(last.y + last.height + 16) };
    await page.screenshot({ path: join(root, 'docs/picture.png'), fullPage: true, clip });
  }
} finally {
  await browser.close();
  await server.close();
}
