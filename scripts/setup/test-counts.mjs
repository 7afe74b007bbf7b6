// Counts of tests out of the JSON reports of Vitest, Playwright and `npm run interop`. A report that is
// missing, or an exit code that says more than the report does, is a failure: no test may vanish.

/** @typedef {{ passed: number, failed: number, skipped: string[] }} Counts */

/**
 * @param {readonly Counts[]} all
 * @returns {Counts}
 */
export function sum(all) {
  return {
    passed: all.reduce((total, { passed }) => total + passed, 0),
    failed: all.reduce((total, { failed }) => total + failed, 0),
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
  exitCode !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;

/**
 * @param {unknown} report of Vitest's json reporter
 * @param {number} exitCode of Vitest
 * @returns {Counts}
 */
export function countOfVitest(report, exitCode) {
  const counts = { passed: 0, failed: 0, skipped: /** @type {string[]} */ ([]) };
  const { testResults = [] } =
    /** @type {{ testResults?: { status: string, assertionResults: { status: string, fullName: string }[] }[] }} */ (
      report ?? {}
    );
  for (const { status, assertionResults } of testResults) {
    for (const test of assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') counts.failed += 1;
      else counts.skipped.push(test.fullName);
    }
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) counts.failed += 1;
  }
  return withExitCode(counts, report === null ? 1 : exitCode);
}

/**
 * @typedef {{ title: string, suites?: Suite[], specs?: Spec[] }} Suite
 * @typedef {{ title: string, tests: { status: string, annotations?: { type: string, description?: string }[]
 *   }[] }} Spec
 */

/**
 * @param {unknown} report of Playwright's json reporter
 * @param {number} exitCode of Playwright
 * @returns {Counts}
 */
export function countOfPlaywright(report, exitCode) {
  const counts = { passed: 0, failed: 0, skipped: /** @type {string[]} */ ([]) };
  /** @param {Suite} suite */
  const visit = ({ title, suites = [], specs = [] }) => {
    for (const spec of specs) {
      for (const { status, annotations = [] } of spec.tests) {
        const reason = annotations.find(({ type }) => type === 'skip')?.description;
        if (status === 'expected') counts.passed += 1;
        else if (status === 'skipped')
          counts.skipped.push(`${title} ${spec.title}${reason === undefined ? '' : ` (${reason})`}`);
        else counts.failed += 1;
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
    skipped: skipped.map((line) => `interop: ${line}`),
  };
  return withExitCode(counts, report === null ? 1 : exitCode);
}
