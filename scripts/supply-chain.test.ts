// What Graft is built from: every package pinned by its content, from the registry that npm is set to, few
// direct ones, no install scripts but those named here, and licences that go with Apache-2.0.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

interface LockedPackage {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly inBundle?: boolean;
  readonly hasInstallScript?: boolean;
}
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const manifest = read('package.json') as Manifest;
const lock = read('package-lock.json') as { readonly packages: Readonly<Record<string, LockedPackage>> };
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

/**
 * The libraries that `npm run interop` loads exports in: a package of its own, which nothing of Graft
 * imports.
 */
const interopLock = read('scripts/interop/package-lock.json') as typeof lock;
const interopManifest = read('scripts/interop/package.json') as Pick<Manifest, 'dependencies'>;

/**
 * Packages that ask to run a script when installed. `npm ci --ignore-scripts` never runs it; none needs it.
 */
const installScripts = ['node_modules/webgpu'];

/** Licences of what reaches the user. */
const runtimeLicences = [
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  '0BSD',
  '(Apache-2.0 AND BSD-3-Clause)',
];

/**
 * Libraries of another licence: each is shipped as it came, in a file of its own that is only loaded where it
 * is needed and that anybody may put another build of it in place of, as the LGPL asks; README.md names it.
 */
const apart: readonly (readonly [path: string, licence: string])[] = [
  ['node_modules/libheif-js', 'LGPL-3.0'],
];

const violations = (breaks: (locked: LockedPackage) => boolean, of = packages): string[] =>
  of.filter(([, locked]) => breaks(locked)).map(([path]) => path);

describe('package-lock.json', () => {
  test('pins every package by its content', () => {
    expect(violations(({ integrity, inBundle }) => integrity === undefined && inBundle !== true)).toEqual([]);
  });

  // Where the registry is, is each machine's setting; .npmrc keeps npm from writing addresses down.
  test('names no address', () => {
    expect(violations(({ resolved, link }) => resolved !== undefined || link === true)).toEqual([]);
  });

  test('asks for no install script that is not known', () => {
    const scripted = violations(({ hasInstallScript }) => hasInstallScript === true);
    expect(scripted.filter((path) => !installScripts.includes(path))).toEqual([]);
  });

  test('gives the user only licences that go with Apache-2.0', () => {
    const other = ({ dev, license }: LockedPackage) =>
      dev !== true && !runtimeLicences.includes(license ?? 'none');
    expect(violations(other)).toEqual(apart.map(([path]) => path));
    expect(apart.map(([path]) => packages.find(([known]) => known === path)?.[1].license)).toEqual(
      apart.map(([, licence]) => licence),
    );
  });
});

describe('scripts/interop', () => {
  const locked = Object.entries(interopLock.packages).filter(([path]) => path !== '');

  test('pins every package by its content and names no address', () => {
    expect(violations(({ integrity }) => integrity === undefined, locked)).toEqual([]);
    expect(violations(({ resolved, link }) => resolved !== undefined || link === true, locked)).toEqual([]);
  });

  test('pins its direct dependencies to one version', () => {
    const direct = Object.values(interopManifest.dependencies);
    expect(direct.filter((range) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
  });
});

describe('package.json', () => {
  test('has at most 19 direct runtime dependencies', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(19);
  });

  test('pins every direct dependency to one version', () => {
    const direct = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(direct.filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([]);
  });
});
