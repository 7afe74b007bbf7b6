// The files that the command hands to the browser: paths on disk, and the path of each inside the folder that
// was chosen. What the files hold is the app's business; here it only counts that they exist.
import { access, constants, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UserError } from './user-error.mjs';

/** Files that the app unpacks. */
const archive = /\.(?:zip|tar|tgz|tar\.gz)$/i;

/** @typedef {{ readonly title: string, readonly disk: string[], readonly paths: string[] }} Collected */

/**
 * @param {string} flag
 * @param {string} path
 */
async function kindOf(flag, path) {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new UserError(`--${flag}: there is nothing at "${path}". Check the path.`);
  return found.isDirectory() ? 'folder' : 'file';
}

/**
 * A model of the Hub, where the path is no folder and reads like a name on it: owner/name, with or without
 * @revision. Mirror and token come from the environment, as the Hub's own tools take them; a token has no
 * place in a command line, which other users of the machine can read.
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<import('../../src/headless.ts').Files | null>}
 */
export async function hubModel(path, env) {
  return /^(?:hf-hub:)?[\w.-]+\/[\w.-]+(?:@[\w./-]+)?$/.test(path) ? ofHub(path, env) : null;
}

/**
 * A data set of the Hub, by the same rule: owner/name, also with a subset and a revision, as the app takes it. An
 * archive is none.
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<import('../../src/headless.ts').Files | null>}
 */
export async function hubImages(path, env) {
  const isNamed = /^(?:(?:hf:\/\/)?datasets\/)?[\w.-]+\/[\w.-]+(?:\/[\w.-]+)?(?:@[\w./-]+)?$/.test(path);
  return isNamed && !archive.test(path) ? ofHub(path, env) : null;
}

/**
 * @param {string} path
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<import('../../src/headless.ts').Files | null>}
 */
async function ofHub(path, env) {
  if (path.startsWith('.') || (await stat(path).catch(() => null)) !== null) return null;
  const [address = ''] = (env['GRAFT_HUB'] ?? '').split(',');
  return { kind: 'hub', model: path, address: address.trim(), token: env['HF_TOKEN'] ?? '' };
}

/** Weights, and the small files that describe them. */
const ofModels = /\.(?:safetensors|bin|pt|pth|ckpt|h5|onnx|msgpack|gguf|json)$/i;
/**
 * A trainer's folder has its checkpoints below it, an export its formats; what lies deeper belongs to
 * something else.
 */
const foldersDown = 2;

/**
 * The files of a model's folder and of those below it, of which the app chooses; links, as in a hub's cache,
 * are followed.
 * @param {string} path
 * @param {'model' | 'adapter'} flag
 * @returns {Promise<Collected>}
 */
export async function collectModel(path, flag = 'model') {
  if ((await kindOf(flag, path)) === 'file') {
    const name = basename(path);
    if (flag === 'model' && archive.test(name))
      return { title: name.replace(archive, ''), disk: [resolve(path)], paths: [name] };
    const holds =
      flag === 'model'
        ? 'model.safetensors and config.json, or a zip or tar of it'
        : 'adapter_config.json and adapter_model.safetensors';
    throw new UserError(`--${flag} takes the folder that holds ${holds}, and "${path}" is a file.`);
  }
  /** @type {string[]} */
  const paths = [];
  /**
   * @param {string} inside
   * @param {number} depth
   */
  const walk = async (inside, depth) => {
    for (const name of (await readdir(join(path, inside))).sort()) {
      if (name.startsWith('.') || name === 'node_modules') continue;
      const found = await stat(join(path, inside, name)).catch(() => null);
      const below = inside === '' ? name : `${inside}/${name}`;
      if (found?.isDirectory() === true && depth < foldersDown) await walk(below, depth + 1);
      else if (found?.isFile() === true && (inside === '' || ofModels.test(name))) paths.push(below);
    }
  };
  await walk('', 0);
  if (paths.length === 0) throw new UserError(`--${flag}: the folder "${path}" holds no files.`);
  return { title: basename(resolve(path)), disk: paths.map((name) => resolve(path, name)), paths };
}

/**
 * An archive, or every file below a folder in the order of their names. Links are followed, each folder once.
 * @param {'data' | 'validation'} flag
 * @param {string} path
 * @returns {Promise<Collected>}
 */
export async function collectImages(flag, path) {
  if ((await kindOf(flag, path)) === 'file') {
    const name = basename(path);
    return { title: name.replace(archive, ''), disk: [resolve(path)], paths: [name] };
  }
  /** @type {string[]} */
  const paths = [];
  const seen = new Set();
  /** @param {string} inside */
  const walk = async (inside) => {
    const folder = join(path, inside);
    const real = await realpath(folder);
    if (seen.has(real)) return;
    seen.add(real);
    for (const name of (await readdir(folder)).sort()) {
      const found = await stat(join(folder, name)).catch(() => null);
      const below = inside === '' ? name : `${inside}/${name}`;
      if (found?.isDirectory() === true) await walk(below);
      else if (found?.isFile() === true) paths.push(below);
    }
  };
  await walk('');
  if (paths.length === 0) throw new UserError(`--${flag}: the folder "${path}" holds no files.`);
  return { title: basename(resolve(path)), disk: paths.map((below) => resolve(path, below)), paths };
}

/**
 * Makes the folder for the files and checks that it can be written to: before training, not after.
 * @param {string} path
 */
export async function prepareOut(path) {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  } catch (thrown) {
    const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
    throw new UserError(`--out: "${path}" is no folder that can be written to (${why}). Name another one.`);
  }
}
