// The browser: finds an installed Chrome or Chromium, else Playwright's own download; gets one where there is
// none.
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { runProgram, runTool } from './run-tool.mjs';

const names = [
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'chromium',
  'chromium-browser',
  'microsoft-edge',
];

/**
 * Where a browser usually lies, best first.
 * @param {NodeJS.Platform} platform
 * @param {NodeJS.ProcessEnv} env
 */
export function usualPlaces(platform, env) {
  const onPath = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  if (platform === 'darwin') {
    const apps = ['Google Chrome', 'Chromium', 'Microsoft Edge'];
    return ['/Applications', join(env['HOME'] ?? '', 'Applications')].flatMap((folder) =>
      apps.map((app) => `${folder}/${app}.app/Contents/MacOS/${app}`),
    );
  }
  if (platform === 'win32') {
    const programs = [env['PROGRAMFILES'], env['PROGRAMFILES(X86)'], env['LOCALAPPDATA']];
    const inside = ['Google\\Chrome\\Application\\chrome.exe', 'Chromium\\Application\\chrome.exe'];
    return programs.flatMap((folder) =>
      folder === undefined ? [] : inside.map((path) => `${folder}\\${path}`),
    );
  }
  return [
    ...names.flatMap((name) => onPath.map((folder) => join(folder, name))),
    '/usr/bin/google-chrome',
    '/opt/google/chrome/chrome',
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/snap/bin/chromium',
  ];
}

/**
 * Whether a browser is there and starts: a download may lack libraries of the system.
 * @param {string} path
 */
async function works(path) {
  try {
    await access(path, constants.X_OK);
    // On Windows `--version` opens a window instead.
    if (process.platform !== 'win32') await promisify(execFile)(path, ['--version'], { timeout: 30_000 });
    return true;
  } catch {
    return false;
  }
}

/**
 * Path of a browser that can be driven, or null: CHROME_PATH, an installed one, Playwright's download.
 * @returns {Promise<string | null>}
 * @throws {Error} with a sentence when CHROME_PATH names no browser
 */
export async function findBrowser() {
  const given = process.env['CHROME_PATH'];
  if (given !== undefined && given !== '') {
    if (await works(given)) return given;
    throw new Error(
      `CHROME_PATH names "${given}", which is no browser that starts: correct it, or unset it to have one looked for.`,
    );
  }
  for (const path of new Set(usualPlaces(process.platform, process.env))) {
    if (await works(path)) return path;
  }
  const { chromium } = await import('@playwright/test');
  const downloaded = chromium.executablePath();
  return downloaded !== '' && (await works(downloaded)) ? downloaded : null;
}

export const noBrowser =
  'No Chrome or Chromium was found: install one, name it in CHROME_PATH, or run "npx playwright install chromium".';

/**
 * The browser that is there, or else a new one: Playwright's download, then Debian's package.
 * @param {(line: string) => void} say
 * @returns {Promise<string>}
 * @throws {Error} with a sentence when there is none to be had
 */
export async function findOrInstallBrowser(say) {
  const found = await findBrowser();
  if (found !== null) return found;
  say('No Chrome or Chromium is installed: downloading one through Playwright ...');
  const limitMs = 10 * 60_000;
  await runTool('@playwright/test/cli.js', ['install', '--no-shell', 'chromium'], { limitMs, quiet: true });
  const downloaded = await findBrowser();
  if (downloaded !== null) return downloaded;
  if (process.platform === 'linux' && process.getuid?.() === 0) {
    say("That did not give one that starts: installing Debian's chromium ...");
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await runProgram('apt-get', ['update', '-qq'], { env, limitMs });
    await runProgram('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], {
      env,
      limitMs,
    });
    const packaged = await findBrowser();
    if (packaged !== null) return packaged;
  }
  throw new Error(noBrowser);
}
