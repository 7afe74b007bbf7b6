// Any static host, for tests: files of folders below paths, with their types and nothing else, no header of
// Graft's and no fallback. What it serves can be exchanged, as a new version is put on a host.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

/** @type {Readonly<Record<string, string>>} */
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/**
 * @typedef {object} StaticHost
 * @property {string} origin without a "/" at its end
 * @property {Map<string, string>} folders what is served: path, with a "/" at both ends, and folder
 * @property {() => Promise<void>} close
 */

/**
 * Starts a host on a free port of this machine.
 * @param {readonly (readonly [path: string, folder: string])[]} served
 * @returns {Promise<StaticHost>}
 */
export async function startStaticHost(served) {
  const folders = new Map(served);

  /** @param {string} pathname */
  async function find(pathname) {
    const name = decodeURIComponent(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    const [path, folder] = [...folders].find(([below]) => name.startsWith(below)) ?? ['/', null];
    if (folder === null) throw new Error(`nothing is served at ${name}`);
    return { bytes: await readFile(join(folder, name.slice(path.length))), type: types[extname(name)] };
  }

  const server = createServer((request, response) => {
    find(new URL(request.url ?? '/', 'http://host').pathname).then(
      ({ bytes, type = 'application/octet-stream' }) => {
        response.setHeader('Content-Type', type);
        response.end(bytes);
      },
      () => {
        response.statusCode = 404;
        response.end();
      },
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The host has no port.');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    folders,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
