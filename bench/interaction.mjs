// How soon the page answers a hand while it trains: the built app fine-tunes its own model over wasm, its page's
// thread is slowed down six times, and every place, view, field, slider and chart is used as a person would: what
// is clicked was hovered a moment before, a button or a key is held for 80 ms, and keys come one by one. Nothing of
// the driver runs in the page at an input: where to click was asked before. For each kind of interaction the longest time
// from the input to the next paint (Event Timing API; clicks and keys as INP counts them, hovering beside them),
// how much of that was waiting, handling and painting, and the CPU time of the page's thread at full speed for
// all that it did meanwhile, which does not depend on what else the machine does. `--paused` waits with the run, so
// that nothing else computes; with `--shared-nothing` the page seems not to be isolated, so that its run gives
// no way to the hand (src/shared/hand.ts).
// `npm run build && node bench/interaction.mjs [--rate 6] [--rounds 2] [--paused] [--shared-nothing]`
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { findBrowser, noBrowser } from '../scripts/setup/browser.mjs';
import { softwareWebgpuFlags } from '../scripts/setup/browser-flags.mjs';
import { serveApp } from '../scripts/setup/serve.mjs';

const { values } = parseArgs({
  options: {
    rate: { type: 'string' },
    rounds: { type: 'string' },
    paused: { type: 'boolean' },
    'shared-nothing': { type: 'boolean' },
  },
});
const rate = Number(values.rate ?? 6);
const rounds = Number(values.rounds ?? 2);
/** A click of a person takes 80 to 120 ms, a key as long. */
const heldMs = 80;

/**
 * @typedef {object} Timed
 * @property {number} interaction all events of one click or key have the same; 0 for hovering
 * @property {string} doing
 * @property {string} name
 * @property {number} duration ms to the next paint
 * @property {number} delay ms until it was handled
 * @property {number} handling ms
 */

/** Watches the interactions of a page: runs in it. */
function watch() {
  /** @type {Timed[]} */
  const timed = [];
  Object.assign(globalThis, { timed, doing: '' });
  const note = (/** @type {Event} */ { target }) => {
    const button = target instanceof Element ? target.closest('a, button, label') : null;
    Object.assign(globalThis, { clicked: button?.textContent ?? '' });
  };
  addEventListener('click', note, { capture: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const event = /** @type {PerformanceEventTiming} */ (entry);
      const { name, duration, startTime, processingStart, processingEnd } = event;
      // Hovering has no id of an interaction, but is felt all the same.
      const interaction = Number(Reflect.get(event, 'interactionId') ?? 0);
      if (interaction === 0 && !/^pointer(move|over)|mouse(move|over)$/.test(name)) continue;
      timed.push({
        interaction,
        doing: String(Reflect.get(globalThis, 'doing')),
        name,
        duration,
        delay: Math.round(processingStart - startTime),
        handling: Math.round(processingEnd - processingStart),
      });
    }
  }).observe(Object.assign({ type: 'event' }, { durationThreshold: 16 }));
}

/**
 * Interaction to next paint of all clicks and keys as https://web.dev/articles/inp defines it: the longest, of
 * which one in fifty is left out. Events below 16 ms are not told of, so that there may be more interactions.
 * @param {readonly Timed[]} timed
 */
