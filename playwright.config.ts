// End-to-end tests: the built app, served with its real headers, in a real browser. Two files at once: most of
// a test is waiting. No retries: a test that passes at the second try hides a fault.
import { createServer } from 'node:net';
import { defineConfig } from '@playwright/test';
import { softwareWebgpuFlags } from './scripts/setup/browser-flags.mjs';
import { findBrowser, noBrowser } from './scripts/setup/browser.mjs';

/** A port that nothing listens on now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port);
        else reject(new Error('no port was given'));
      });
    });
  });
}

// Playwright reads this file again in its worker processes, which inherit the environment: chosen once.
process.env['GRAFT_E2E_PORT'] ??= String(await freePort());
// Where hub.spec.ts puts its stand-in for the Hub and for the Hub's storage; the policy of the page names
// both.
process.env['GRAFT_E2E_HUB_PORT'] ??= String(await freePort());
process.env['GRAFT_E2E_HUB_STORAGE_PORT'] ??= String(await freePort());
const hubAddresses = [process.env['GRAFT_E2E_HUB_PORT'], process.env['GRAFT_E2E_HUB_STORAGE_PORT']]
  .map((port) => `http://127.0.0.1:${port}`)
  .join(',');
const url = `http://127.0.0.1:${process.env['GRAFT_E2E_PORT']}/`;
process.env['CHROME_PATH'] ??= (await findBrowser()) ?? '';
const executablePath = process.env['CHROME_PATH'];
if (executablePath === '') throw new Error(noBrowser);

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results/e2e',
  workers: 2,
  retries: 0,
  forbidOnly: process.env['CI'] !== undefined,
  // Software rendering on a loaded machine is slow; a test that waits for a state waits this long at most.
  timeout: 300_000,
  expect: { timeout: 60_000 },
  reporter: [['list']],
  use: {
    baseURL: url,
    // Without pictures: taking them was a third of the processors' time of the whole suite.
    trace: { mode: 'retain-on-failure', screenshots: false },
    viewport: { width: 1280, height: 900 },
    // Each test opens a browser of its own: it need not fetch everything a second time. offline.spec.ts does,
    // and so does the whole suite without a network (GRAFT_OFFLINE=1, graft-test.ts).
    serviceWorkers: process.env['GRAFT_OFFLINE'] === '1' ? 'allow' : 'block',
    launchOptions: { executablePath, args: softwareWebgpuFlags },
  },
  webServer: {
    command: `node scripts/start.mjs --no-open --port ${process.env['GRAFT_E2E_PORT']}`,
    url,
    env: { GRAFT_HUB: hubAddresses },
    timeout: 300_000,
    stdout: 'ignore',
    stderr: 'pipe',
    reuseExistingServer: false,
  },
});
