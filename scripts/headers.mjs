// The response headers of every server that serves the built app here (preview, tests, headless command).
// The content security policy is the proof that images stay on the machine: it names every host that a page
// may talk to. 'wasm-unsafe-eval' lets the wasm fallback compile; nothing allows eval or inline script.

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

export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  [
    "connect-src 'self' https://huggingface.co https://*.hf.co",
    ...mirrorOrigins(process.env['GRAFT_HUB']),
  ].join(' '),
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const responseHeaders = {
  'Content-Security-Policy': contentSecurityPolicy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};
