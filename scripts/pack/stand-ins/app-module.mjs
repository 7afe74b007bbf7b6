// For scripts/setup/app-module.mjs: modules of the app that are built already.

/** @type {Readonly<Record<string, () => Promise<unknown>>>} */
const modules = {
  'scripts/ablate/ablate.ts': () => import('../../ablate/ablate.ts'),
  'src/recipe/read-recipe.ts': () => import('../../../src/recipe/read-recipe.ts'),
  'src/shared/describe-fault.ts': () => import('../../../src/shared/describe-fault.ts'),
  'src/shared/kept-sentence.ts': () => import('../../../src/shared/kept-sentence.ts'),
};

/**
 * @template T
 * @param {string} path from the repository's root
 * @returns {Promise<T>}
 */
export async function appModule(path) {
  const load = modules[path];
  if (load === undefined) throw new Error(`${path} is not packed`);
  return /** @type {T} */ (await load());
}
