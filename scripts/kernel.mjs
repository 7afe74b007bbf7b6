// `npm run kernel`: one kernel of the kernel engine on Dawn in Node or in Chromium, beside float64. The table
// of kernels and all that is computed is src/engine/checks/; this file only finds a device and prints.
import './setup/node-version.mjs';
import { createServer } from 'vite';
import { UserError } from './finetune/user-error.mjs';
import { parseKernelArguments, usage } from './kernel/arguments.mjs';
import { webgpuFlags } from './setup/browser-flags.mjs';
import { root } from './setup/paths.mjs';

/** @typedef {import('../src/engine/checks/try-kernel.ts').KernelRequest} KernelRequest */
/** @typedef {import('../src/engine/checks/try-kernel.ts').Tried} Tried */
/** @typedef {typeof import('../src/engine/checks/try-kernel.ts')} TryKernel */
/** @typedef {import('vite').ViteDevServer} Server */

const page = 'src/engine/checks/check-page.html';

/** @param {Server} server */
const loadTable = async (server) =>
  /** @type {TryKernel} */ (await server.ssrLoadModule('/src/engine/checks/try-kernel.ts'));

/** @param {Server} server @param {KernelRequest} request @returns {Promise<Tried>} */
async function onDawn(server, request) {
  const dawn = /** @type {typeof import('../bench/node-dawn.ts')} */ (
    await server.ssrLoadModule('/bench/node-dawn.ts')
  );
  await dawn.installDawn();
  const { openGpu } = /** @type {typeof import('../src/engine/gpu.ts')} */ (
    await server.ssrLoadModule('/src/engine/gpu.ts')
  );
  const { unwrap } = /** @type {typeof import('../src/shared/result.ts')} */ (
    await server.ssrLoadModule('/src/shared/result.ts')
  );
  const gpu = unwrap(await openGpu());
  try {
    return await (await loadTable(server)).tryKernel(gpu, request);
  } finally {
    gpu.close();
  }
}

/** @param {Server} server @param {KernelRequest} request @returns {Promise<Tried>} */
async function inChromium(server, request) {
  const [{ chromium }, { findBrowser, noBrowser }] = await Promise.all([
    import('@playwright/test'),
    import('./setup/browser.mjs'),
  ]);
  const executablePath = await findBrowser();
  if (executablePath === null) throw new UserError(noBrowser);
  await server.listen();
  const browser = await chromium.launch({ executablePath, args: webgpuFlags });
  try {
    const opened = await browser.newPage();
    await opened.goto(`${server.resolvedUrls?.local[0] ?? ''}${page}`);
    await opened.waitForFunction(() => 'engineChecks' in window);
    return await opened.evaluate((one) => window.engineChecks.tryKernel(one), request);
  } finally {
    await browser.close();
  }
}

/** @param {Server} server @param {KernelRequest} request @param {'dawn' | 'chromium' | 'either'} where */
async function tryIt(server, request, where) {
  if (where === 'chromium') return inChromium(server, request);
  try {
    return await onDawn(server, request);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    if (where === 'dawn')
      throw new UserError(
        `Dawn does not run it: ${reason.replace(/\.?$/, '.')} --chromium takes the browser.`,
      );
    console.log(`Dawn does not run it (${reason}); Chromium does.`);
    return inChromium(server, request);
  }
}

/** @param {string[]} argv */
async function main(argv) {
  const { request, list, table, print, where, help } = parseKernelArguments(argv);
  if (help) {
    console.log(usage);
    return;
  }
  const server = await createServer({
    root,
    configFile: false,
    server: { port: 0 },
    optimizeDeps: { entries: [page] },
    logLevel: 'error',
  });
  try {
    const { kernels, kernelOf, shapeInWords } = await loadTable(server);
    if (list)
      for (const [name, row] of kernels)
        console.log(`${name}  (${row.file})\n  ${row.about}\n  ${shapeInWords(row)}`);
    if (table) {
      const { stepTables } = /** @type {typeof import('../src/engine/checks/step-table.ts')} */ (
        await server.ssrLoadModule('/src/engine/checks/step-table.ts')
      );
      console.log(stepTables());
    }
    if (request === null) return;
    try {
      const { kernel, values, grid } = kernelOf(request);
      if (print) console.log(`${kernel.code.trim()}\n`);
      const shape = Object.entries(values).map(([key, value]) => `${key}=${value}`);
      console.log(`${kernel.name}\nshape       ${shape.join(',')}\nworkgroups  ${grid.join(' x ')}`);
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'WrongShape') throw new UserError(thrown.message);
      throw thrown;
    }
    const tried = await tryIt(server, request, where);
    console.log(`device      ${tried.device}${tried.software ? ' (emulated on the processor)' : ''}`);
    for (const { output, difference, allowed, values } of tried.differences) {
      const verdict = difference <= allowed ? 'agrees' : 'DIFFERS';
      const off = `${difference.toPrecision(3)} of ${allowed.toPrecision(3)} allowed`;
      console.log(`${output.padEnd(11)} ${verdict} with float64: ${off}, ${values} values`);
    }
    const clock = tried.timestamps ? 'the device’s own time' : 'time until the queue is done';
    console.log(`time        ${(1000 * tried.ms).toPrecision(3)} µs a dispatch (median, ${clock})`);
    if (!tried.agrees) process.exitCode = 1;
  } finally {
    await server.close();
  }
}

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  if (!(thrown instanceof UserError)) throw thrown;
  console.error(thrown.message);
  process.exitCode = 1;
}
// Dawn's addon keeps the process alive.
process.exit();
