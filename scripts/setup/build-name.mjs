// What the sources are called in records.
import { execFileSync } from 'node:child_process';
import { root } from './paths.mjs';

/** Their commit, with "-dirty" where they were changed since; the version of the package outside of a repository. */
export function buildName() {
  try {
    const asked = ['describe', '--always', '--dirty', '--exclude', '*', '--abbrev=12'];
    return execFileSync('git', asked, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return process.env['npm_package_version'] ?? 'unknown';
  }
}
