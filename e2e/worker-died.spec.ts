// Promise: a training thread that ends, or turns in a circle, without a word is noticed and replaced, and the
// run goes on, or waits, where it was saved. The page's clock is the test's: half a minute of silence takes no
// time here.
import type { Page, Worker } from '@playwright/test';
import { button, expectPhase, openSmall, stepsDone } from './app.ts';
import { expect, test } from './graft-test.ts';

/** A run that is not over before the test is. */
const longRecipe = { steps: 50_000, batch: 8 };

function trainerOf(page: Page): Worker {
  // The last: one that turns in a circle may be listed after its end. Not those that help an engine.
  const found = page.workers().findLast((worker) => /trainer\.worker[^#]*$/.test(worker.url()));
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
  test(`a thread that ${how} is replaced, and the run goes on or waits where it was saved`, async ({
    page,
  }, info) => {
    await page.clock.install();
    await openSmall(page, info, longRecipe);
    await startTraining(page);
    // One that works is left in peace, however long it takes.
    for (let look = 0; look < 8; look++) {
      const before = await stepsDone(page);
      await page.clock.runFor(5_000);
      await expect.poll(() => stepsDone(page)).toBeGreaterThan(before);
    }
    /** Half a minute of the page's clock, in pieces, until another thread has the run in this phase. */
    const dieIn = async (phase: string): Promise<void> => {
      const dead = trainerOf(page);
      void dead.evaluate(code).catch(() => undefined);
      await expect(async () => {
        await page.clock.runFor(5_000);
        expect(trainerOf(page)).not.toBe(dead);
      }).toPass();
      // It fails, and is opened again.
      await expectPhase(page, phase);
      await expect(page.getByTestId('recovered')).toContainText('was replaced');
    };

    const saved = page.getByTestId('saved');
    await expect(saved).toBeVisible();
    await dieIn('training');
    const again = await stepsDone(page);
    await expect.poll(() => stepsDone(page)).toBeGreaterThan(again);

    await button(page, 'Pause').click();
    await expectPhase(page, 'paused');
    const at = await stepsDone(page);
    await expect(saved).toHaveAttribute('data-step', String(at));
    await dieIn('paused');
    expect(await stepsDone(page)).toBe(at);
    await expect(page.getByTestId('fault')).toHaveCount(0);
    await button(page, 'Resume').click();
    await expect.poll(() => stepsDone(page)).toBeGreaterThan(at);
    await button(page, 'Stop').click();
    await expectPhase(page, 'finished');
    await startTraining(page);
  });
