// The server of the built app: Vite's preview server with the headers of vite.config.ts, on this machine
// only.
import { preview } from 'vite';
import { root } from './paths.mjs';

/**
 * Serves dist/.
 * @param {number} port 0 takes any free one; any other gives way to the next free one
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} `url` ends with "/"
 */
export async function serveApp(port) {
  const server = await preview({
    root,
    // Two real pages: a missing file is a 404, not the app's page.
    appType: 'mpa',
    logLevel: 'error',
    preview: { port, host: '127.0.0.1', strictPort: false, open: false },
  });
  const [url] = server.resolvedUrls?.local ?? [];
  if (url === undefined) throw new Error('The server of the built app did not start.');
  return { url, close: () => server.close() };
}
