// Counts of tests out of the JSON reports of Vitest, Playwright and `npm run interop`. A report that is
// missing, or an exit code that says more than the report does, is a failure: no test may vanish.

import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { root } from './paths.mjs';

/**
 * `failures`: names of those that failed, each with the first lines of what went wrong; as many as the reports
 * name. `skipped`: by file, how many and one of them, or the reason.
 * @typedef {{ passed: number, failed: number, failures: string[], skipped: { where: string, what: string }[] }}
 *   Counts
 */

/** @returns {Counts} */
const none = () => ({ passed: 0, failed: 0, failures: [], skipped: [] });

/** Of an error, as much as tells it in a list: whole traces stand further up. */
const mostLines = 8;

/**
 * @param {string} name
 * @param {string | undefined} message
 * @returns {string}
 */
function failure(name, message = '') {
  const lines = stripVTControlCharacters(message)
    .split('\n')
    .filter((line) => line.trim() !== '');
  return [name, ...lines.slice(0, mostLines).map((line) => `    ${line.trim().slice(0, 300)}`)].join('\n');
}

/**
 * What was skipped, a line for each file.
 * @param {Counts['skipped']} skipped
 * @returns {string[]}
 */
export function skippedByFile(skipped) {
  return [...new Set(skipped.map(({ where }) => where))].map((where) => {
    const of = skipped.filter((one) => one.where === where);
    const more = of.length > 1 ? ` and ${of.length - 1} more` : '';
    return `${where}: ${of[0]?.what ?? ''}${more}`;
  });
}

/**
 * @param {readonly Counts[]} all
 * @returns {Counts}
 */
export function sum(all) {
  return {
    passed: all.reduce((total, { passed }) => total + passed, 0),
    failed: all.reduce((total, { failed }) => total + failed, 0),
    failures: all.flatMap(({ failures }) => failures),
    skipped: all.flatMap(({ skipped }) => skipped),
  };
}

/**
 * An exit code that is not 0 although no test failed (a file that does not load, an error outside tests) is
 * one failure.
 * @param {Counts} counts
 * @param {number} exitCode
 * @returns {Counts}
 */
const withExitCode = (counts, exitCode) =>
  exitCode !== 0 && counts.failed === 0
    ? { ...counts, failed: 1, failures: [`a program that ended with ${exitCode} though no test failed`] }
    : counts;

/**
 * @param {unknown} report of Vitest's json reporter
 * @param {number} exitCode of Vitest
 * @returns {Counts}
 */
export function countOfVitest(report, exitCode) {
  const counts = none();
  const { testResults = [] } =
    /** @type {{ testResults?: { name?: string, status: string, message?: string,
     *   assertionResults: { status: string, fullName: string, failureMessages?: string[] }[] }[] }} */ (
      report ?? {}
    );
  for (const { name = '', status, message, assertionResults } of testResults) {
    const where = name === '' ? 'a file' : relative(root, name);
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') {
        counts.failed += 1;
        counts.failures.push(failure(`${where} > ${test.fullName}`, test.failureMessages?.[0]));
      } else counts.skipped.push({ where, what: test.fullName });
    }
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) {
      counts.failed += 1;
      counts.failures.push(failure(where, message));
    }
  }
  return withExitCode(counts, report === null ? 1 : exitCode);
}

/**
 * @typedef {{ title: string, suites?: Suite[], specs?: Spec[] }} Suite
 * @typedef {{ title: string, tests: { status: string, annotations?: { type: string, description?: string }[],
 *   results?: { errors?: { message?: string }[] }[] }[] }} Spec
 */

/**
 * @param {unknown} report of Playwright's json reporter
 * @param {number} exitCode of Playwright
 * @returns {Counts}
 */
export function countOfPlaywright(report, exitCode) {
  const counts = none();
  /** @param {Suite} suite */
  const visit = ({ title, suites = [], specs = [] }) => {
    for (const spec of specs) {
      for (const { status, annotations = [], results = [] } of spec.tests) {
        const reason = annotations.find(({ type }) => type === 'skip')?.description;
        if (status === 'expected') counts.passed += 1;
        else if (status === 'skipped')
          counts.skipped.push({
            where: title,
            what: `${spec.title}${reason === undefined ? '' : ` (${reason})`}`,
          });
        else {
          counts.failed += 1;
          const errors = results.at(-1)?.errors ?? [];
          const messages = errors.map(({ message }) => message ?? '').join('\n');
          counts.failures.push(failure(`${title} > ${spec.title}`, messages));
        }
      }
    }
    suites.forEach(visit);
  };
  const { suites = [] } = /** @type {{ suites?: Suite[] }} */ (report ?? {});
  suites.forEach(visit);
  return withExitCode(counts, report === null ? 1 : exitCode);
}

/**
 * @param {unknown} report of `npm run interop -- --json`
 * @param {number} exitCode
 * @returns {Counts}
 */
export function countOfInterop(report, exitCode) {
  const {
    checks = [],
    failed = 0,
    skipped = [],
  } = /** @type {{ checks?: unknown[], failed?: number, skipped?: string[] }} */ (report ?? {});
  const counts = {
    passed: checks.length - failed,
    failed,
    failures: failed > 0 ? [`interop: ${failed} failed, as told above`] : [],
    skipped: skipped.map((line) => ({ where: 'interop', what: line })),
  };
  return withExitCode(counts, report === null ? 1 : exitCode);
}
