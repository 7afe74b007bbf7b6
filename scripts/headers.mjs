// What a browser is told beside the built app's files: as headers of every answer of the server that serves
// it here (npm start, tests, headless command), in the pages themselves, and by the service worker, for hosts
// that send no headers. The content security policy is the proof that images stay on the machine: it names
// every host that a page may talk to. 'wasm-unsafe-eval' lets the wasm fallback compile; nothing allows eval
// or inline script.
import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

/**
 * Origins of a mirror of the Hub, from the environment variable GRAFT_HUB: addresses separated by commas, the
 * mirror's and those that it redirects to.
 * @param {string | undefined} text
 * @returns {string[]}
 * @throws {Error} with a sentence for what is no address
 */
export function mirrorOrigins(text) {
  const addresses = (text ?? '').split(',').map((address) => address.trim());
  return addresses
    .filter((address) => address !== '')
    .map((address) => {
      const url = URL.canParse(address) ? new URL(address) : null;
      if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
        throw new Error(
          `GRAFT_HUB: "${address}" is no address. Write it as https://host, several separated by commas.`,
        );
      return url.origin;
    });
}

const directives = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  [
    "connect-src 'self' https://huggingface.co https://*.hf.co",
    ...mirrorOrigins(process.env['GRAFT_HUB']),
  ].join(' '),
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
];

/** The policy inside a page, where browsers refuse to hear of frames. */
export const pagePolicy = directives.join('; ');

export const contentSecurityPolicy = [...directives, "frame-ancestors 'none'"].join('; ');

export const responseHeaders = {
  'Content-Security-Policy': contentSecurityPolicy,
  // Both together isolate the page: its workers may see its hand (src/shared/hand.ts).
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  // The camera shows pictures to a trained model, when its button is pressed.
  'Permissions-Policy': 'camera=(self), microphone=(), geolocation=()',
};

/**
 * The plugin of Vite that puts the policy into built pages, and the headers onto every answer of the preview
 * server, those that find nothing included; what a link in the served folder leads out of it to is not served.
 * @returns {import('vite').Plugin}
 */
export function policyPlugin() {
  return {
    name: 'graft-policy',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle }) =>
        // The development server's own client works by inline scripts.
        bundle === undefined
          ? []
          : [
              {
                tag: 'meta',
                attrs: { 'http-equiv': 'Content-Security-Policy', content: pagePolicy },
                injectTo: 'head-prepend',
              },
            ],
    },
    configurePreviewServer({ middlewares, config }) {
      const served = join(config.root, config.build.outDir);
      middlewares.use((request, response, next) => {
        for (const [name, value] of Object.entries(responseHeaders)) response.setHeader(name, value);
        void leadsOut(served, request.url ?? '/').then((out) => {
          if (!out) return next();
          response.statusCode = 404;
          response.end();
        });
      });
    },
  };
}

/**
 * Whether the file of an address lies outside the folder that is served, by a symbolic link.
 * @param {string} folder
 * @param {string} address path of a request
 */
async function leadsOut(folder, address) {
  try {
    const [path = '/'] = address.split('?');
    const [inside, file] = await Promise.all([
      realpath(folder),
      realpath(join(folder, decodeURIComponent(path))),
    ]);
    return file !== inside && !file.startsWith(inside + sep);
  } catch {
    return false; // There is no such file: the server says so itself.
  }
}
