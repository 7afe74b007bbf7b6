// No serious accessibility violation in what is on the screen, in both colour themes.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect } from './graft-test.ts';

export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours that are still on their way from one theme to the other are no colours of the page. They are brought
    // there: one in a row that is out of sight (content-visibility) stands still, and to wait for it is for ever.
    await page.evaluate(async () => {
      const drawn = (): Promise<unknown> =>
        new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
      await drawn();
      for (const one of document.getAnimations())
        if (one.effect?.getTiming().iterations !== Infinity) one.finish();
      await drawn();
    });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    const told = serious.map(
      ({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' ')}`,
    );
    expect(told).toEqual([]);
  }
}
