// The set-up pieces of `npm start` and `npm test`: which Node, which packages, when to build, which steps,
// how tests are counted.
import { mkdtemp, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { usualPlaces } from './setup/browser.mjs';
import { newestChange } from './setup/build.mjs';
import { missingPackages } from './setup/install.mjs';
import { nodeIsSupported } from './setup/node-version.mjs';
import { root } from './setup/paths.mjs';
import {
  countOfInterop,
  countOfPlaywright,
  countOfVitest,
  skippedByFile,
  sum,
} from './setup/test-counts.mjs';
import { nodeSteps, steps } from './steps.mjs';

test.each([
  ['18.20.8', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['21.7.3', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['24.0.0', true],
])('Node %s is supported: %s', (version, supported) => {
  expect(nodeIsSupported(version)).toBe(supported);
});

describe('missing packages', () => {
  const wanted = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0' },
      'node_modules/b-darwin': { version: '2.0.0', optional: true },
    },
  };

  test('are all of them on a fresh clone', () => {
    expect(missingPackages(wanted, {})).toEqual(['node_modules/a', 'node_modules/b']);
  });

  test('are those of another version', () => {
    const installed = {
      packages: { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.9.0' } },
    };
    expect(missingPackages(wanted, installed)).toEqual(['node_modules/b']);
  });

  test('do not include builds for other systems', () => {
    const installed = {
      packages: { 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.0' } },
    };
    expect(missingPackages(wanted, installed)).toEqual([]);
  });
});

describe('the newest change below a folder', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graft-setup-'));
    await mkdir(join(folder, 'deep'));
    await writeFile(join(folder, 'deep', 'file'), '');
    await utimes(join(folder, 'deep'), 1000, 1000);
    await utimes(folder, 1000, 1000);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('is that of a file deep inside', async () => {
    await utimes(join(folder, 'deep', 'file'), 5000, 5000);
    expect(await newestChange(folder)).toBe(5_000_000);
  });

  test('is that of a folder where a file was removed', async () => {
    await utimes(join(folder, 'deep', 'file'), 500, 500);
    expect(await newestChange(folder)).toBe(1_000_000);
  });

  test('is 0 where there is nothing', async () => {
    expect(await newestChange(join(folder, 'missing'))).toBe(0);
  });
});

test('browsers are looked for where each system keeps them', () => {
  expect(usualPlaces('linux', { PATH: '/opt/bin' })).toContain('/opt/bin/chromium');
  expect(usualPlaces('linux', {})).toContain('/usr/bin/google-chrome');
  expect(usualPlaces('darwin', { HOME: '/home/me' })[0]).toContain('/Applications/Google Chrome.app');
  expect(usualPlaces('win32', { PROGRAMFILES: 'C:\\Programs' })).toEqual([
    'C:\\Programs\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Programs\\Chromium\\Application\\chrome.exe',
  ]);
});

describe('what must pass', () => {
  test('is the same table for `npm test` and `npm run check`, every step a script of package.json', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['test']).toBe('node scripts/test.mjs');
    expect(scripts['check']).toBe('node scripts/test.mjs --node-only');
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(steps.map(({ script }) => script)));
  });

  test('leaves out of `npm run check` what needs more than Node, and nothing else', () => {
    const left = steps.filter((step) => !nodeSteps.includes(step));
    expect(left.map(({ script, needs }) => [script, needs])).toEqual([
      ['interop', 'python'],
      ['e2e', 'browser'],
    ]);
  });

  test.each([{ chosen: steps }, { chosen: nodeSteps }])('comes after what it looks at', ({ chosen }) => {
    const titles = chosen.map(({ title }) => title);
    for (const { title, after } of chosen)
      if (after !== undefined) expect(titles.slice(0, titles.indexOf(title)), title).toContain(after);
  });
});

describe('test counts', () => {
  const vitest = {
    testResults: [
      {
        name: join(root, 'src/sums.test.ts'),
        status: 'failed',
        assertionResults: [
          { status: 'passed', fullName: 'adds' },
          {
            status: 'failed',
            fullName: 'divides',
            failureMessages: ['expected 1 to be 2\n\n  at sums.ts:3'],
          },
          { status: 'pending', fullName: 'needs data' },
          { status: 'pending', fullName: 'needs more' },
        ],
      },
      {
        name: join(root, 'src/odd.test.ts'),
        status: 'failed',
        message: 'no such file',
        assertionResults: [],
      },
    ],
  };

  test("sum Vitest's, a file that does not load included", () => {
    const { skipped, ...counts } = countOfVitest(vitest, 1);
    expect(counts).toEqual({
      passed: 1,
      failed: 2,
      failures: [
        'src/sums.test.ts > divides\n    expected 1 to be 2\n    at sums.ts:3',
        'src/odd.test.ts\n    no such file',
      ],
    });
    expect(skippedByFile(skipped)).toEqual(['src/sums.test.ts: needs data and 1 more']);
  });

  test("sum Playwright's over nested suites, with the reason of a skip", () => {
    const spec = (
      title: string,
      status: string,
      annotations: { type: string; description?: string }[] = [],
    ) => ({
      title,
      tests: [
        {
          status,
          annotations,
          results: [{ errors: [{ message: '\u001b[31mtoo late' }, { message: 'waits for x' }] }],
        },
      ],
    });
    const skip = [{ type: 'skip', description: 'no data' }];
    const report = {
      suites: [
        {
          title: 'a.spec.ts',
          specs: [spec('works', 'expected'), spec('parity', 'skipped', skip)],
          suites: [{ title: 'inside', specs: [spec('fails', 'unexpected'), spec('wavers', 'flaky')] }],
        },
      ],
    };
    expect(countOfPlaywright(report, 1)).toEqual({
      passed: 1,
      failed: 2,
      failures: ['inside > fails', 'inside > wavers'].map((name) => `${name}\n    too late\n    waits for x`),
      skipped: [{ where: 'a.spec.ts', what: 'parity (no data)' }],
    });
  });

  test('fail where the report is missing or the exit code knows better', () => {
    expect(countOfVitest(null, 0).failed).toBe(1);
    expect(countOfPlaywright({ suites: [] }, 1).failed).toBe(1);
    expect(countOfInterop(null, 0).failed).toBe(1);
    expect(countOfInterop({ checks: [], failed: 0, skipped: [] }, 124).failed).toBe(1);
  });

  test('add up', () => {
    const [x, y] = [
      { where: 'f', what: 'x' },
      { where: 'f', what: 'y' },
    ];
    const a = { passed: 2, failed: 0, failures: [], skipped: [x] };
    const b = { passed: 1, failed: 3, failures: ['z'], skipped: [y] };
    expect(sum([a, b])).toEqual({ passed: 3, failed: 3, failures: ['z'], skipped: [x, y] });
  });
});
