// What a large folder of images costs the page: it is opened, its opening is cancelled within a second, all
// of it is looked through while it is prepared, and the gallery is scrolled by the wheel at full speed and
// with the page's thread slowed down. For each phase: its time, the longest tasks of the page's thread and
// the most memory of the browser's processes (resident, of which shared pages count once a process); for a
// scroll what somebody sees of it (scroll-frames.mjs), beside an empty list that is scrolled in the same way,
// and the CPU time of the page's thread at full speed, which does not depend on what else the machine does.
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
import { emptyList, scrollByWheel, watchWindow } from './scroll-frames.mjs';

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

/**
 * Scrolls a list and prints what was seen of it.
 * @param {import('@playwright/test').Page} page
 * @param {string} what
 * @param {number} rate
 * @param {number} pixels
 * @param {number} frames
 */
async function scrolled(page, what, rate, pixels, frames) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const box = await page.getByTestId('gallery').boundingBox();
  if (box === null) throw new Error('The list is not shown.');
  /** CPU time of the page's thread in tasks, in ms. */
  const pageCpu = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000;
  };
  await page.evaluate(() => Object.assign(globalThis, { seen: [] }));
  await devtools.send('Emulation.setCPUThrottlingRate', { rate });
  const from = await pageCpu();
  const [x, y] = [box.x + box.width / 4, box.y + box.height / 2].map(Math.round);
  const by = { x: x ?? 0, y: y ?? 0, pixels, frames };
  const seen = await scrollByWheel({ page: devtools, browser: session }, by);
  const cpu = ((await pageCpu()) - from) / rate;
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  const window = await page.evaluate(
    () => /** @type {{ blank: number, bare: number | null }[]} */ (Reflect.get(globalThis, 'seen')),
  );
  await devtools.detach();
  const share = (/** @type {'blank' | 'bare'} */ name) => {
    const known = window.map((one) => one[name]).filter((part) => part !== null);
    if (known.length === 0) return 'an unknown part';
    return `${((100 * known.reduce((sum, part) => sum + part, 0)) / known.length).toFixed(0)} %`;
  };
  console.log(
    [
      `${what}: ${(seen.presented / seen.seconds).toFixed(0)} frames a second shown, ${seen.dropped} of ${seen.presented + seen.dropped} dropped`,
      `at most ${seen.gapMs.toFixed(0)} ms between two`,
      `${seen.waitMs.toFixed(0)} ms to the first${seen.waitsForPage ? ', which waits for the page' : ''}`,
      `not drawn yet in ${seen.unrastered}`,
      `the page made ${seen.mainFrames}, ${(cpu / Math.max(1, seen.mainFrames)).toFixed(1)} ms of CPU each`,
      ...(window.length === 0
        ? []
        : [`without rows ${share('blank')} of the window, without pictures ${share('bare')} of the cells`]),
    ].join('; '),
  );
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
  await page.evaluate(watchWindow);
  const empty = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await empty.setContent(emptyList);
  for (const times of new Set([1, rate]))
    for (const [pixels, frames] of /** @type {const} */ ([
      [30, 240],
      [300, 60],
    ]))
      for (const [name, shown] of /** @type {const} */ ([
        ['an empty list', empty],
        ['the gallery', page],
      ])) {
        await shown.bringToFront();
        const list = shown.getByTestId('gallery');
        await list.evaluate((element) => Object.assign(element, { scrollTop: element.scrollTop || 1440 }));
        await shown.waitForTimeout(1000);
        await scrolled(shown, `${name} by ${pixels} pixels a frame at ${times} x`, times, pixels, frames);
      }
} finally {
  await browser.close();
  await server.close();
}
