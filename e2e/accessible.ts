// No accessibility violation of any weight in what is on the screen, in both colour themes, the dark one with text
// of twice the size: what then scrolls must be reachable too.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect } from './graft-test.ts';

export async function expectAccessible(page: Page): Promise<void> {
  for (const [colorScheme, text] of [
    ['dark', '200%'],
    ['light', ''],
  ] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours that are still on their way from one theme to the other are no colours of the page. They are brought
    // there: one in a row that is out of sight (content-visibility) stands still, and to wait for it is for ever.
    await page.evaluate(async (size) => {
      document.documentElement.style.fontSize = size;
      const drawn = (): Promise<unknown> =>
        new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
      await drawn();
      for (const one of document.getAnimations())
        if (one.effect?.getTiming().iterations !== Infinity) one.finish();
      await drawn();
    }, text);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const told = violations.map(
      ({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' ')}`,
    );
    expect(told).toEqual([]);
  }
}
