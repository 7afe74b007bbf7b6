// The engine's reference checks (src/engine/checks/) in a driven browser, on its WebGPU: the kernel engine must give
// the numbers of the reference vectors there too, and the automatic choice must know an emulated GPU.
import { createServer } from 'vite';
import { root } from '../setup/paths.mjs';

/**
 * @param {import('./driven.mjs').Driven} browser
 * @param {(line: string) => void} say
 * @throws {Error} with the tensor that is off
 */
export async function referenceChecks(browser, say) {
  const server = await createServer({
    root,
    configFile: false,
    server: { port: 0 },
    optimizeDeps: { entries: ['src/engine/checks/check-page.html'] },
    logLevel: 'error',
    // The page asks for the vectors at /reference/.
    plugins: [
      {
        name: 'reference',
        configureServer: ({ middlewares }) => {
          middlewares.use((request, _response, next) => {
            request.url = request.url?.replace(/^\/reference\//, '/testdata/reference/') ?? '/';
            next();
          });
        },
      },
    ],
  });
  try {
    await server.listen();
    await browser.open(`${server.resolvedUrls?.local[0] ?? ''}src/engine/checks/check-page.html`);
    const names = await browser.evaluate(async () => {
      while (!('engineChecks' in window)) await new Promise((resolve) => setTimeout(resolve, 100));
      return window.engineChecks.names;
    });
    const adapter = await browser.evaluate(async () => {
      const found = await navigator.gpu?.requestAdapter();
      if (found == null) return null;
      const { vendor, architecture, device, description, isFallbackAdapter } = found.info;
      return { vendor, architecture, device, description, isFallbackAdapter };
    });
    if (adapter === null) throw new Error('it has no WebGPU here');
    say(`adapter ${JSON.stringify(adapter)}`);
    for (const name of names) {
      const startedAt = performance.now();
      const figures = await browser.evaluate((check) => window.engineChecks.run(check, 'kernels', 1), name);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      say(`${name}: ${JSON.stringify(figures)} (${seconds} s)`);
    }
  } finally {
    await server.close();
  }
}