function inpWords(timed) {
  /** @type {Map<number, number>} */
  const longest = new Map();
  for (const { interaction, duration } of timed)
    if (interaction !== 0) longest.set(interaction, Math.max(duration, longest.get(interaction) ?? 0));
  const sorted = [...longest.values()].sort((a, b) => b - a);
  const above = sorted.filter((duration) => duration > 100).length;
  return `INP ${sorted[Math.floor(sorted.length / 50)] ?? 0} ms, ${above} of ${sorted.length} above 100 ms, median ${sorted[sorted.length >> 1] ?? 0} ms`;
}

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
const server = await serveApp(0);
const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
try {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const devtools = await page.context().newCDPSession(page);
  if (values['shared-nothing'])
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, 'crossOriginIsolated', { value: false });
    });
  await page.goto(server.url);
  await page.getByTestId('model-title').waitFor();
  await page.getByTestId('data-title').waitFor();
  const places = page.getByRole('navigation', { name: 'Places' });
  const views = page.getByRole('navigation', { name: 'Views' });
  /** @param {string} name */
  const place = (name) => places.getByRole('link', { name });
  await place('Train').click();
  await page.getByLabel('Backend').selectOption('wasm');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.locator('[data-testid=phase][data-phase=training]').waitFor({ timeout: 600_000 });
  // The first epochs fill curves and moments.
  await page.waitForFunction(
    () => Number(document.querySelector('[data-testid=step]')?.getAttribute('data-step') ?? 0) > 30,
    null,
    { timeout: 600_000 },
  );
  if (values.paused) {
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.locator('[data-testid=phase][data-phase=paused]').waitFor({ timeout: 600_000 });
  }
  await page.evaluate(watch);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  await devtools.send('Emulation.setCPUThrottlingRate', { rate });

  /** CPU time of the page's thread in tasks, in ms as if it were not slowed down. */
  async function pageCpu() {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return ((metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000) / rate;
  }
  /** @type {Map<string, number[]>} */
  const cpu = new Map();

  /**
   * @param {string} name
   * @param {() => Promise<unknown>} act
   */
  async function doing(name, act) {
    await page.evaluate((now) => Object.assign(globalThis, { doing: now }), name);
    // What the page does for this script is done before a hand comes.
    await page.waitForTimeout(200);
    const before = await pageCpu();
    await act();
    await page.waitForTimeout(500);
    cpu.set(name, [...(cpu.get(name) ?? []), (await pageCpu()) - before]);
  }

  /**
   * Hovers, and clicks when that has been answered.
   * @param {string} name
   * @param {import('@playwright/test').Locator} what
   */
  async function clicking(name, what) {
    await what.scrollIntoViewIfNeeded();
    const box = await what.boundingBox();
    if (box === null) throw new Error(`${name} is not shown.`);
    await doing(`hover before ${name}`, () => page.mouse.move(box.x + box.width / 2, box.y + box.height / 2));
    const words = await what.innerText();
    await doing(name, async () => {
      await page.mouse.down();
      await page.waitForTimeout(heldMs);
      await page.mouse.up();
    });
    // Asked after the measurement: what moved away meanwhile was not clicked.
    const hit = String(await page.evaluate(() => Reflect.get(globalThis, 'clicked')));
    if (hit.trim() !== words.trim()) throw new Error(`${name} was missed: "${hit}" was clicked.`);
  }

  /** @param {string[]} keys */
  async function typing(...keys) {
    for (const key of keys) {
      await page.keyboard.press(key, { delay: heldMs });
      await page.waitForTimeout(150);
    }
  }

  for (let round = 0; round < rounds; round++) {
    for (const name of ['Images', 'Model', 'Understand', 'Take home', 'Train'])
      await clicking(`place ${name}`, place(name));
    await clicking('place Understand', place('Understand'));
    for (const view of ['What each branch is for', 'Where it looks', 'Try it', 'What it gets wrong'])
      await clicking(`view ${view}`, views.getByRole('link', { name: view }));
    await clicking('place Train', place('Train'));
    const slider = page.getByTestId('moments');
    if (await slider.isVisible()) {
      const box = await slider.boundingBox();
      if (box !== null)
        await doing('moments slider', async () => {
          await page.mouse.move(box.x + 4, box.y + box.height / 2);
          await page.mouse.down();
          for (let i = 1; i <= 20; i++)
            await page.mouse.move(box.x + (i / 20) * box.width, box.y + box.height / 2);
          await page.mouse.up();
        });
      await doing('moments keys', async () => {
        await slider.focus();
        await page.waitForTimeout(300);
        await typing(...Array.from({ length: 6 }, () => 'ArrowLeft'));
      });
    }
    const chart = await page.locator('canvas').first().boundingBox();
    if (chart !== null)
      await doing('chart hover', async () => {
        for (let i = 1; i < 25; i++)
          await page.mouse.move(chart.x + (i / 25) * chart.width, chart.y + chart.height / 2);
      });
    for (const theme of ['Dark', 'Light']) await clicking('theme', page.getByTitle(theme, { exact: true }));
    await doing('tree keys', async () => {
      await page.locator('[data-module][tabindex="0"]').focus();
      await page.waitForTimeout(300);
      await typing('ArrowRight', 'ArrowUp', 'ArrowRight');
    });
    if (values.paused) continue;
    for (const name of ['Pause', 'Resume'])
      await clicking(name, page.getByRole('button', { name, exact: true }));
  }
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  const timed = /** @type {Timed[]} */ (await page.evaluate(() => Reflect.get(globalThis, 'timed')));
  /** @type {Map<string, Timed>} */
  const worst = new Map();
  for (const one of timed) {
    const known = worst.get(one.doing);
    if (known === undefined || known.duration < one.duration) worst.set(one.doing, one);
  }
  console.log(`${timed.length} events at ${rate} x; ${inpWords(timed)}; the slowest of each kind, in ms:`);
  for (const { doing: what, name, duration, delay, handling } of [...worst.values()].sort(
    (a, b) => b.duration - a.duration,
  )) {
    const most = Math.max(...(cpu.get(what) ?? [0]));
    console.log(
      `${String(duration).padStart(5)}  ${what} (${name}): waited ${delay}, handled ${handling}, painted ${duration - delay - handling}; CPU of the page ${most.toFixed(0)}`,
    );
  }
} finally {
  await browser.close();
  await server.close();
}
