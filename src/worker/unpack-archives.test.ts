// Models in archives: the reader of images gives their files, stored or packed, from any kind of archive.
import { gzipSync, zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { makeTar } from '../data/testing/tar.ts';
import { holdsModel, unpackArchives } from './unpack-archives.ts';

const weights = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
const config = new TextEncoder().encode('{}');
const members = { 'm/model.safetensors': weights, 'm/config.json': config, 'm/picture.png': config };

test.each([
  ['run.zip', zipSync(members)],
  ['run.zip', zipSync(members, { level: 0 })],
  ['run.tar', makeTar(Object.entries(members).map(([path, data]) => ({ path, data })))],
  ['run.tar.gz', gzipSync(makeTar(Object.entries(members).map(([path, data]) => ({ path, data }))))],
])('%s gives the files of a model', async (path, bytes) => {
  const files = await unpackArchives([{ path, blob: new Blob([bytes.slice()]) }]);
  if (!files.ok) throw new Error(JSON.stringify(files.fault));
  expect(files.value.map((file) => file.path)).toEqual(['run/m/model.safetensors', 'run/m/config.json']);
  expect(new Uint8Array(await files.value[0]!.blob.arrayBuffer())).toEqual(weights);
});

test('files that are no archive stay, a damaged archive is a fault', async () => {
  const loose = { path: 'm/model.safetensors', blob: new Blob([weights]) };
  expect(await unpackArchives([loose])).toEqual({ ok: true, value: [loose] });
  const broken = zipSync(members, { level: 0 });
  broken[200]! ^= 1;
  const refused = await unpackArchives([{ path: 'run.zip', blob: new Blob([broken.slice()]) }]);
  expect(!refused.ok && refused.fault).toMatchObject({ kind: 'bad-file', name: 'run.zip' });
});

test('a pile of images is no model', async () => {
  const zip = (entries: Parameters<typeof zipSync>[0]): Blob => new Blob([zipSync(entries).slice()]);
  expect(await holdsModel([{ path: 'a.zip', blob: zip(members) }])).toBe(true);
  expect(await holdsModel([{ path: 'a.zip', blob: zip({ 'cats/1.png': config }) }])).toBe(false);
  const upper = zip({ 'm/MODEL.SAFETENSORS': weights });
  expect(await holdsModel([{ path: 'a.zip', blob: upper }])).toBe(true);
  const tar = (name: string): Blob => new Blob([gzipSync(makeTar([{ path: name, data: config }])).slice()]);
  const packed = [{ path: 'a.tar.gz', blob: tar('m/model.safetensors') }];
  expect([await holdsModel(packed), await holdsModel(packed, true)]).toEqual([false, true]);
  expect(await holdsModel([{ path: 'a.tgz', blob: tar('cats/1.png') }], true)).toBe(false);
  expect(await holdsModel([{ path: 'm/pytorch_model.bin', blob: new Blob() }], true)).toBe(true);
  expect(await holdsModel([{ path: 'cats/notes.txt', blob: new Blob() }], true)).toBe(false);
});
