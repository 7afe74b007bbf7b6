// Promise: a training thread that ends, or turns in a circle, without a word is noticed and replaced, and the
// page works again. The page's clock is the test's: half a minute of silence takes no time here.
import type { Page, Worker } from '@playwright/test';
import { button, expectPhase, openSmall, stepsDone } from './app.ts';
import { expect, test } from './graft-test.ts';

/** A run that is not over before the test is. */
const longRecipe = { steps: 50_000, batch: 8 };

function trainerOf(page: Page): Worker {
  const found = page.workers().find((worker) => /trainer\.worker/.test(worker.url()));
  if (found === undefined) throw new Error('the page has no training thread');
  return found;
}

async function startTraining(page: Page): Promise<void> {
  await button(page, 'Start').click();
  await expectPhase(page, 'training');
  await expect.poll(() => stepsDone(page)).toBeGreaterThan(0);
}

const deaths = { ends: 'self.close()', 'turns in a circle': 'for (;;);' };

for (const [how, code] of Object.entries(deaths))
  test(`a thread that ${how} is replaced, and every button works again`, async ({ page }, info) => {
    await page.clock.install();
    await openSmall(page, info, longRecipe);
    await startTraining(page);
    // One that works is left in peace, however long it takes.
    for (let look = 0; look < 8; look++) {
      const before = await stepsDone(page);
      await page.clock.runFor(5_000);
      await expect.poll(() => stepsDone(page)).toBeGreaterThan(before);
    }
    // Paused, since a run that is under way goes on from its checkpoint by itself.
    await button(page, 'Pause').click();
    await expectPhase(page, 'paused');
    void trainerOf(page)
      .evaluate(code)
      .catch(() => undefined);
    await button(page, 'Stop').click();
    await expect(button(page, 'Start')).toBeDisabled();
    await expect
      .poll(async () => {
        await page.clock.runFor(5_000);
        return page.getByTestId('fault').first().getAttribute('data-kind');
      })
      .toBe('worker-died');
    await expectPhase(page, 'failed');
    await expect(page.getByTestId('fault').first()).toContainText('no sign of life for half a minute');
    await startTraining(page);
    await button(page, 'Stop').click();
    await expectPhase(page, 'finished');
  });
