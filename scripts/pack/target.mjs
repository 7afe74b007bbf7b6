// The folder that a pack goes into: one that holds nothing else, so that no file is lost and none of an
// earlier pack is taken for one of this.
import { readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

/** By these two an earlier pack is known. */
const marks = ['commit.txt', 'graft.mjs'];

/** What a pack is made of but for arms/, where people put their own: those of an earlier one are written over. */
const made = ['LICENSE', 'README.md', '_virtual', 'dist', 'node_modules', 'scripts', 'src', ...marks];

/**
 * @param {string} folder
 * @param {string} of
 */
function isInside(folder, of) {
  const way = relative(of, folder);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * Where a path leads once links are followed, whether or not it is there yet.
 * @param {string} path an absolute one
 * @returns {Promise<string>}
 */
async function placeOf(path) {
  const parent = dirname(path);
  return realpath(path).catch(async () =>
    parent === path ? path : join(await placeOf(parent), basename(path)),
  );
}

/**
 * @param {string} target as it was given
 * @param {string} repository its root
 * @returns {Promise<string>} the folder, which may be missing
 * @throws {Error} with a sentence where a pack does not belong there
 */
export async function targetFolder(target, repository) {
  const folder = await placeOf(resolve(target));
  const root = await realpath(repository);
  if (isInside(folder, root) || isInside(root, folder))
    throw new Error(
      `${folder} is, holds or lies in the folder that Graft is packed from: name a new folder outside of it.`,
    );
  const found = await stat(folder).catch(() => null);
  if (found === null) return folder;
  if (!found.isDirectory()) throw new Error(`${folder} is a file: name a new folder instead.`);
  const names = await readdir(folder);
  if (names.length > 0 && !marks.every((mark) => names.includes(mark)))
    throw new Error(`${folder} holds files that are no earlier pack: name a new or an empty folder.`);
  return folder;
}

/**
 * Removes what an earlier pack is made of; results and images that lie beside it stay.
 * @param {string} folder that targetFolder() took
 */
export async function emptyPack(folder) {
  for (const name of made) await rm(join(folder, name), { recursive: true, force: true });
}
