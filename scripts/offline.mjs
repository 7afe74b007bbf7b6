// The service worker of a build: src/service-worker.ts as dist/sw.js, behind one line that names every file it
// keeps, with its digest, and the headers that it serves them with. A digest that does not fit refuses the whole
// version, so that no half-copied folder on a host is ever mixed with another build.
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { build } from 'vite';
import { responseHeaders } from './headers.mjs';

/** Its name is its address on every host, for as long as there are pages that ask for it. */
export const serviceWorkerName = 'sw.js';

/**
 * @typedef {object} KeptFile
 * @property {string} url relative to the page
 * @property {string} revision changes with its bytes or its headers
 * @property {string} integrity digest, as `fetch` takes it
 * @property {number} bytes
 */

/**
 * Whether a file of the build is needed without a network: all that the app loads. The bare page of the headless
 * command has its own server, and texts are for people.
 * @param {string} url
 */
const isNeeded = (url) =>
  !url.endsWith('.md') &&
  !url.endsWith('.txt') &&
  !/^(?:headless|assets\/headless-)/.test(url) &&
  // The decoder of HEIC is 1.5 MB that few visits need: it is fetched when the first such picture is met.
  !/^assets\/(?:worker-)?(?:libheif|heic-pixels)-/.test(url) &&
  url !== serviceWorkerName;

/**
 * The files of a build that its service worker keeps.
 * @param {string} folder the build
 * @param {Readonly<Record<string, string>>} headers
 * @returns {Promise<KeptFile[]>}
 */
export async function keptFiles(folder, headers = responseHeaders) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const urls = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .split(sep)
        .join('/'),
    )
    .filter(isNeeded)
    .sort();
  return Promise.all(
    urls.map(async (url) => {
      const content = await readFile(join(folder, url));
      const digest = createHash('sha256').update(content).digest('base64');
      const revision = createHash('sha256').update(digest).update(JSON.stringify(headers)).digest('hex');
      return { url, revision: revision.slice(0, 16), integrity: `sha256-${digest}`, bytes: content.length };
    }),
  );
}

/**
 * A build's service worker: `code` behind the line about this build.
 * @param {string} folder the build
 * @param {string} code
 * @param {Readonly<Record<string, string>>} headers
 */
export async function serviceWorkerText(folder, code, headers = responseHeaders) {
  const kept = await keptFiles(folder, headers);
  const files = kept.map(({ url, revision, integrity }) => ({ url, revision, integrity }));
  return `self.graftBuild=${JSON.stringify({ files, headers })};\n${code}`;
}

/**
 * The service worker in `folder` with the headers of now: a mirror of the Hub (GRAFT_HUB) is named when the app
 * is started, not when it was built.
 * @param {string} folder the build
 */
async function serviceWorkerOfNow(folder) {
  const text = await readFile(join(folder, serviceWorkerName), 'utf8');
  const lineEnd = text.indexOf('\n');
  const line = text.slice(0, lineEnd);
  return line.includes(`"headers":${JSON.stringify(responseHeaders)}`)
    ? text
    : serviceWorkerText(folder, text.slice(lineEnd + 1));
}

/**
 * The plugin of Vite that gives a build its service worker.
 * @returns {import('vite').Plugin}
 */
export function offlinePlugin() {
  let [root, folder] = ['', ''];
  return {
    name: 'graft-offline',
    apply: (_config, { command, isPreview }) => command === 'build' || isPreview === true,
    configResolved(config) {
      [root, folder] = [config.root, join(config.root, config.build.outDir)];
    },
    async closeBundle(error) {
      if (error !== undefined) return;
      // One classic script: not every browser's service workers are modules.
      const made = await build({
        configFile: false,
        root,
        logLevel: 'error',
        define: { 'process.env.NODE_ENV': '"production"' },
        build: {
          target: 'es2022',
          write: false,
          lib: { entry: 'src/service-worker.ts', formats: ['iife'], name: 'serviceWorker' },
        },
      });
      const [output] = Array.isArray(made) ? made : [made];
      const chunk = output !== undefined && 'output' in output ? output.output[0] : undefined;
      if (chunk === undefined) throw new Error('The service worker was not built.');
      await writeFile(join(folder, serviceWorkerName), await serviceWorkerText(folder, chunk.code));
    },
    configurePreviewServer({ middlewares }) {
      middlewares.use(`/${serviceWorkerName}`, (_request, response, next) => {
        serviceWorkerOfNow(folder).then(
          (text) => {
            response.setHeader('Content-Type', 'text/javascript');
            response.setHeader('Cache-Control', 'no-cache');
            response.end(text);
          },
          () => next(), // No build has one: the server says that there is no such file.
        );
      });
    },
  };
}
