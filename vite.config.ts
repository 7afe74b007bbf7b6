// The build: two pages (the app and the bare page that `npm run finetune` drives), one module worker, the content
// security policy (scripts/headers.mjs) and the service worker (scripts/offline.mjs).
import { defineConfig } from 'vitest/config';
import react from '@vitejs/plugin-react';
import { execSync } from 'node:child_process';
import { policyPlugin } from './scripts/headers.mjs';
import { offlinePlugin } from './scripts/offline.mjs';
import { workerEntryPlugin } from './scripts/worker-entry.mjs';

/** The commit this build was made from, or the package's version outside git: pages and worker compare it. */
function buildId(): string {
  try {
    return execSync('git rev-parse --short=12 HEAD', { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return process.env['npm_package_version'] ?? 'unknown';
  }
}

export default defineConfig({
  base: './',
  plugins: [react(), policyPlugin(), offlinePlugin()],
  define: { __BUILD__: JSON.stringify(buildId()) },
  // The prefix tells scripts/size.mjs what is the worker's.
  worker: {
    format: 'es',
    plugins: () => [workerEntryPlugin()],
    rolldownOptions: { output: { chunkFileNames: 'assets/worker-[name]-[hash].js' } },
  },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { input: { index: 'index.html', headless: 'headless.html' } },
  },
  preview: { port: 4173, strictPort: false },
  test: {
    include: ['src/**/*.test.{ts,tsx}', 'scripts/**/*.test.ts', 'bench/**/*.test.ts'],
    environment: 'node',
    // tfjs publishes ES modules without saying so; Vite reads them as the browser build does.
    server: { deps: { inline: [/@tensorflow/] } },
    // What tfjs says in Node of other packages and of itself is no outcome of a test.
    onConsoleLog: (text) =>
      !/Hi, looks like you are running TensorFlow|Platform node has already been set/.test(text),
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
