// Runs cases in Chromium, each in a fresh page, and reads the CPU time of its processes around the steady
// steps.
import { openBench } from './browser.mjs';

/** @typedef {import('./report.mjs').Outcome} Outcome */

export async function browserRunner() {
  const bench = await openBench();
  /** @param {import('playwright-core').Page} page @param {string} method @param {unknown} argument */
  const call = (page, method, argument) =>
    page.evaluate(
      ([name, value]) => Reflect.get(Reflect.get(globalThis, 'bench'), String(name))(value),
      [method, argument],
    );
  return {
    runtime: `Chromium ${bench.version}`,
    async peak() {
      const page = await bench.page();
      try {
        return await call(page, 'peak', null);
      } finally {
        await page.close();
      }
    },
    /**
     * @param {import('./cases.mjs').Case} wanted
     * @param {{ steps: number | null, timestamps: boolean, profile: boolean }} options
     * @returns {Promise<Outcome>}
     */
    async run(wanted, options) {
      const page = await bench.page();
      try {
        const started = await call(page, 'start', wanted);
        const onWebGpu = !wanted.engine.endsWith('-wasm');
        const onRealGpu = onWebGpu && !started.software;
        const steps = options.steps ?? (onRealGpu ? 20 : 3);
        const before = await bench.cpu();
        const measured = await call(page, 'steps', steps);
        const after = await bench.cpu();
        const onGpu = onWebGpu && (onRealGpu || options.timestamps) ? await call(page, 'onGpu', steps) : null;
        const profile = options.profile ? await call(page, 'profile', null) : null;
        await call(page, 'stop', null);
        return {
          started,
          measured,
          onGpu,
          profile,
          gpuCpuMs:
            onWebGpu && before.gpu !== null && after.gpu !== null ? (after.gpu - before.gpu) / steps : null,
          pageCpuMs: (after.pages - before.pages) / steps,
        };
      } finally {
        await page.close().catch(() => undefined);
      }
    },
    close: () => bench.close(),
  };
}
