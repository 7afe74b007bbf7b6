// The built app in dist/: made when it is missing or older than what it is made from.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dist, root } from './paths.mjs';
import { runTool } from './run-tool.mjs';

/** Everything that the build reads. */
const inputs = [
  'src',
  'public',
  'index.html',
  'headless.html',
  'vite.config.ts',
  'scripts/headers.mjs',
  'scripts/offline.mjs',
  'package-lock.json',
];

/**
 * Time of the last change of a file or of anything in a folder, folders included (a deleted file changes its
 * folder); 0 when it does not exist.
 * @param {string} path
 * @returns {Promise<number>} ms
 */
export async function newestChange(path) {
  const found = await stat(path).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  const inside = await Promise.all((await readdir(path)).map((name) => newestChange(join(path, name))));
  return Math.max(found.mtimeMs, ...inside);
}

/** Whether dist/ is missing or older than a source. */
export async function buildIsStale() {
  const built = await stat(join(dist, 'index.html')).catch(() => null);
  if (built === null) return true;
  const changes = await Promise.all(inputs.map((input) => newestChange(join(root, input))));
  return Math.max(...changes) > built.mtimeMs;
}

/**
 * Builds the app where the sources are newer than dist/.
 * @param {(line: string) => void} say
 * @throws {Error} with a sentence when the build fails
 */
export async function buildApp(say) {
  if (!(await buildIsStale())) return;
  say('Building the app ...');
  // A mirror of the Hub is named by the server; what is built for that is not for one start only.
  // Playwright gives what it starts NODE_ENV=test, by which Vite takes React's development build.
  const env = { GRAFT_HUB: undefined, NODE_ENV: 'production' };
  const code = await runTool('vite/bin/vite.js', ['build', '--logLevel', 'error'], { env, toStderr: true });
  if (code !== 0) throw new Error('The app could not be built: the messages above say why.');
}
