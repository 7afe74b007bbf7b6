// Promise: a check by folds validates every image once, goes on after a reload on what it began with, and says one
// accuracy for all; its runs are runs like any other.
import { button, expectPhase, go, openSmall } from './app.ts';
import { expect, test } from './graft-test.ts';

test('three folds, with a reload in the second', async ({ page }, info) => {
  await openSmall(page, info, { steps: 6, batch: 4 });
  await page.getByLabel('Backend').selectOption('wasm');
  const card = page.getByRole('region', { name: 'Check it by folds' });
  await card.getByLabel('Folds').selectOption('3');
  await card.getByRole('button', { name: 'Check it by 3 folds' }).click();
  const queue = page.getByTestId('queue');
  await expect(queue).toHaveAttribute('data-done', '1');
  await expect(page.getByTestId('how-far')).toContainText('of 3');
  // The folder of the pictures is gone with the page: the rest is made of what is kept.
  await page.reload();
  await page.getByTestId('unfinished-queue').getByRole('button', { name: 'Continue with' }).click();
  await expect(queue).toHaveAttribute('data-done', '3');
  await expectPhase(page, 'finished');
  const result = page.getByTestId('folds-result');
  await expect(result.getByRole('heading', { level: 3 })).toContainText('of 18');
  const counts = await result.getByTestId('folds-confusion').locator('td').allTextContents();
  expect(counts.map(Number).reduce((a, b) => a + b, 0)).toBe(18);
  await go(page, 'Take home');
  for (const fold of [1, 2, 3]) await expect(page.getByText(`pictures, fold ${fold} of 3`)).toBeVisible();
  await go(page, 'Train');
  await button(page, 'Put it away').click();
  await expect(card.getByRole('button', { name: 'Check it by 5 folds' })).toBeVisible();
});
