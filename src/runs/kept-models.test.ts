// Promises of the copies of models: a model comes back file by file, once for all runs that need it, whole or
// not there whatever fails.
import { expect, test } from 'vitest';
import type { ModelSources } from '../checkpoints/open-model.ts';
import { unwrap } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { failingFiles } from '../storage/testing/failing-files.ts';
import { KeptModels } from './kept-models.ts';

const file = (path: string, text: string) => ({ path, blob: new Blob([text]) });
const plain: ModelSources = {
  files: [file('a/model.safetensors', 'weights'), file('a/config.json', '{}')],
  adapter: null,
};
const adapted: ModelSources = {
  ...plain,
  adapter: { as: 'branches', files: [file('b/adapter_model.safetensors', 'lora')] },
};

async function textOf(sources: ModelSources | null): Promise<unknown> {
  if (sources === null) return null;
  const texts = async (files: ModelSources['files']): Promise<[string, string][]> =>
    Promise.all(files.map(async ({ path, blob }) => [path, await blob.text()]));
  const { files, adapter } = sources;
  return [await texts(files), adapter === null ? null : [adapter.as, await texts(adapter.files)]];
}

test('a model comes back with its paths, and its adapter with its use', async () => {
  const models = new KeptModels(memoryFiles());
  const digests = new Set<string>();
  for (const sources of [
    plain,
    adapted,
    { ...adapted, adapter: { ...adapted.adapter!, as: 'merged' as const } },
  ]) {
    const digest = unwrap(await models.keep(sources));
    digests.add(digest);
    expect(await textOf(unwrap(await models.open(digest)))).toEqual(await textOf(sources));
  }
  expect(digests.size).toBe(3);
  expect(unwrap(await models.open('0'.repeat(64)))).toBeNull();
});

test('a model is kept once, and goes when no run needs it, but not on its day', async () => {
  const files = memoryFiles();
  const models = new KeptModels(files);
  const digest = unwrap(await models.keep(plain));
  const before = unwrap(await models.bytes());
  expect(unwrap(await models.keep(plain))).toBe(digest);
  expect(unwrap(await models.bytes())).toBe(before);
  const tomorrow = Date.now() + 25 * 3600 * 1000;
  unwrap(await models.prune(new Set([digest]), tomorrow));
  unwrap(await models.prune(new Set(), Date.now()));
  expect(unwrap(await models.bytes())).toBe(before);
  unwrap(await models.prune(new Set(), tomorrow));
  expect(unwrap(await models.bytes())).toBe(0);
});

test('whatever operation fails, a model is kept whole or not at all, and the next try keeps it', async () => {
  for (const lasting of [false, true])
    for (let at = 1; ; at++) {
      const files = memoryFiles();
      const failing = failingFiles(files, at, lasting);
      const done = await new KeptModels(failing.files).keep(adapted);
      if (failing.operations() < at) break;
      const models = new KeptModels(files);
      const digest = unwrap(await models.keep(adapted));
      if (done.ok) expect(done.value).toBe(digest);
      expect(await textOf(unwrap(await models.open(digest)))).toEqual(await textOf(adapted));
      expect((await files.list('kept-models')).filter(({ path }) => path.endsWith('.tmp'))).toEqual([]);
    }
});

test('a copy that has lost a file is not there', async () => {
  const files = memoryFiles();
  const models = new KeptModels(files);
  const digest = unwrap(await models.keep(plain));
  await files.remove(`kept-models/${digest}/0`);
  expect(unwrap(await models.open(digest))).toBeNull();
});
