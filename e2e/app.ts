// The app as a user sees it: opening files through its pickers, reading what it says.
import type { Locator, Page, TestInfo } from '@playwright/test';
import { writeFile } from 'node:fs/promises';
import { expect } from './graft-test.ts';
import { microModel } from './headless.ts';
import { writePictures } from './pictures.ts';

export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true });

/** Shows one of the five places, by the bar. */
export async function go(page: Page, place: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: place }).click();
  const shown = page.locator(`[data-testid=place]:visible`);
  await expect(shown).toHaveAttribute('aria-label', place);
  await expect(shown.getByRole('heading').first()).toBeVisible();
}

/** Shows a view of what is understood of a result. */
export async function goToView(page: Page, view: string): Promise<void> {
  await go(page, 'Understand');
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: view }).click();
}

/** Opens the page and waits until what ships with Graft is open. */
export async function openApp(page: Page): Promise<void> {
  await page.goto('./');
  await expect(page.getByTestId('data-title')).toBeVisible();
  await expect(page.getByTestId('model-title')).toBeVisible();
}

export async function openModel(page: Page, folder: string): Promise<void> {
  await go(page, 'Model');
  await page.getByTestId('pick-model-folder').setInputFiles(folder);
}

export async function openPictures(page: Page, folder: string): Promise<void> {
  await go(page, 'Images');
  await page.getByTestId('pick-images-folder').setInputFiles(folder);
}

/** Drops files and folders of the disk on the page, as a person does. */
export async function dropPaths(page: Page, ...files: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [...files], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: 700, y: 450, data });
  await session.detach();
}

/** Loads a recipe from a file, as a user does, and waits until its length shows. */
export async function loadRecipe(
  page: Page,
  recipe: { steps: number; [field: string]: unknown },
  path: string,
): Promise<void> {
  await writeFile(path, JSON.stringify(recipe));
  await go(page, 'Train');
  await page.getByTestId('pick-recipe').setInputFiles(path);
  await expect(page.getByTestId('total-steps')).toHaveAttribute('data-steps', String(recipe.steps));
}

export async function expectPhase(page: Page, phase: string): Promise<void> {
  await expect(page.getByTestId('phase')).toHaveAttribute('data-phase', phase, { timeout: 240_000 });
}

/** Steps done, as the page says. */
export async function stepsDone(page: Page): Promise<number> {
  return Number(await page.getByTestId('step').getAttribute('data-step'));
}

/** Starts a run that waits after its first step: one that starts and is paused may be over by then. */
export async function startWithStep(page: Page): Promise<void> {
  await button(page, 'Step').click();
  await expectPhase(page, 'paused');
}

/** Presses Step while paused and waits until the step is done and the run paused again. */
export async function singleStep(page: Page): Promise<void> {
  const before = await stepsDone(page);
  await button(page, 'Step').click();
  await expect(page.getByTestId('step')).toHaveAttribute('data-step', String(before + 1));
  await expectPhase(page, 'paused');
}

/** Opens the page with a micro model, six pictures a class and a recipe. */
export async function openSmall(
  page: Page,
  info: TestInfo,
  recipe: { steps: number; [field: string]: unknown },
): Promise<void> {
  await openApp(page);
  await openModel(page, microModel);
  await expect(page.getByTestId('model-title')).toHaveText('micro_vit_hf');
  await openPictures(page, await writePictures(info.outputPath('pictures'), 6));
  await expect(page.getByTestId('data-title')).toHaveText('pictures');
  await loadRecipe(page, recipe, info.outputPath('recipe.json'));
}
