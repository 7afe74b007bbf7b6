// Promise: Stop works from the click on Start on. Before the first step it leaves everything as it was: what
// is open, and an earlier result with its way out.
import { button, expectPhase, loadRecipe, openApp } from './app.ts';
import { expect, test } from './graft-test.ts';

test('a start that is stopped leaves all as it was, an earlier result too', async ({ page }, info) => {
  await openApp(page);
  const split = { trainPerClass: 4, validationPerClass: 2 };
  await loadRecipe(page, { steps: 2, split }, info.outputPath('recipe.json'));
  await button(page, 'Start').click();
  await button(page, 'Stop').click();
  await expectPhase(page, 'idle');
  await expect(button(page, 'Start')).toBeEnabled();

  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  const accuracy = page.getByTestId('result');
  const before = await accuracy.textContent();
  await button(page, 'Start').click();
  await button(page, 'Start a new run').click();
  await button(page, 'Stop').click();
  await expectPhase(page, 'finished');
  await expect(accuracy).toHaveText(before ?? '');
  await button(page, 'Merge & export').click();
  await button(page, 'Write and prove').click();
  await expect(page.getByTestId('export-hf')).toHaveAttribute('data-offered', 'true');
});
