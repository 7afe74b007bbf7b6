// Promise: the same seed gives the same run, bit for bit, on one machine and backend (F9), crops and mirror
// images included; another seed does not.
import type { Browser } from '@playwright/test';
import { expect, test } from './graft-test.ts';
import { microModel, train } from './headless.ts';
import { writePictures } from './pictures.ts';

const steps = 15; // drops at steps 2 and 6, stage 2 from step 12

for (const backend of ['webgpu', 'wasm'] as const) {
  test(`same seed, same losses on ${backend}`, async ({ browser }, info) => {
    const data = await writePictures(info.outputPath('pictures'), 8);
    const losses = async (seed: number) => {
      const page = await freshPage(browser);
      const events = await train(page, {
        model: microModel,
        data,
        recipe: { seed, steps, batch: 8, augment: 'crop+flip' },
        backend,
      });
      await page.close();
      return events.flatMap((event) => (event.kind === 'steps' ? event.rows : [])).map(({ loss }) => loss);
    };
    const first = await losses(5);
    expect(first).toHaveLength(steps);
    expect(await losses(5)).toEqual(first);
    // What the seed decides is the same code on both: once is enough, and half a minute less.
    if (backend === 'wasm') expect(await losses(6)).not.toEqual(first);
  });
}

/** A page of its own context: nothing of an earlier run is left. */
const freshPage = async (browser: Browser) => (await browser.newContext()).newPage();
