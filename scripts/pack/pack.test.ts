// Promises: a pack goes nowhere where files could be lost, takes what this system loads and no repository,
// and its commands say what holds there.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../setup/paths.mjs';
import { addonFolder, packagesOf, withoutOtherAddons } from './packages.mjs';
import { standInOf } from './stand-in.mjs';
import { emptyPack, targetFolder } from './target.mjs';

let place = '';
beforeAll(async () => {
  place = await mkdtemp(path.join(tmpdir(), 'graft-pack-test-'));
  for (const folder of ['repository/dist', 'empty', 'full', 'pack/node_modules/old', 'pack/out', 'pack/arms'])
    await mkdir(path.join(place, folder), { recursive: true });
  for (const file of ['file', 'full/graft.mjs', 'pack/graft.mjs', 'pack/commit.txt', 'pack/arms/own.json'])
    await writeFile(path.join(place, file), '');
  await symlink(path.join(place, 'repository'), path.join(place, 'link'), 'junction');
});
afterAll(() => rm(place, { recursive: true, force: true }));

const into = (...names: string[]): Promise<string> =>
  targetFolder(path.join(place, ...names), path.join(place, 'repository'));

test('a pack goes into a new or an empty folder or an earlier pack, outside of the repository', async () => {
  for (const name of ['new', 'new/deep', 'empty', 'pack', 'repository-2', '..named'])
    expect(path.relative(place, await into(name)).endsWith(path.normalize(name))).toBe(true);
  for (const name of [
    '',
    '..',
    'repository',
    'repository/dist',
    'repository/new',
    'repository/..new',
    'link/new',
  ])
    await expect(into(name), name).rejects.toThrow(/packed from: name a new folder/);
  await expect(into('file')).rejects.toThrow(/is a file: name/);
  await expect(into('full')).rejects.toThrow(/no earlier pack: name/);
});

test('of an earlier pack nothing stays but what people put there', async () => {
  await emptyPack(path.join(place, 'pack'));
  expect((await readdir(path.join(place, 'pack'))).sort()).toEqual(['arms', 'out']);
  expect(await readdir(path.join(place, 'pack/arms'))).toEqual(['own.json']);
});

test('Dawn is taken for one system, by the paths of any', () => {
  expect(addonFolder('darwin', 'arm64')).toBe('darwin-universal');
  expect(addonFolder('linux', 'x64')).toBe('linux-x64');
  for (const system of [path.posix, path.win32]) {
    const join = (...parts: string[]): string => system.join(...parts);
    const webgpu = join(system.sep, 'node_modules', 'webgpu');
    const takes = withoutOtherAddons(join(webgpu, 'dist'), 'win32-x64', system);
    const taken = ['', 'index.js', 'build/a', 'dist', 'dist/win32-x64', 'dist/win32-x64/dawn.node'];
    for (const file of taken) expect(takes(join(webgpu, file)), file).toBe(true);
    for (const file of ['dist/linux-x64', 'dist/win32-x64-2', 'dist/linux-x64/dawn.node'])
      expect(takes(join(webgpu, file)), file).toBe(false);
  }
});

test('stand-ins are taken for what they are meant for and for no other of their names', () => {
  const id = (file: string): string => path.join(root, file).replaceAll('\\', '/');
  expect(standInOf(id('scripts/setup/paths.mjs'))).toBe(id('scripts/pack/stand-ins/paths.mjs'));
  expect(standInOf(id('scripts/ablate/pages.ts'))).toBe(id('scripts/pack/stand-ins/pages.mjs'));
  for (const file of ['scripts/pack/stand-ins/paths.mjs', 'scripts/setup/node-version.mjs', 'src/paths.mjs'])
    expect(standInOf(id(file)), file).toBeNull();
});

test('a module belongs to the innermost package', () => {
  const ids = [
    '/r/node_modules/a/x.js',
    '/r/node_modules/a/node_modules/@b/c/d/x.js',
    '/r/src/x.ts',
    '\0helper',
  ];
  expect(packagesOf([...ids, '/r/node_modules/a/y.js'])).toEqual(['a', 'a/node_modules/@b/c']);
});

/** Runs the packed form's entry as it lies in the repository. */
function graft(...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [`${root}scripts/pack/graft.mjs`, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

test('a packed command has no browser, and its help says how it is called there', async () => {
  for (const flags of [['--runtime', 'browser'], ['--runtime=browser']]) {
    const { code, stdout, stderr } = await graft('finetune', ...flags, '--json');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^--runtime: .* leave --runtime out\.\n$/);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['fault']);
  }
  for (const name of ['finetune', 'ablate']) {
    const { code, stdout } = await graft(name, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Packed: .*"node graft.mjs ${name} \\[flags\\]".*node`));
    expect(stdout).toContain(`npm run ${name} --`);
  }
});
