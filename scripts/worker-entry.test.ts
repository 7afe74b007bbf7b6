// Promise: a build in which a late part of a worker imports the worker's entry fails and says what to do; one
// whose entry only imports does not.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { workerEntryPlugin } from './worker-entry.mjs';

/** Builds a page whose worker has these files; what is thrown is given. */
async function built(files: Readonly<Record<string, string>>): Promise<unknown> {
  const root = await mkdtemp(path.join(tmpdir(), 'graft-worker-entry-'));
  const page = "new Worker(new URL('./entry.js', import.meta.url), { type: 'module' });";
  try {
    for (const [name, text] of Object.entries({ ...files, 'page.js': page }))
      await writeFile(path.join(root, name), text);
    await build({
      root,
      configFile: false,
      logLevel: 'silent',
      worker: { format: 'es', plugins: () => [workerEntryPlugin()] },
      build: { rolldownOptions: { input: path.join(root, 'page.js') } },
    });
    return null;
  } catch (thrown) {
    return thrown;
  } finally {
    await rm(root, { recursive: true });
  }
}

const shared = 'export const told = (words) => postMessage(words + Math.random());';
const late = "import { told } from './shared.js'; told('late');";

test('an entry that shares code with a late part is refused, one that only imports is not', async () => {
  const entry = "import { told } from './shared.js'; told('first'); import('./late.js');";
  const refused = await built({ 'shared.js': shared, 'late.js': late, 'entry.js': entry });
  expect(String(refused)).toContain('the entry of a worker, which WebKit then evaluates twice');
  const stub = {
    'shared.js': shared,
    'late.js': late,
    'first.js': entry,
    'entry.js': "import('./first.js');",
  };
  expect(await built(stub)).toBe(null);
});
