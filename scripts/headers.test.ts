// A mirror of the Hub widens the policy by exactly its hosts, and nothing else can get into the header.
import { expect, test } from 'vitest';
import { mirrorOrigins } from './headers.mjs';

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
