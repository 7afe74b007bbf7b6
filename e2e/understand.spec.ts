// Promise: after a run the page says what the result gets wrong, with its images; every number on the screen is
// that which follows from the answers it gives away as CSV, and nothing of the run changes.
import type { Page } from '@playwright/test';
import { button, expectPhase, go, goToView, openSmall } from './app.ts';
import { expectAccessible } from './accessible.ts';
import { expect, test } from './graft-test.ts';
import { classNames } from './pictures.ts';
import { answersOf, type Row } from './understand-csv.ts';

const percent = (share: number): string => `${(100 * share).toFixed(1)}\u00a0%`;

/** Wilson's interval, written as its formula is printed. */
function wilson(right: number, n: number): [number, number] {
  const z = 1.959963984540054;
  const p = right / n;
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2));
  const middle = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  return [middle - half, middle + half];
}

async function expectNumbers(page: Page, rows: readonly Row[]): Promise<void> {
  const card = page.locator('#understand');
  const right = rows.filter((row) => row['class'] === row['answer']).length;
  const [low, high] = wilson(right, rows.length).map((share) => Math.round(100 * share));
  await expect(page.getByTestId('answers')).toContainText(`right: ${low} to ${high}\u00a0%`);
  await expect(page.getByTestId('answers')).toHaveAttribute('data-right', String(right));
  await expect(page.getByTestId('answers')).toHaveAttribute('data-images', String(rows.length));
  for (const row of rows) {
    const shares = classNames.map((name) => Number(row[`p(${name})`]));
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    expect(Number(row['confidence'])).toBe(Math.max(...shares));
    expect(row['answer']).toBe(classNames[shares.indexOf(Math.max(...shares))]);
  }
  const count = (label: string, answer: string): number =>
    rows.filter((row) => row['class'] === label && row['answer'] === answer).length;
  for (const [i, label] of classNames.entries())
    for (const [j, answer] of classNames.entries()) {
      const cell = page.getByTestId(`cell-${i}-${j}`);
      const n = count(label, answer);
      if (n === 0) await expect(cell).toHaveCount(0);
      else await expect(cell).toHaveText(String(n));
    }
  await card.getByRole('radio', { name: 'Classes' }).check();
  for (const name of classNames) {
    const images = rows.filter((row) => row['class'] === name).length;
    const answers = rows.filter((row) => row['answer'] === name).length;
    const hits = count(name, name);
    const figure = (of: string) =>
      page.getByTestId('class-figures').locator(`tr[data-class="${name}"] [data-figure="${of}"]`);
    await expect(figure('recall')).toContainText(percent(hits / images));
    await expect(figure('precision')).toContainText(answers === 0 ? 'none' : percent(hits / answers));
    await expect(figure('f1')).toContainText(percent((2 * hits) / (images + answers)));
  }
  await card.getByRole('radio', { name: 'How sure it is' }).check();
  const bins = Array.from({ length: 15 }, (_, bin) =>
    rows.filter((row) => Math.ceil(15 * Number(row['confidence'])) - 1 === bin),
  );
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const error = bins
    .filter((bin) => bin.length > 0)
    .map(
      (bin) =>
        (bin.length / rows.length) *
        Math.abs(
          mean(bin.map((row) => Number(row['right']))) - mean(bin.map((row) => Number(row['confidence']))),
        ),
    )
    .reduce((a, b) => a + b, 0);
  await expect(page.getByTestId('ece')).toContainText(percent(error));
}

test('what it gets wrong is what its answers say, and its images are shown', async ({ page }, info) => {
  await openSmall(page, info, { steps: 3, batch: 8, split: { validationFraction: 0.5 } });
  await go(page, 'Train');
  await page.getByLabel('Backend').selectOption('wasm');
  await button(page, 'Start').click();
  await expectPhase(page, 'finished');
  const accuracy = Number(await page.getByTestId('result').getAttribute('data-accuracy'));

  const card = page.locator('#understand');
  await goToView(page, 'What it gets wrong');
  await button(page, 'Look at its answers').click();
  await expect(page.getByTestId('confusion')).toBeVisible();
  await expectAccessible(page);
  const validation = await answersOf(page, info.outputPath('validation.csv'));
  expect(validation.filter((row) => row['right'] === '1').length / validation.length).toBeCloseTo(
    accuracy,
    9,
  );
  await expectNumbers(page, validation);
  await expectAccessible(page);

  // By keyboard alone: arrows from number to number, a press shows the images of the cell.
  await card.getByRole('radio', { name: 'Confusion' }).check();
  const cells = page.getByTestId('confusion').getByRole('button');
  await cells.first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const pressed = page.getByTestId('confusion').locator('button[aria-pressed="true"]');
  await expect(pressed).toBeFocused();
  const shown = Number(await pressed.getAttribute('data-count'));
  await expect(card.getByTestId('answered-image')).toHaveCount(shown);
  await expect(card.locator('img')).toHaveCount(shown);
  const first = await page.getByTestId('answered-image').first().getAttribute('data-image');
  expect(validation.map((row) => row['image'])).toContain(first);
  await expectAccessible(page);

  // An image of it leads to where the model looks: three maps of before and after, each in words.
  await goToView(page, 'Where it looks');
  const look = page.locator('#look');
  await look
    .getByRole('button', { name: /Where did it look/ })
    .first()
    .click();
  await expect(page.getByTestId('look-status')).toContainText('what tells of');
  const maps = page.getByTestId('look-maps').getByRole('img');
  await expect(maps).toHaveCount(6);
  for (const map of await maps.all())
    await expect(map).toHaveAttribute('aria-label', /(Before|After).*(Most at the|Nothing)/);
  await look.getByLabel('What tells of the class').selectOption({ index: 1 });
  await expect(page.getByTestId('look-status')).toContainText(`what tells of ${classNames[1]}`);
  await expectAccessible(page);

  // The training images are asked by themselves.
  await goToView(page, 'What it gets wrong');
  await card.getByRole('radio', { name: 'Training' }).check();
  await button(page, 'Look at its answers').click();
  await expect(page.getByTestId('answers')).toHaveAttribute('data-set', 'train');
  const training = await answersOf(page, info.outputPath('train.csv'));
  const seen = new Set([...validation, ...training].map((row) => row['image']));
  expect(seen.size).toBe(validation.length + training.length);
  await card.getByRole('radio', { name: 'Mistakes' }).check();
  const wrong = training.filter((row) => row['right'] === '0').length;
  await expect(card.getByTestId('answered-image')).toHaveCount(wrong);

  await expectPhase(page, 'finished');
  await go(page, 'Train');
  await expect(page.getByTestId('result')).toHaveAttribute('data-accuracy', String(accuracy));
});
