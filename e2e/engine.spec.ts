// The engine in a real browser over WebGPU (a software adapter is enough): the reference vectors by the same bodies as
// the unit tests. GRAFT_REFERENCE names another folder of vectors.
import { expect, test } from '@playwright/test';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServer, type ViteDevServer } from 'vite';
import type { CheckPage } from '../src/engine/testing/check-page.ts';

declare global {
  interface Window {
    engineChecks: CheckPage;
  }
}

const root = fileURLToPath(new URL('../', import.meta.url));
const reference = path.resolve(root, process.env['GRAFT_REFERENCE'] ?? 'testdata/reference');

let server: ViteDevServer;

test.beforeAll(async () => {
  server = await createServer({ root, configFile: false, server: { port: 0 }, logLevel: 'error' });
  await server.listen();
});

test.afterAll(async () => {
  await server.close();
});

for (const name of ['step zero', 'logits and gradients', 'trajectory', 'merge'])
  test(`reference vectors on autodiff, webgpu: ${name}`, async ({ page }) => {
    test.setTimeout(300_000);
    await page.route('**/reference/**', (route) => {
      const file = new URL(route.request().url()).pathname.replace('/reference/', '');
      return route.fulfill({ path: path.join(reference, file) });
    });
    await page.goto(`${server.resolvedUrls?.local[0] ?? ''}src/engine/testing/check-page.html`);
    await page.waitForFunction(() => 'engineChecks' in window);
    // Slack 1: on the software adapter that these tests ask for, WebGPU is as close as a processor (measured).
    const figures = await page.evaluate(
      (check) => window.engineChecks.run(check, 'autodiff', 'webgpu', 1),
      name,
    );
    console.info(`webgpu ${name}:`, JSON.stringify(figures));
    expect(Object.values(figures).every((value) => Number.isFinite(value))).toBe(true);
  });
