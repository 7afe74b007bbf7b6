// Loading from the Hub over real HTTP against the stand-in: every way a server can lie ends in a fault with
// words, and the cache holds what it held before, whole files, or parts that the next try goes on with.
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startHubStandIn, type HubStandIn, type Lie } from '../../scripts/testing/hub-stand-in.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import type { Result } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { ModelCache } from '../storage/model-cache.ts';
import type { OriginFiles } from '../storage/origin-files.ts';
import { fetchModel, type FetchedModel } from './fetch-model.ts';
import { refusalOf, type HubAccess } from './hub-fetch.ts';
import { pushModel } from './push-model.ts';

const folder = new URL('../../testdata/reference/micro_vit_hf/', import.meta.url);
const weights = new Uint8Array(await readFile(new URL('model.safetensors', folder)));
const config = await readFile(new URL('config.json', folder), 'utf8');
const readme = 'never fetched';

vi.setConfig({ testTimeout: 20_000 });

let hub: HubStandIn;
let files: OriginFiles;
let stop: AbortController;
beforeAll(async () => void (hub = await startHubStandIn()));
afterAll(() => hub.close());
beforeEach(() => {
  files = memoryFiles();
  stop = new AbortController();
  hub.repositories.clear();
  hub.requests.length = 0;
  hub.add('ann/vit', {
    'config.json': config,
    'model.safetensors': weights,
    'README.md': readme,
    'pytorch_model.bin': weights,
  });
});
afterEach(() => hub.honest());

const access = (token: string | null = null, base = hub.address): HubAccess => ({
  base,
  token,
  signal: stop.signal,
});
const noWait = (): Promise<void> => Promise.resolve();
const load = (
  id = 'ann/vit',
  { token = null as string | null, revision = 'main', base = hub.address } = {},
) => fetchModel(access(token, base), { id, revision }, new ModelCache(files), () => undefined, noWait);

async function contents(result: Result<FetchedModel>): Promise<Record<string, string>> {
  if (!result.ok) throw new Error(faultSentence(result.fault));
  const read = await Promise.all(
    result.value.files.map(
      async ({ path, blob }) => [path, Buffer.from(await blob.arrayBuffer()).toString('base64')] as const,
    ),
  );
  return Object.fromEntries(read);
}
const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
const good = { 'config.json': base64(config), 'model.safetensors': base64(weights) };
const names = async (): Promise<string[]> =>
  (await files.list('models')).map(({ path }) => path.slice(path.lastIndexOf('/') + 1)).sort();

