// How fluid a large branch map is: 24 blocks of six layers with eight branches each (1,152 branches) are gone
// through with the slider, by mouse and by keys, and walked with the arrow keys. For each the times between
// frames and the longest time from an input to the next paint (Event Timing API), at full speed and with the
// page's thread slowed down. The page is the playground's, from the sources. `node bench/large-tree.mjs
// [--rate 6]`
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { createServer } from 'vite';
import { findBrowser, noBrowser } from '../scripts/setup/browser.mjs';
import { root } from '../scripts/setup/paths.mjs';

const { values } = parseArgs({ options: { rate: { type: 'string' } } });
const slow = Number(values.rate ?? 6);

/** Collects the times of frames and of interactions: runs in the page. */
function watch() {
  /** @type {number[]} */
  const frames = [];
  /** @type {number[]} */
  const inputs = [];
  Object.assign(globalThis, { frameTimes: frames, inputTimes: inputs });
  let before = performance.now();
  requestAnimationFrame(function next(now) {
    frames.push(now - before);
    before = now;
    requestAnimationFrame(next);
  });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) inputs.push(duration);
  }).observe(Object.assign({ type: 'event' }, { durationThreshold: 16 }));
}

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
const server = await createServer({
  root,
  server: { port: 0 },
  optimizeDeps: { entries: ['playground.html'] },
  logLevel: 'error',
});
await server.listen();
const browser = await chromium.launch({ executablePath });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const devtools = await page.context().newCDPSession(page);
  const at = server.resolvedUrls?.local[0] ?? '';
  await page.goto(`${at}playground.html?phase=${encodeURIComponent('a large model, finished')}#/train`);
  const slider = page.getByTestId('moments');
  await slider.waitFor({ timeout: 120_000 });
  await page.locator('[data-module]').first().waitFor();
  await page.evaluate(watch);
  const branches = await page
    .getByTestId('branch-map')
    .evaluate((map) => Number(map.dataset['live']) + Number(map.dataset['dropped']));
  console.log(`${branches} branches`);

  /**
   * @param {string} name
   * @param {() => Promise<unknown>} act
   */
  async function doing(name, act) {
    await page.waitForTimeout(500);
    await page.evaluate(() =>
      Object.assign(globalThis, {
        from: [Reflect.get(globalThis, 'frameTimes').length, Reflect.get(globalThis, 'inputTimes').length],
      }),
    );
    await act();
    await page.waitForTimeout(500);
    const [frames = [], inputs = []] = /** @type {number[][]} */ (
      await page.evaluate(() => {
        const [a, b] = Reflect.get(globalThis, 'from');
        return [
          Reflect.get(globalThis, 'frameTimes').slice(a),
          Reflect.get(globalThis, 'inputTimes').slice(b),
        ];
      })
    );
    const sorted = [...frames].sort((a, b) => a - b);
    const share = (/** @type {number} */ of) => sorted[Math.floor(of * (sorted.length - 1))]?.toFixed(0);
    console.log(
      `${name}: between frames ${share(0.5)} ms in the middle, ${share(0.95)} in 95 of 100, ${share(1)} at most; input to paint at most ${Math.max(0, ...inputs)} ms`,
    );
  }

  for (const rate of [1, slow]) {
    await devtools.send('Emulation.setCPUThrottlingRate', { rate });
    await slider.scrollIntoViewIfNeeded();
    const box = await slider.boundingBox();
    if (box === null) throw new Error('the slider is not drawn');
    await doing(`slider by mouse at ${rate} x`, async () => {
      await page.mouse.move(box.x + box.width - 6, box.y + box.height / 2);
      await page.mouse.down();
      for (let i = 60; i >= 0; i--) {
        await page.mouse.move(box.x + 6 + (i / 60) * (box.width - 12), box.y + box.height / 2);
        await page.waitForTimeout(16);
      }
      await page.mouse.up();
    });
    await doing(`slider by keys at ${rate} x`, async () => {
      await slider.focus();
      for (let i = 0; i < 12; i++) await page.keyboard.press('ArrowRight');
    });
    await doing(`arrow keys in the picture at ${rate} x`, async () => {
      await page.locator('[data-module][tabindex="0"]').focus();
      for (const key of ['ArrowUp', 'ArrowRight', 'ArrowUp', 'ArrowUp', 'ArrowLeft'])
        await page.keyboard.press(key);
    });
  }
} finally {
  await browser.close();
  await server.close();
}
