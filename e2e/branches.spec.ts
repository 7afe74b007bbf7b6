// What each branch of an ended run is for, in the app on wasm: switches by keyboard, the numbers of the run with
// all of them on, the ranking to its end, and the run as it was.
import { readFile } from 'node:fs/promises';
import { expectAccessible } from './accessible.ts';
import { button, expectPhase, go, goToView, openSmall } from './app.ts';
import { expect, test } from './graft-test.ts';

test('branches are switched and ranked, and the run stays as it is', async ({ page }, info) => {
  await openSmall(page, info, {
    ...{ steps: 3, batch: 8, split: { validationFraction: 0.5 } },
    dmlora: { branches: 2, branchesEnd: 1, targets: 'qv' },
  });
  await page.getByLabel('Backend').selectOption('wasm');
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  const accuracy = await page.getByTestId('result').getAttribute('data-accuracy');

  await goToView(page, 'What each branch is for');
  const card = page.locator('#branches');
  await button(page, 'Look at its branches').click();
  const imagined = page.getByTestId('imagined');
  await expect(imagined).toContainText('This is the run as it is.');
  const right = await imagined.getAttribute('data-right');
  await expectAccessible(page);

  // By keyboard alone: off, and on again, where the numbers are those of the run.
  const box = card.getByRole('checkbox').first();
  await box.focus();
  await page.keyboard.press('Space');
  await expect(imagined).toContainText('images right (95');
  await expect(imagined).toHaveAttribute('data-asking', 'false');
  await expect(box).toBeFocused();
  await card
    .getByRole('button', { name: /^Layers of block/ })
    .first()
    .click();
  const scalar = card.getByRole('slider').first();
  await scalar.focus();
  await page.keyboard.press('Home');
  await expect(card.getByText(/1 scalar by hand/)).toBeVisible();
  await expect(imagined).toHaveAttribute('data-asking', 'false');
  await expectAccessible(page);
  await button(page, 'All as in the run').click();
  await expect(imagined).toContainText('This is the run as it is.');
  await expect(imagined).toHaveAttribute('data-right', right ?? '');

  await card.getByRole('radio', { name: 'What removals cost' }).check();
  await button(page, 'Measure all removals').click();
  await expect(button(page, 'All are measured')).toBeVisible({ timeout: 120_000 });
  await expectAccessible(page);
  const saving = page.waitForEvent('download');
  await button(page, 'Removals as CSV').click();
  const file = info.outputPath('removals.csv');
  await (await saving).saveAs(file);
  const [head = '', ...rows] = (await readFile(file, 'utf8')).trim().split('\n');
  expect(head.startsWith('module,branch,images,')).toBe(true);
  expect(rows.length).toBeGreaterThan(1);

  await card.getByRole('radio', { name: 'How alike they are' }).check();
  // From before the first step to the end.
  await expect(page.getByTestId('ranks').getByRole('img')).toHaveCount(2);
  await expectAccessible(page);

  await expectPhase(page, 'finished');
  await go(page, 'Train');
  await expect(page.getByTestId('result')).toHaveAttribute('data-accuracy', accuracy ?? '');
});
