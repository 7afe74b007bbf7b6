// Promise: Stop works from the click on Start on, and before the first step it leaves what is open as it was. That
// an earlier result stays too is kept by worker/session.test.ts, at every piece of work of a start: here the
// first step of a warm engine can come before the page hears that it may stop.
import type { Page } from '@playwright/test';
import { button, expectPhase, openSmall } from './app.ts';
import { expect, test } from './graft-test.ts';

/** Presses Start, and Stop as soon as it can be: within a frame, long before there is a first step. */
const startAndStop = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    const named = (name: string): HTMLButtonElement | undefined =>
      [...document.querySelectorAll('button')].find((one) => one.textContent.trim() === name);
    named('Start')?.click();
    while (named('Stop')?.ariaDisabled !== null) await new Promise((resolve) => setTimeout(resolve));
    named('Stop')?.click();
  });

test('a start that is stopped leaves all as it was, and Start works again', async ({ page }, info) => {
  await openSmall(page, info, { steps: 4, batch: 8 });
  await startAndStop(page);
  await expect(button(page, 'Start')).toBeEnabled();
  await expectPhase(page, 'idle');

  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  await expect(page.getByTestId('result')).toBeVisible();
});
