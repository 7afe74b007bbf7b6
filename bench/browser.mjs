// Builds the bench page, serves it on localhost and opens it in Chromium with WebGPU; reads the CPU time of
// processes.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
import { build } from 'vite';

const here = path.dirname(fileURLToPath(import.meta.url));

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/**
 * Flags for WebGPU on a machine without a GPU; GRAFT_CHROMIUM_ARGS replaces the last two on one with a GPU.
 */
const flags = [
  ...['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--enable-unsafe-webgpu', '--enable-features=Vulkan'],
  ...(process.env['GRAFT_CHROMIUM_ARGS'] ?? '--use-webgpu-adapter=swiftshader').split(' ').filter(Boolean),
];

/** Opens the bench page; `gpuProcess` is the id of Chromium's GPU process. */
export async function openBench() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'graft-bench-'));
  await build({
    root: here,
    base: './',
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2022',
      chunkSizeWarningLimit: 4000,
      rolldownOptions: { input: path.join(here, 'page.html') },
    },
  });
  const server = http.createServer((request, response) => {
    const name = path.join(folder, path.normalize((request.url ?? '/').split('?')[0] ?? '/'));
    if (!name.startsWith(folder) || !existsSync(name)) {
      response.writeHead(404).end();
      return;
    }
    const type = Object.entries(types).find(([end]) => name.endsWith(end))?.[1] ?? 'application/octet-stream';
    void readFile(name).then((body) => response.writeHead(200, { 'content-type': type }).end(body));
  });
  await new Promise((resolve) => server.listen(0, 'localhost', () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const executable = process.env['GRAFT_CHROMIUM'] ?? '/usr/bin/chromium';
  const browser = await chromium.launch({
    args: flags,
    ...(existsSync(executable) ? { executablePath: executable } : {}),
  });
  const session = await browser.newBrowserCDPSession();
  /** Every process of the browser, with its CPU time so far. */
  const processes = async () => (await session.send('SystemInfo.getProcessInfo')).processInfo;
  return {
    browser,
    version: browser.version(),
    /**
     * CPU milliseconds so far: of the GPU process (in the kernel's ticks where there is /proc), and of all
     * pages.
     */
    async cpu() {
      const list = await processes();
      const gpu = list.find(({ type }) => type === 'GPU');
      const pages = list.filter(({ type }) => type === 'renderer');
      return {
        gpu: gpu === undefined ? null : (cpuMs(gpu.id) ?? 1000 * gpu.cpuTime),
        pages: pages.reduce((sum, { id, cpuTime }) => sum + (cpuMs(id) ?? 1000 * cpuTime), 0),
      };
    },
    /** A fresh page, so that no engine inherits another's buffers. */
    async page() {
      const page = await browser.newPage();
      page.on('pageerror', (error) => console.error(`page: ${error.message}`));
      await page.goto(`http://localhost:${port}/page.html`);
      await page.waitForFunction(() => 'bench' in globalThis);
      return page;
    },
    async close() {
      await browser.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * CPU milliseconds that a process has used so far, in the kernel's ticks of 10 ms; null where /proc is
 * missing.
 * @param {number} id
 */
export function cpuMs(id) {
  const file = `/proc/${id}/stat`;
  if (!existsSync(file)) return null;
  const fields = readFileSync(file, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
