// Places of an ablation in a headless browser.
import { chromium, type BrowserContext, type Page } from '@playwright/test';
import { deathOf, type Progress } from '../finetune/drive.mjs';
import { UserError } from '../finetune/user-error.mjs';
import { webgpuFlags } from '../setup/browser-flags.mjs';
import { findBrowser, noBrowser } from '../setup/browser.mjs';
import { serveApp } from '../setup/serve.mjs';
import type { PlacedJob, Places, Within } from './places.ts';
import { TrialPage, type Measured } from './trial.mjs';

/** Pages of one browser, in which images that one of them decoded are known to all. */
class Pages implements Places {
  readonly #open = new Map<number, { page: Page; trials: TrialPage; death: Promise<never> }>();

  constructor(
    private readonly context: BrowserContext,
    private readonly url: string,
  ) {}

  async run(place: number, { job }: PlacedJob, progress: Progress): Promise<Measured> {
    const { page, trials, death } = await this.#at(place);
    try {
      return await Promise.race([trials.run(job, progress), death]);
    } catch (thrown) {
      this.#open.delete(place);
      await page.close().catch(() => undefined);
      throw thrown;
    }
  }

  async #at(place: number): Promise<{ page: Page; trials: TrialPage; death: Promise<never> }> {
    const known = this.#open.get(place);
    if (known !== undefined) return known;
    const page = await this.context.newPage();
    const death = deathOf(page);
    const trials = await Promise.race([TrialPage.open(page, this.url), death]);
    const opened = { page, trials, death };
    this.#open.set(place, opened);
    return opened;
  }
}

/** Work with pages as places; they go when the signal aborts. */
export async function withPages<T>(signal: AbortSignal, work: Within<T>): Promise<T> {
  const executablePath = await findBrowser();
  if (executablePath === null) throw new UserError(noBrowser);
  const server = await serveApp(0);
  try {
    // Ctrl-C is the command's: what is done is written first.
    const quiet = { handleSIGINT: false, handleSIGTERM: false };
    const browser = await chromium.launch({ executablePath, args: webgpuFlags, ...quiet });
    try {
      const context = await browser.newContext();
      signal.addEventListener('abort', () => void context.close().catch(() => undefined), { once: true });
      return await work(new Pages(context, server.url));
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}
