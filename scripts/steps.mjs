// What must pass, in one table: `npm test` runs every step of it, `npm run check` those that need Node alone.

/**
 * What a step needs beside Node and the packages of package-lock.json.
 * @typedef {'browser' | 'python'} Need
 */

/**
 * @typedef {object} Step
 * @property {string} title
 * @property {string} script of package.json
 * @property {readonly string[]} [args] of the script
 * @property {Need} [needs]
 * @property {string} [after] title of a step; where that failed, there is nothing for this one to look at
 * @property {'vitest' | 'playwright' | 'interop'} [report] what counts its tests; without it the step is one
 *   test
 */

/** @type {readonly Step[]} */
export const steps = [
  { title: 'Format', script: 'format' },
  { title: 'Types', script: 'types' },
  { title: 'Lint', script: 'lint' },
  { title: 'Import rule', script: 'imports' },
  { title: 'Unused code', script: 'unused' },
  { title: 'Unit tests', script: 'unit', report: 'vitest' },
  { title: 'Interoperability', script: 'interop', args: ['--quick'], needs: 'python', report: 'interop' },
  { title: 'Build', script: 'build' },
  { title: 'Size', script: 'size', after: 'Build' },
  { title: 'End-to-end tests', script: 'e2e', needs: 'browser', after: 'Build', report: 'playwright' },
];

/** The steps of `npm run check`. */
export const nodeSteps = steps.filter(({ needs }) => needs === undefined);
