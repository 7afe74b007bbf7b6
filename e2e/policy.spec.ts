// Promise: nothing that Graft does is against its content security policy. Every spec here fails where anything
// is; this one shows that it would, whoever does it.
import type { Page } from '@playwright/test';
import { openApp } from './app.ts';
import { expect, test } from './graft-test.ts';

/** A host that the policy does not name: the request is refused before it is made. */
const refused = 'https://elsewhere.invalid/x';
const ask = (url: string): Promise<string> =>
  fetch(url).then(
    () => 'answered',
    () => 'refused',
  );

const workerOf =
  (page: Page, name: RegExp): typeof ask =>
  async (url) => {
    const worker = page.workers().find((known) => name.test(known.url()));
    if (worker === undefined) throw new Error(`no worker is called ${name}`);
    return worker.evaluate(ask, url);
  };

const places: Record<string, (page: Page) => (url: string) => Promise<string>> = {
  'the page': (page) => (url) => page.evaluate(ask, url),
  'the training thread': (page) => workerOf(page, /trainer\.worker/),
  'a worker of a worker': (page) => workerOf(page, /image\.worker/),
};

for (const [place, from] of Object.entries(places))
  test(`a request against the policy from ${place} is refused, and fails a test`, async ({
    page,
    watched,
  }) => {
    await openApp(page);
    expect(watched.complaints).toEqual([]);
    expect(await from(page)(refused)).toBe('refused');
    await expect.poll(() => watched.complaints.some((text) => /elsewhere/.test(text))).toBe(true);
    expect(watched.complaints.join()).toMatch(/content security/i);
    watched.allowed.push(/elsewhere\.invalid/);
  });
