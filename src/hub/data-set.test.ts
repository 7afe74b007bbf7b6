// Data sets of the Hub over real HTTP against the stand-in: what is told before a byte is downloaded, what
// is taken of a repository, and how lies end: in a fault, with nothing bad kept.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startHubStandIn, type HubStandIn } from '../../scripts/testing/hub-stand-in.ts';
import { importImages } from '../data/import-images.ts';
import { autoReading } from '../data/reading-options.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { unwrap, type Result } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import { ModelCache } from '../storage/model-cache.ts';
import { fetchDataSet, offerDataSet, type DataSetOffer, type FetchedDataSet } from './fetch-data-set.ts';
import type { HubAccess } from './hub-fetch.ts';
import { parseDataSetId } from './model-id.ts';

const parquet = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../testdata/parquet/${name}.parquet`, import.meta.url)));
const [train, held] = [parquet('folders/default/train/0000'), parquet('folders/default/test/0000')];

vi.setConfig({ testTimeout: 20_000 });

let hub: HubStandIn;
let cache: ModelCache;
let stop: AbortController;
beforeAll(async () => void (hub = await startHubStandIn()));
afterAll(() => hub.close());
beforeEach(() => {
  cache = new ModelCache(memoryFiles(), 'datasets');
  stop = new AbortController();
  hub.repositories.clear();
  hub.requests.length = 0;
});
afterEach(() => hub.honest());

const access = (token: string | null = null): HubAccess => ({
  base: hub.address,
  token,
  signal: stop.signal,
});
const idOf = (text: string) => unwrap(parseDataSetId(text, hub.address));
const offer = (text: string, token: string | null = null): Promise<Result<DataSetOffer>> =>
  offerDataSet(access(token), idOf(text), cache);
const load = (
  pinned: string,
  asked = pinned,
  onProgress: (done: number, total: number) => void = () => undefined,
  token: string | null = null,
): Promise<Result<FetchedDataSet>> =>
  fetchDataSet(access(token), idOf(pinned), idOf(asked), cache, onProgress, () => Promise.resolve());
const paths = (fetched: FetchedDataSet): string[] => fetched.files.map(({ path }) => path).sort();
const downloads = (): number => hub.requests.filter(({ url }) => url.includes('/resolve/')).length;
const refusal = (result: Result<unknown>): string => (result.ok ? 'none' : faultSentence(result.fault));

/** A branch of a data set that the Hub converted. */
const converted = (files: Readonly<Record<string, Uint8Array>>): void =>
  void hub.add('datasets/ann/birds@refs/convert/parquet', files, {
    id: 'datasets/ann/birds@refs/convert/parquet',
  });

describe('an honest Hub', () => {
  test('says what there is before it sends it; then it is read as from disk, and once', async () => {
    hub.add('datasets/ann/birds', { 'README.md': 'words', 'train/0.parquet': train, 'test/0.parquet': held });
    const offered = unwrap(await offer('ann/birds'));
    const bytes = train.length + held.length;
    expect(offered).toMatchObject({ id: 'ann/birds', subset: null, files: 2, bytes, missing: bytes });
    expect(offered).toMatchObject({ licence: 'apache-2.0', notes: [] });
    expect(downloads()).toBe(0);

    const told: [number, number][] = [];
    const fetched = unwrap(await load(offered.pinned, 'ann/birds', (done, of) => void told.push([done, of])));
    expect(paths(fetched)).toEqual(['test/0.parquet', 'train/0.parquet']);
    expect(told.at(-1)).toEqual([bytes, bytes]);
    const { images, fault } = unwrap(await importImages(fetched.files, { reading: autoReading }));
    expect(fault).toBeNull();
    expect(new Set(images.map(({ split }) => split))).toEqual(new Set(['train', 'test']));

    hub.requests.length = 0;
    expect(paths(unwrap(await load(offered.pinned)))).toEqual(paths(fetched));
    expect(hub.requests).toEqual([]);
    expect(unwrap(await offer('ann/birds')).missing).toBe(0);
    expect(unwrap(await cache.list())).toMatchObject([
      { folder: 'datasets', id: 'ann/birds', complete: true },
    ]);
    // Without a network the copy is offered, by the name that it was asked for by.
    hub.lie(/./, { kind: 'status', status: 503 });
    const offline = unwrap(await offer('ann/birds'));
    expect(offline).toMatchObject({
      bytes,
      missing: 0,
      notes: [expect.stringContaining('this is the copy')],
    });
    expect(paths(unwrap(await load(offline.pinned)))).toEqual(paths(fetched));
    expect(unwrap(await cache.remove(new URL(hub.address).host, 'ann/birds'))).toBeNull();
    expect(unwrap(await cache.list())).toEqual([]);
  });

  test('gives what it converted where a repository has no Parquet of its own', async () => {
    hub.add('datasets/ann/birds', { 'birds.zip': 'pictures' });
    converted({ 'default/train/0000.parquet': train, 'default/test/0000.parquet': held });
    const offered = unwrap(await offer('https://huggingface.co/datasets/ann/birds'));
    expect(offered.notes).toEqual(['As the Hub has converted it to Parquet.']);
    const fetched = unwrap(await load(offered.pinned, 'ann/birds'));
    expect(paths(fetched)).toEqual(['test/0000.parquet', 'train/0000.parquet']);
    hub.lie(/./, { kind: 'status', status: 503 });
    expect(paths(unwrap(await load(unwrap(await offer('ann/birds')).pinned)))).toEqual(paths(fetched));
  });

  test('is asked which of several subsets, unless one is the usual one', async () => {
    const subsets = {
      'big/train-0.parquet': train,
      'small/test-0.parquet': held,
      'small/train-0.parquet': train,
    };
    hub.add('datasets/ann/birds', subsets);
    expect(refusal(await offer('ann/birds'))).toContain(
      'has 2 subsets: big, small. Write which: ann/birds/big',
    );
    expect(refusal(await offer('ann/birds/none'))).toContain('no subset “none”: it has big, small');
    const offered = unwrap(await offer('ann/birds/small'));
    expect(offered).toMatchObject({ subset: 'small', files: 2 });
    expect(paths(unwrap(await load(offered.pinned)))).toEqual(['test-0.parquet', 'train-0.parquet']);
    // One subset that is here says nothing of another of the same commit.
    expect(unwrap(await offer('ann/birds/big')).missing).toBe(train.length);
    hub.add('datasets/ann/birds', { ...subsets, 'default/train/0.parquet': held });
    expect(unwrap(await offer('ann/birds'))).toMatchObject({ subset: 'default', files: 1 });
  });

  test('hears the token on its own host only', async () => {
    hub.add('datasets/ann/birds', { 'train.parquet': train }, { hidden: 'private' });
    expect(refusal(await offer('ann/birds'))).toMatch(/private or not exist/);
    const offered = unwrap(await offer('ann/birds', hub.token));
    unwrap(await load(offered.pinned, offered.pinned, undefined, hub.token));
    const heard = hub.requests.filter(({ authorization }) => authorization !== undefined);
    expect(heard.length).toBeGreaterThan(1);
    expect(new Set(heard.map(({ host }) => host))).toEqual(new Set(['hub']));
  });
});

describe('what ends in a sentence', () => {
  test('a repository without Parquet, of which the Hub made none', async () => {
    hub.add('datasets/ann/birds', { 'birds.zip': 'pictures' });
    expect(refusal(await offer('ann/birds'))).toContain(
      'holds no Parquet files, and the Hub has made none of it',
    );
    expect(refusal(await offer('ann/none'))).toContain('private or not exist');
  });

  test('names that lead elsewhere, and more files than anybody trains on', async () => {
    for (const name of [
      '../../models/x/train.parquet',
      'data//train.parquet',
      'data\\train.parquet',
      '/train.parquet',
    ]) {
      hub.add('datasets/ann/birds', { [name]: train });
      expect(refusal(await offer('ann/birds'))).toContain('a file whose name leads elsewhere');
    }
    hub.add(
      'datasets/ann/birds',
      Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`data/train-${i}.parquet`, 'x'])),
    );
    expect(refusal(await offer('ann/birds'))).toContain('1001 Parquet files');
    expect(unwrap(await cache.list())).toEqual([]);
  });

  test('files of another length or content than the Hub lists: nothing of them is kept', async () => {
    hub.add('datasets/ann/birds', { 'train.parquet': train });
    const { pinned } = unwrap(await offer('ann/birds'));
    for (const lie of [{ kind: 'flip' }, { kind: 'long' }, { kind: 'html' }] as const) {
      hub.lie(/\/files\//, lie);
      expect((await load(pinned)).ok).toBe(false);
      hub.honest();
      expect(unwrap(await offer('ann/birds')).missing).toBe(train.length);
    }
    expect(paths(unwrap(await load(pinned)))).toEqual(['train.parquet']);
  });

  test('a download that is stopped, and goes on where it was', async () => {
    hub.add('datasets/ann/birds', { 'train.parquet': train });
    const { pinned } = unwrap(await offer('ann/birds'));
    hub.lie(/\/files\//, { kind: 'hold', after: 2000 }, 1);
    const stopped = await load(pinned, pinned, (done) => done >= 2000 && stop.abort());
    expect(stopped.ok ? null : stopped.fault).toMatchObject({ kind: 'hub', why: 'cancelled' });
    expect(unwrap(await cache.list())).toMatchObject([{ complete: false }]);
    hub.release();
    stop = new AbortController();
    hub.requests.length = 0;
    expect(paths(unwrap(await load(pinned)))).toEqual(['train.parquet']);
    expect(hub.requests.find(({ host }) => host === 'storage')?.range).toMatch(/^bytes=[1-9]/);
  });
});
