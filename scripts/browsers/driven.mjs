// Browsers of other makers, driven alike: Firefox over WebDriver BiDi by puppeteer-core, WebKit over WebDriver by
// plain requests. Finds what the machine has. Knows nothing of Graft.
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/**
 * @typedef {object} Driven
 * @property {string} name with its version
 * @property {(url: string) => Promise<void>} open
 * @property {<A extends readonly unknown[], T>(work: (...args: A) => T | Promise<T>, ...args: A) => Promise<T>} evaluate
 *   in the page; arguments and value are JSON
 * @property {string | null} downloads folder of its downloads; null where it takes none
 * @property {() => string[]} complaints what went wrong in the page, as far as the browser tells its driver
 * @property {() => Promise<void>} close
 */

/**
 * @param {readonly string[]} names
 * @param {string | undefined} given path from the environment
 * @returns {string | null}
 */
function onPath(names, given) {
  if (given !== undefined && given !== '') return given;
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/lib/webkit2gtk-driver'];
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

/** Path of Firefox, or null. */
export const findFirefox = () =>
  onPath(
    ['firefox-esr', 'firefox', '../Applications/Firefox.app/Contents/MacOS/firefox'],
    process.env['FIREFOX_PATH'],
  );

/** Path of WebKit's driver, or null. */
export const findWebkit = () => onPath(['WebKitWebDriver'], process.env['WEBKIT_DRIVER_PATH']);

/**
 * A package of scripts/browsers/package.json, which is not there where the types are checked.
 * @param {string} name
 */
const library = (name) => import(name);

/** @returns {Promise<string>} an empty folder, gone when the process ends well */
const scratch = () => mkdtemp(join(tmpdir(), 'graft-browser-'));

/** WebGPU in Firefox on any driver, one that emulates a GPU included. */
const firefoxGpu = {
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
};

/**
 * @param {string} executablePath
 * @param {boolean} gpu with WebGPU
 * @returns {Promise<Driven>}
 */
export async function startFirefox(executablePath, gpu) {
  const { default: puppeteer } = await library('puppeteer-core');
  const folder = await scratch();
  const downloads = join(folder, 'downloads');
  await mkdir(downloads);
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    userDataDir: join(folder, 'profile'),
    protocolTimeout: 600_000,
    extraPrefsFirefox: {
      'browser.download.dir': downloads,
      'browser.download.folderList': 2,
      'browser.download.always_ask_before_handling_new_types': false,
      ...(gpu ? firefoxGpu : {}),
    },
  });
  const page = await browser.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (/** @type {any} */ message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (/** @type {unknown} */ error) => complaints.push(`exception: ${String(error)}`));
  return {
    name: await browser.version(),
    async open(url) {
      await page.goto(url);
    },
    evaluate: (work, ...args) => page.evaluate(work, ...args),
    downloads,
    complaints: () => complaints,
    async close() {
      await browser.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * @param {string} driver path of WebKitWebDriver
 * @returns {Promise<Driven>}
 */
export async function startWebkit(driver) {
  const port = 20_000 + (process.pid % 20_000);
  const home = await scratch();
  // Under LANG=C its every Intl object ends with "invalid language tag: C" (2.50.6): no page with numbers opens.
  const env = { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, LANG: 'en_US.UTF-8' };
  // WebKit draws on a display, and has one made where there is none.
  const display = process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY'] ?? '';
  const [program, ...args] = [...(display === '' ? ['xvfb-run', '-a'] : []), driver, `--port=${port}`];
  const child = spawn(program ?? driver, args, { stdio: 'ignore', env, detached: true });
  const ended = new Promise((resolve) => child.on('close', resolve).on('error', resolve));

  /**
   * @param {'GET' | 'POST' | 'DELETE'} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} its value
   */
  async function ask(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = /** @type {{ value: any }} */ (await response.json());
    if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  }

  for (let tries = 0; ; tries++) {
    const ready = await ask('GET', '/status').catch(() => null);
    if (ready !== null) break;
    if (tries === 100) throw new Error(`${driver} does not answer; without a display it needs xvfb-run.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { sessionId, capabilities } = await ask('POST', '/session', { capabilities: { alwaysMatch: {} } });
  const session = `/session/${sessionId}`;
  await ask('POST', `${session}/timeouts`, { script: 600_000, pageLoad: 120_000 });
  return {
    name: `${capabilities.browserName} ${capabilities.browserVersion}`,
    open: (url) => ask('POST', `${session}/url`, { url }),
    async evaluate(work, ...args) {
      const script = `const done = arguments[1];
        Promise.resolve().then(() => (${work.toString()})(...arguments[0])).then(
          (value) => done({ value }), (thrown) => done({ thrown: String(thrown) }));`;
      const { value, thrown } = await ask('POST', `${session}/execute/async`, { script, args: [args] });
      if (thrown !== undefined) throw new Error(thrown);
      return value;
    },
    downloads: null,
    complaints: () => [],
    async close() {
      await ask('DELETE', session).catch(() => undefined);
      // The display too.
      if (child.pid !== undefined) process.kill(-child.pid);
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}

/**
 * The version of a package of Debian, for the report; null elsewhere.
 * @param {string} name
 */
export async function debianVersion(name) {
  try {
    const { stdout } = await promisify(execFile)('dpkg-query', ['-W', '-f=${Version}', name]);
    return stdout;
  } catch {
    return null;
  }
}
