// The test of every spec here: Playwright's, with the promises that hold on every page kept watch over. No
// content security violation (W3), no request to another origin (W7), no error on the console, no exception.
import { test as base, expect, type Page } from '@playwright/test';

export { expect };

export interface Watch {
  /** Addresses of all requests so far. */
  readonly requests: string[];
  /** What a test expects to go wrong, removed from what is complained of. */
  readonly allowed: RegExp[];
}

const violationsName = 'graftViolations';

async function watch(page: Page, origin: string, use: (watched: Watch) => Promise<void>): Promise<void> {
  const complaints: string[] = [];
  const watched: Watch = { requests: [], allowed: [] };
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

export const test = base.extend<{ watched: Watch }>({
  watched: [
    async ({ page, baseURL }, use) => watch(page, new URL(baseURL ?? '').origin, use),
    { auto: true },
  ],
});
