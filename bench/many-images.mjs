// What a large folder of images costs the page: it is opened, its opening is cancelled within a second, all
// of it is looked through while it is prepared, and the gallery is scrolled with the page's thread slowed
// down. For each phase: its time, the longest tasks of the page's thread and the most memory of the browser's
// processes (resident, of which shared pages count once a process); for the scroll the times between frames and
// the CPU time of the page's thread for each at full speed, which does not depend on what else the machine does.
// The folder is picked as a handle, dropped, or chosen as files (`--by`), each without a dialogue of the
// system. `npm run build && node bench/many-images.mjs --images DIR [--by pick|drop|files] [--rate 6]
// [--prepare SECONDS]`
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { findBrowser, noBrowser } from '../scripts/setup/browser.mjs';
import { softwareWebgpuFlags } from '../scripts/setup/browser-flags.mjs';
import { serveApp } from '../scripts/setup/serve.mjs';

const { values } = parseArgs({
  options: {
    images: { type: 'string' },
    by: { type: 'string', default: 'pick' },
    rate: { type: 'string' },
    prepare: { type: 'string' },
  },
});
const { images, by } = values;
if (images === undefined) throw new Error('--images names the folder of images, with a folder a class.');
if (!['pick', 'drop', 'files'].includes(by)) throw new Error('--by is pick, drop or files.');
const rate = Number(values.rate ?? 6);
const prepareSeconds = Number(values.prepare ?? 30);

/** Collects long tasks of the page: runs in it. */
function watch() {
  /** @type {number[]} */
  const tasks = [];
  Object.assign(globalThis, { tasks });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  }).observe({ type: 'longtask' });
}

/**
 * Scrolls the gallery by so many pixels a frame and takes the time between frames, in ms: runs in the page.
 * @param {{ frames: number, pixels: number }} by
 * @returns {Promise<number[]>}
 */
function scroll({ frames, pixels }) {
  const list = document.querySelector('[data-testid=gallery]');
  return new Promise((resolve) => {
    /** @type {number[]} */
    const times = [];
    let before = performance.now();
    const frame = (/** @type {number} */ now) => {
      times.push(now - before);
      before = now;
      list?.scrollBy(0, pixels);
      if (times.length <= frames) requestAnimationFrame(frame);
      else resolve(times.slice(1));
    };
    requestAnimationFrame((now) => {
      before = now;
      requestAnimationFrame(frame);
    });
  });
}

/**
 * Lets the page's folder picker give the folder that is dropped next, of which the page hears nothing else.
 */
function pickWhatIsDropped() {
  const take = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type !== 'drop') return;
    for (const type of dragging) window.removeEventListener(type, take, true);
    const handle = Reflect.get(event.dataTransfer?.items[0] ?? {}, 'getAsFileSystemHandle').call(
      event.dataTransfer?.items[0],
    );
    Object.assign(globalThis, { showDirectoryPicker: () => handle, handle });
  };
  const dragging = /** @type {const} */ (['dragenter', 'dragover', 'drop']);
  for (const type of dragging) window.addEventListener(type, take, true);
}

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
const server = await serveApp(0);
const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
const session = await browser.newBrowserCDPSession();

/** Resident memory of the browser's processes without its own, in MB. */
async function memory() {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const ids = processInfo.filter(({ type }) => type !== 'browser').map(({ id }) => String(id));
  const rows = execFileSync('ps', ['-o', 'rss=', '-p', ids.join(',')], { encoding: 'utf8' });
  return rows.split('\n').reduce((sum, row) => sum + Number(row), 0) / 1024;
}