describe('an honest Hub', () => {
  test('gives exactly the needed files, pinned to the commit', async () => {
    const loaded = await load();
    expect(await contents(loaded)).toEqual(good);
    expect(loaded.ok && loaded.value).toMatchObject({
      licence: 'apache-2.0',
      notes: [expect.stringContaining('held in memory')],
      snapshot: { commit: hub.repositories.get('ann/vit')?.commit },
    });
    expect(await names()).toEqual(['config.json', 'main.json', 'model.safetensors']);
    const resolved = hub.requests.filter(({ url }) => url.includes('/resolve/'));
    expect(resolved.map(({ url }) => url.split('/').at(-1)).sort()).toEqual([
      'config.json',
      'model.safetensors',
    ]);
    expect(resolved.every(({ url }) => url.includes(hub.repositories.get('ann/vit')?.commit ?? '-'))).toBe(
      true,
    );
  });

  test('gives how images are prepared, from whichever file says it', async () => {
    const whole = '{"image_processor":{}}';
    const repository = { 'config.json': config, 'model.safetensors': weights, 'tokenizer.json': '{}' };
    for (const files of [
      { 'processor_config.json': whole },
      { 'preprocessor_config.json': '{}' },
      { 'processor_config.json': whole, 'preprocessor_config.json': '{}' },
    ]) {
      hub.add('ann/clip', { ...repository, ...files });
      const expected = Object.entries(files).map(([name, text]) => [name, base64(text)]);
      expect(await contents(await load('ann/clip'))).toEqual({ ...good, ...Object.fromEntries(expected) });
    }
  });

  test('is asked for nothing but the commit the second time', async () => {
    await load();
    hub.requests.length = 0;
    expect(await contents(await load())).toEqual(good);
    expect(hub.requests.map(({ url }) => url.split('?')[0])).toEqual(['/api/models/ann/vit/revision/main']);
  });

  test('is not asked at all for a commit that is here', async () => {
    await load();
    hub.requests.length = 0;
    expect(
      await contents(await load('ann/vit', { revision: hub.repositories.get('ann/vit')?.commit ?? '' })),
    ).toEqual(good);
    expect(hub.requests).toEqual([]);
  });

  test('gives the new state when the revision has moved on', async () => {
    await load();
    hub.add('ann/vit', { 'config.json': `${config} `, 'model.safetensors': weights });
    expect(await contents(await load())).toEqual({ ...good, 'config.json': base64(`${config} `) });
  });

  test('gives shards that the index names, and no others', async () => {
    const index = JSON.stringify({
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    });
    const shards = {
      'model-00001-of-00002.safetensors': weights.slice(0, 50_000),
      'model-00002-of-00002.safetensors': weights.slice(50_000),
    };
    hub.add('ann/shards', {
      'config.json': config,
      'model.safetensors.index.json': index,
      ...shards,
      'other.safetensors': weights,
    });
    expect(Object.keys(await contents(await load('ann/shards'))).sort()).toEqual(
      ['config.json', ...Object.keys(shards), 'model.safetensors.index.json'].sort(),
    );
  });

  test('tells progress in bytes that ends at the total', async () => {
    const told: [number, number][] = [];
    await fetchModel(
      access(),
      { id: 'ann/vit', revision: 'main' },
      new ModelCache(files),
      (done, total) => void told.push([done, total]),
    );
    const total = weights.length + Buffer.byteLength(config);
    expect(told.at(-1)).toEqual([total, total]);
    expect(told.every(([done, of]) => done <= of && of === total)).toBe(true);
  });

  test('hears the token on its own host only', async () => {
    hub.add('ann/secret', { 'config.json': config, 'model.safetensors': weights }, { hidden: 'private' });
    expect(await contents(await load('ann/secret', { token: hub.token }))).toEqual(good);
    const heard = (host: string) =>
      new Set(
        hub.requests.filter((request) => request.host === host).map(({ authorization }) => authorization),
      );
    expect(heard('hub')).toEqual(new Set([`Bearer ${hub.token}`]));
    expect(heard('storage')).toEqual(new Set([undefined]));
    expect(hub.requests.some(({ url }) => url.includes(hub.token))).toBe(false);
    for (const { path } of await files.list('models')) {
      const blob = await files.read(path);
      expect(await blob?.text()).not.toContain(hub.token);
    }
  });
});

