// The test of every spec here: Playwright's, with the promises that hold on every page kept watch over. No
// content security violation (W3), in the page or in any worker, no request to another origin (W7), no error on
// the console, no exception. With GRAFT_OFFLINE=1 each test begins after a first visit, without a network.
import { basename } from 'node:path';
import { test as base, expect, type Page } from '@playwright/test';
import { pageWorkers } from '../scripts/setup/page-workers.mjs';

export { expect };

export interface Watch {
  /** Addresses of all requests so far. */
  readonly requests: string[];
  /** What went wrong so far. */
  readonly complaints: readonly string[];
  /** What a test expects to go wrong, removed from what is complained of. */
  readonly allowed: RegExp[];
}

const violationsName = 'graftViolations';

/** What the browser logs of workers: Playwright hands out only what they write to the console themselves. */
async function watchWorkers(page: Page, complain: (text: string) => void): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await pageWorkers(session, {
    attached: (worker) => void worker.send('Log.enable'), // tells of all entries, earlier ones too
    event: ({ url }, method, { entry }: { entry?: { source: string; level: string; text: string } }) => {
      if (method === 'Log.entryAdded' && entry?.source === 'security' && entry.level === 'error')
        complain(`content security in ${url}: ${entry.text}`);
    },
  });
}

async function watch(page: Page, origin: string, use: (watched: Watch) => Promise<void>): Promise<void> {
  const complaints: string[] = [];
  const watched: Watch = { requests: [], complaints, allowed: [] };
  await watchWorkers(page, (text) => complaints.push(text));
  await page.exposeFunction(violationsName, (text: string) => complaints.push(`content security: ${text}`));
  await page.addInitScript((name) => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      const report = (window as unknown as Record<string, (text: string) => void>)[name];
      report?.(`${violatedDirective} blocked ${blockedURI}`);
    });
  }, violationsName);
  page.on('request', (request) => {
    watched.requests.push(request.url());
    const { protocol, origin: to } = new URL(request.url());
    if (to !== origin && protocol !== 'blob:' && protocol !== 'data:')
      complaints.push(`request to ${request.url()}`);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  await use(watched);
  expect(complaints.filter((text) => !watched.allowed.some((pattern) => pattern.test(text)))).toEqual([]);
}

const isOffline = process.env['GRAFT_OFFLINE'] === '1';
/** Why a spec cannot do without a network. */
const needNetwork: Readonly<Record<string, string>> = {
  'hub.spec.ts': 'A network is its subject.',
  'offline.spec.ts': 'A network is its subject, and it goes offline by itself.',
  'determinism.spec.ts': 'The bare page that it drives is not among what is kept.',
  'leak.spec.ts': 'The bare page that it drives is not among what is kept.',
  'engine.spec.ts': 'Its page is made from the sources, and no part of the build.',
  'pixels.spec.ts': 'Its page is made from the sources, and no part of the build.',
  'playground.spec.ts': 'Its page is made from the sources, and no part of the build.',
};

/** The first visit, until everything is kept; from then on there is no network. */
async function visitOnce(page: Page): Promise<void> {
  await page.goto('./');
  await expect(page.getByTestId('offline')).toBeVisible({ timeout: 240_000 });
  await page.context().setOffline(true);
}

export const test = base.extend<{ watched: Watch }>({
  watched: [
    async ({ page, baseURL }, use, info) => {
      await watch(page, new URL(baseURL ?? '').origin, async (watched) => {
        if (isOffline) {
          const why = needNetwork[basename(info.file)];
          info.skip(why !== undefined, why ?? '');
          await visitOnce(page);
          watched.requests.length = 0;
        }
        await use(watched);
      });
    },
    { auto: true },
  ],
});