try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const devtools = await page.context().newCDPSession(page);
  await page.addInitScript(watch);
  await page.goto(server.url);
  await page.getByTestId('model-title').waitFor();
  await page.getByTestId('data-title').waitFor();
  const base = await memory();
  console.log(`before: ${base.toFixed(0)} MB`);

  /**
   * @param {string} name
   * @param {() => Promise<unknown>} act
   */
  async function phase(name, act) {
    await page.evaluate(() => Object.assign(globalThis, { from: Reflect.get(globalThis, 'tasks').length }));
    let most = 0;
    let isOn = true;
    const sampling = (async () => {
      while (isOn) {
        most = Math.max(most, await memory());
        await new Promise((next) => setTimeout(next, 250));
      }
    })();
    const from = performance.now();
    const told = await act().finally(() => {
      isOn = false;
    });
    const seconds = (performance.now() - from) / 1000;
    await sampling;
    const tasks = /** @type {number[]} */ (
      await page.evaluate(() => Reflect.get(globalThis, 'tasks').slice(Reflect.get(globalThis, 'from')))
    );
    const longest = [...tasks].sort((a, b) => b - a).slice(0, 5);
    console.log(
      `${name}: ${seconds.toFixed(1)} s; ${tasks.length} tasks of 50 ms and more${longest.length === 0 ? '' : `, the longest ${longest.map((ms) => ms.toFixed(0)).join(', ')} ms`}; at most ${most.toFixed(0)} MB${told === undefined ? '' : `; ${String(told)}`}`,
    );
  }

  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Images' }).click();
  const title = page.getByTestId('data-title');
  const before = (await title.textContent()) ?? '';
  const drop = async () => {
    const data = { items: [], files: [resolve(images)], dragOperationsMask: 1 };
    for (const type of /** @type {const} */ (['dragEnter', 'dragOver', 'drop']))
      await devtools.send('Input.dispatchDragEvent', { type, x: 700, y: 450, data });
  };
  if (by === 'pick') {
    await page.evaluate(pickWhatIsDropped);
    await drop();
    await page.waitForFunction(() => Reflect.has(globalThis, 'handle'));
  }
  const open = async () => {
    if (by === 'drop') await drop();
    else if (by === 'pick') await page.getByRole('button', { name: 'Open an image folder' }).click();
    else await page.getByTestId('pick-images-folder').setInputFiles(images);
  };
  const cancel = page.getByRole('button', { name: 'Cancel' });
  await phase('opening, cancelled', async () => {
    await open();
    await cancel.first().waitFor();
    const from = performance.now();
    await cancel.first().click();
    await cancel.first().waitFor({ state: 'hidden' });
    return `cancelled within ${(performance.now() - from).toFixed(0)} ms`;
  });
  await phase('opening', async () => {
    await open();
    await page.waitForFunction(
      (former) => document.querySelector('[data-testid=data-title]')?.textContent !== former,
      before,
      { timeout: 600_000 },
    );
  });
  await phase('to the gallery, with pictures', async () => {
    await page.getByRole('link', { name: 'Look through all of them' }).click();
    const first = page.getByRole('listbox', { name: 'Images' }).getByRole('option').first();
    await first.locator('img').waitFor({ timeout: 600_000 });
    return page.getByTestId('shown').textContent();
  });
  await phase(`${prepareSeconds} s of preparing`, async () => {
    await page.waitForTimeout(prepareSeconds * 1000);
    const views = page.getByRole('navigation', { name: 'Views of the images' });
    await views.getByRole('link', { name: 'Choose images' }).click();
    const prepared = page.getByTestId('prepared');
    await prepared.waitFor();
    const [ready, total] = await Promise.all(
      ['data-ready', 'data-total'].map((name) => prepared.getAttribute(name)),
    );
    await views.getByRole('link', { name: 'Look through all of them' }).click();
    return `${ready} of ${total} prepared`;
  });
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  /** CPU time of the page's thread in tasks, in ms. */
  const pageCpu = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000;
  };
  const frames = 240;
  await devtools.send('Emulation.setCPUThrottlingRate', { rate });
  for (const pixels of [30, 300])
    await phase(`scrolling ${pixels} pixels a frame at ${rate} x`, async () => {
      const from = await pageCpu();
      const times = (await page.evaluate(scroll, { frames, pixels })).sort((a, b) => a - b);
      const cpu = (await pageCpu()) - from;
      const at = (/** @type {number} */ share) => times[Math.floor(share * (times.length - 1))]?.toFixed(1);
      return `between frames ${at(0.5)} ms in the middle, ${at(0.95)} in 95 of 100, ${at(1)} at most; CPU of the page ${(cpu / rate / frames).toFixed(1)} ms a frame`;
    });
} finally {
  await browser.close();
  await server.close();
}
