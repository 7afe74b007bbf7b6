// One policy: in the header, in pages, in what hosts are told. A mirror of the Hub widens it by exactly its hosts,
// and nothing else can get into it.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { contentSecurityPolicy, mirrorOrigins, pagePolicy, responseHeaders } from './headers.mjs';

test('a mirror is named by its origins', () => {
  expect(mirrorOrigins(undefined)).toEqual([]);
  expect(mirrorOrigins('')).toEqual([]);
  expect(mirrorOrigins('https://hub.example.org/models, http://127.0.0.1:8080')).toEqual([
    'https://hub.example.org',
    'http://127.0.0.1:8080',
  ]);
});

test.each(['*', "'unsafe-inline'", 'hub.example.org', 'data:', 'https:'])('“%s” is refused', (text) => {
  expect(() => mirrorOrigins(text)).toThrow(/GRAFT_HUB/);
});

test('a page has the policy of the header, but for what browsers hear from headers alone', () => {
  expect(contentSecurityPolicy).toBe(`${pagePolicy}; frame-ancestors 'none'`);
});

test('docs/hosting.md names the headers', async () => {
  const hosting = await readFile(new URL('../docs/hosting.md', import.meta.url), 'utf8');
  for (const [name, value] of Object.entries(responseHeaders)) expect(hosting).toContain(`${name}: ${value}`);
});
