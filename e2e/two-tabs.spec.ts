// Promise: one tab trains, the others say so and show how far it is; when it has ended, or its tab has, they may.
import { button, expectPhase, openSmall, stepsDone } from './app.ts';
import { expect, test } from './graft-test.ts';

/** A run that is not over before the test is. */
const longRecipe = { steps: 50_000, batch: 8 };

test('of two tabs one trains and the other watches, until the first is over or gone', async ({
  page,
  context,
}, info) => {
  await openSmall(page, info, longRecipe);
  const other = await context.newPage();
  await openSmall(other, info, longRecipe);
  await expect(button(other, 'Start')).toBeEnabled();

  await button(page, 'Start').click();
  await expectPhase(page, 'training');
  const watched = other.getByTestId('other-tab');
  await expect(watched).toHaveAttribute('data-phase', 'training');
  await expect.poll(async () => Number(await watched.getAttribute('data-step'))).toBeGreaterThan(0);
  await expect(button(other, 'Start')).toBeDisabled();
  await expect(other.getByTestId('status')).toContainText('Another tab of Graft is training');

  await button(page, 'Stop').click();
  await expectPhase(page, 'finished');
  await expect(watched).toHaveCount(0);
  await button(other, 'Start').click();
  await expectPhase(other, 'training');
  // The first watches now; the second's tab ends without a word.
  await expect(page.getByTestId('other-tab')).toBeVisible();
  await expect(button(page, 'Start')).toBeDisabled();
  await expect.poll(() => stepsDone(other)).toBeGreaterThan(0);
  await other.close();
  await expect(page.getByTestId('other-tab')).toHaveCount(0);
  await expect(button(page, 'Start')).toBeEnabled();
});