describe('refusals', () => {
  const refusal = async (result: Promise<Result<FetchedModel>>): Promise<string> => {
    const loaded = await result;
    if (loaded.ok) throw new Error('it was loaded');
    expect(await names()).toEqual([]);
    return `${loaded.fault.kind === 'hub' ? loaded.fault.why : loaded.fault.kind}: ${faultSentence(loaded.fault)}`;
  };

  test('of a repository that is not there, or hidden', async () => {
    expect(await refusal(load('ann/none'))).toMatch(/^unauthorised: .*private or not exist.*access token/);
    expect(await refusal(load('ann/none', { token: hub.token }))).toMatch(/^not-found: /);
    expect(await refusal(load('ann/vit', { token: 'hf_another' }))).toMatch(
      /^unauthorised: .*does not accept the token/,
    );
  });

  test('repeat no token, whatever a server says of it, and nothing that reads backwards', () => {
    const secret = 'hf_abcdefghij0123';
    const said = (message: string): string => {
      const headers = { 'X-Error-Message': message };
      const refused = refusalOf(new Response('', { status: 403, headers }), access(secret));
      return refused === null ? '' : faultSentence(refused);
    };
    expect(said(`The token ${secret} may not write.`)).toContain('It says: The token hf_… may not write.');
    for (const message of [`Authorization: Bearer ${secret}`, 'not hf_zyxwvutsrq', 'bearer other-secret-1'])
      expect(said(message)).not.toMatch(/abcdefghij|zyxwvutsrq|other-secret/);
    expect(said('x'.repeat(5000)).length).toBeLessThan(500);
    expect(said('Ask the owner.')).toContain('It says: Ask the owner.');
  });

  test('of a revision that is not there', async () => {
    expect(await refusal(load('ann/vit', { revision: 'v9' }))).toMatch(
      /^not-found: .*this revision.*after the @/,
    );
  });

  test('of a gated repository', async () => {
    hub.add('ann/gated', { 'config.json': config, 'model.safetensors': weights }, { hidden: 'gated' });
    expect(await refusal(load('ann/gated'))).toMatch(/^gated: .*Accept the terms/);
    expect(await contents(await load('ann/gated', { token: hub.token }))).toEqual(good);
  });

  test('of a repository with pickles only, without weights, without a configuration', async () => {
    hub.add('ann/pickle', { 'config.json': config, 'pytorch_model.bin': weights });
    hub.add('ann/text', { 'README.md': readme });
    hub.add('ann/bare', { 'model.safetensors': weights });
    expect(await refusal(load('ann/pickle'))).toMatch(
      /^pickle-only: .*pytorch_model\.bin.*does not run pickled code/,
    );
    expect(await refusal(load('ann/text'))).toMatch(/^no-model: .*no weights/);
    expect(await refusal(load('ann/bare'))).toMatch(/^no-model: .*no config\.json/);
  });

  test('of a repository with an adapter and nothing else, by the base it is for', async () => {
    const adapter = { 'adapter_config.json': '{"base_model_name_or_path":"ann/vit"}' };
    for (const rest of [
      { 'adapter_model.safetensors': weights },
      { 'adapter_model.bin': weights, 'config.json': config },
    ]) {
      hub.add('ann/lora', { ...adapter, ...rest });
      expect(await refusal(load('ann/lora'))).toMatch(/^adapter-alone: .*PEFT adapter for ann\/vit/);
      expect(await names()).toEqual([]);
    }
    hub.add('ann/both', {
      ...adapter,
      'adapter_model.safetensors': weights,
      'config.json': config,
      'model.safetensors': weights,
    });
    expect(await contents(await load('ann/both'))).toEqual(good);
  });

  test('with 429 and the time to wait', async () => {
    hub.lie(/revision/, { kind: 'status', status: 429, headers: { 'Retry-After': '77' } });
    expect(await refusal(load())).toMatch(/^rate-limited: .*wait 77 seconds/);
  });

  test.each([
    ['403', { kind: 'status', status: 403 }, /^forbidden/],
    ['a web page with status 200', { kind: 'html' }, /^not-the-hub: .*web page/],
    ['JSON that breaks off', { kind: 'json' }, /^not-the-hub/],
    ['a server that fails', { kind: 'status', status: 502 }, /^server: .*502/],
  ] as const)('by the API with %s', async (_, lie, words) => {
    hub.lie(/\/api\//, lie);
    expect(await refusal(load())).toMatch(words);
  });

  test('by a port that nobody listens on', async () => {
    expect(await refusal(load('ann/vit', { base: 'http://127.0.0.1:9' }))).toMatch(/^unreachable: .*CORS/);
  });
});

describe('lies about a file', () => {
  const onWeights = /\/files\//;
  const told: readonly [string, RegExp, Lie, RegExp][] = [
    ['404', /resolve.*model\.safetensors/, { kind: 'status', status: 404 }, /^not-found/],
    ['403 of the storage host', onWeights, { kind: 'status', status: 403 }, /^forbidden/],
    [
      '429 again and again',
      onWeights,
      { kind: 'status', status: 429, headers: { 'Retry-After': '1' } },
      /^rate-limited/,
    ],
    ['500 again and again', onWeights, { kind: 'status', status: 500 }, /^server/],
    ['a web page with status 200', onWeights, { kind: 'html' }, /^not-the-hub/],
    ['a web page in place of config.json', /resolve.*config\.json/, { kind: 'html' }, /^not-the-hub/],
    ['a Git LFS pointer', onWeights, { kind: 'pointer' }, /^pointer: .*LFS pointer/],
    ['one wrong bit', onWeights, { kind: 'flip' }, /^digest: .*Nothing of it was kept/],
    ['one wrong bit in config.json', /resolve.*config\.json/, { kind: 'flip' }, /^digest/],
    ['more bytes than it has', onWeights, { kind: 'long' }, /^long/],
  ];
  test.each(told)('%s: a sentence, and nothing of it in the cache', async (_, on, lie, words) => {
    hub.lie(on, lie);
    const loaded = await load();
    if (loaded.ok || loaded.fault.kind !== 'hub') throw new Error('no fault of the Hub');
    expect(`${loaded.fault.why}: ${faultSentence(loaded.fault)}`).toMatch(words);
    const lied = on.source.includes('config') ? 'config.json' : 'model.safetensors';
    expect((await names()).filter((name) => name.startsWith(lied) || name === 'main.json')).toEqual([]);
    hub.honest();
    expect(await contents(await load())).toEqual(good);
  });

  test('a body that is always short: the part stays, under no good name, and the next try completes it', async () => {
    hub.lie(onWeights, { kind: 'short', bytes: 40_000 });
    const loaded = await load();
    expect(loaded.ok ? null : loaded.fault).toMatchObject({ kind: 'hub', why: 'short' });
    expect(await names()).not.toContain('model.safetensors');
    hub.honest();
    hub.requests.length = 0;
    expect(await contents(await load())).toEqual(good);
    expect(hub.requests.find(({ host }) => host === 'storage')?.range).toBe('bytes=40000-');
  });

  test('a connection that drops: it goes on where it was, in the same load', async () => {
    hub.lie(onWeights, { kind: 'drop', after: 30_000 }, 2);
    expect(await contents(await load())).toEqual(good);
    const ranges = hub.requests.filter(({ host }) => host === 'storage').map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=30000-', 'bytes=60000-']);
  });

  test('a server without ranges: it begins anew and ends whole', async () => {
    hub.lie(onWeights, { kind: 'drop', after: 30_000 }, 1);
    hub.lie(onWeights, { kind: 'ignore-range' });
    expect(await contents(await load())).toEqual(good);
  });

  test('a range from another place is not put together', async () => {
    hub.lie(onWeights, { kind: 'drop', after: 30_000 }, 1);
    hub.lie(onWeights, { kind: 'other-range' }, 1);
    expect(await contents(await load())).toEqual(good);
  });

  test('an ETag that changed between ranges: nothing of the two is put together', async () => {
    hub.lie(onWeights, { kind: 'drop', after: 30_000 }, 1);
    hub.lie(onWeights, { kind: 'etag', etag: '"another"' }, 1);
    expect(await contents(await load())).toEqual(good);
    const ranges = hub.requests.filter(({ host }) => host === 'storage').map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=30000-', undefined]);
  });
});

describe('without the Hub', () => {
  test('a model that is here opens, and says so', async () => {
    await load();
    for (const lie of [
      { kind: 'status', status: 503 },
      { kind: 'status', status: 429 },
    ] as const) {
      hub.lie(/./, lie);
      const loaded = await load();
      expect(await contents(loaded)).toEqual(good);
      expect(loaded.ok && loaded.value.notes.join()).toMatch(/could not be asked.*commit [0-9a-f]{7}/);
      hub.honest();
    }
  });

  test('a model whose file was cut is not opened from here', async () => {
    await load();
    const entry = (await files.list('models')).find(({ path }) => path.endsWith('model.safetensors'));
    const writer = await files.openWriter(entry?.path ?? '');
    writer.truncate(1000);
    writer.close();
    hub.lie(/./, { kind: 'status', status: 503 });
    expect((await load()).ok).toBe(false);
    hub.honest();
    expect(await contents(await load())).toEqual(good);
  });
});

test('stopping keeps what is here for the next try', async () => {
  hub.lie(/\/files\//, { kind: 'hold', after: 30_000 });
  const loading = fetchModel(access(), { id: 'ann/vit', revision: 'main' }, new ModelCache(files), (done) => {
    if (done > 20_000) stop.abort();
  });
  const stopped = await loading;
  expect(stopped.ok ? null : stopped.fault).toMatchObject({ kind: 'hub', why: 'cancelled' });
  expect(await names()).toContain('model.safetensors.part');
  hub.honest();
  hub.requests.length = 0;
  stop = new AbortController();
  expect(await contents(await load())).toEqual(good);
  expect(hub.requests.find(({ host }) => host === 'storage')?.range).toMatch(/^bytes=[1-9]\d*-$/);
});

describe.each(['basic', 'xet'] as const)('pushing by %s', (transfer) => {
  const pushed = [
    { name: 'model.safetensors', blob: new Blob([weights]) },
    { name: 'config.json', blob: new Blob([config]) },
  ];
  const push = (repository: string, token: string | null = hub.token) =>
    pushModel(access(token), repository, true, pushed, 'A fine-tuned model', () => undefined);

  test('makes a private repository with exactly the files, and a second commit in it', async () => {
    hub.uploads.transfer = transfer;
    const first = await push('ann/mine');
    if (!first.ok) throw new Error(faultSentence(first.fault));
    const made = hub.repositories.get('ann/mine');
    expect(made).toMatchObject({ hidden: 'private', commit: first.value.commit });
    expect(first.value.url).toBe(`${hub.address}/ann/mine`);
    expect([...(made?.files ?? [])].map(([path, bytes]) => [path, base64(bytes)])).toEqual(
      expect.arrayContaining([
        ['model.safetensors', base64(weights)],
        ['config.json', base64(config)],
      ]),
    );
    expect((await push('ann/mine')).ok).toBe(true);
    expect(
      hub.requests.filter(
        ({ host, authorization }) => host === 'storage' && authorization?.includes(hub.token),
      ),
    ).toEqual([]);
  });

  test('without a right to it ends in a sentence', async () => {
    const refused = await push('somebody-else/mine');
    expect(refused.ok ? '' : faultSentence(refused.fault)).toMatch(/rights to create.*write token/);
    const wrong = await push('ann/mine2', 'hf_another');
    expect(wrong.ok ? '' : faultSentence(wrong.fault)).toMatch(/does not accept the token/);
  });
});
