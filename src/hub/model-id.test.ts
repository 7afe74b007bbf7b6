// What users paste into the field for a model, and what must not pass as one.
import { expect, test } from 'vitest';
import { checkToken, parseDataSetId, parseHubAddress, parseModelId } from './model-id.ts';

test.each([
  ['timm/vit_small_patch16_224.augreg_in21k', 'timm/vit_small_patch16_224.augreg_in21k', 'main'],
  ['  facebook/dinov2-small ', 'facebook/dinov2-small', 'main'],
  ['hf-hub:timm/vit_tiny', 'timm/vit_tiny', 'main'],
  ['ann/vit@v1.0', 'ann/vit', 'v1.0'],
  ['ann/vit@refs/pr/3', 'ann/vit', 'refs/pr/3'],
  ['https://huggingface.co/ann/vit', 'ann/vit', 'main'],
  ['https://huggingface.co/ann/vit/tree/main', 'ann/vit', 'main'],
  ['https://huggingface.co/ann/vit/blob/0123abc/config.json', 'ann/vit', '0123abc'],
  ['https://huggingface.co/ann/vit/tree/refs%2Fpr%2F3', 'ann/vit', 'refs/pr/3'],
  ['https://hf.co/ann/vit?library=timm', 'ann/vit', 'main'],
])('%s is a model', (text, id, revision) => {
  expect(parseModelId(text)).toEqual({ ok: true, value: { id, revision } });
});

test.each([
  '',
  'vit',
  'a/b/c',
  '../etc/passwd',
  'ann/..',
  'ann/vit@../../x',
  'ann/vi t',
  'https://example.org/ann/vit',
  'https://huggingface.co/datasets/ann/pictures',
  'javascript:alert(1)',
  'ann/vit?token=1',
])('“%s” is none', (text) => {
  const parsed = parseModelId(text);
  expect(parsed.ok ? null : parsed.fault).toMatchObject({ kind: 'hub', why: 'bad-id' });
});

test('a page of the mirror is a model', () => {
  const parsed = parseModelId('https://hub.example.org/ann/vit', 'https://hub.example.org');
  expect(parsed).toEqual({ ok: true, value: { id: 'ann/vit', revision: 'main' } });
});

test.each([
  ['', 'https://huggingface.co'],
  ['https://hub.example.org/', 'https://hub.example.org'],
  ['https://example.org/hub', 'https://example.org/hub'],
  ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
])('“%s” is an address of a Hub', (text, address) => {
  expect(parseHubAddress(text)).toEqual({ ok: true, value: address });
});

test.each([
  'hub.example.org',
  'http://hub.example.org',
  'ftp://x',
  'https://ann:secret@x.org',
  'https://x.org/?a=1',
])('“%s” is no address of a Hub', (text) => {
  const parsed = parseHubAddress(text);
  expect(parsed.ok ? null : parsed.fault).toMatchObject({ kind: 'hub', why: 'bad-address' });
});

test('a token with line breaks or blanks within is refused', () => {
  expect(checkToken(' hf_abc ')).toEqual({ ok: true, value: 'hf_abc' });
  expect(checkToken('')).toEqual({ ok: true, value: null });
  expect(checkToken('hf_a\r\nX-Evil: 1').ok).toBe(false);
});

test.each([
  ['ann/birds', 'ann/birds', null, 'main'],
  [' ann/birds/small@v1 ', 'ann/birds', 'small', 'v1'],
  ['datasets/ann/birds', 'ann/birds', null, 'main'],
  ['hf://datasets/ann/birds@refs/convert/parquet', 'ann/birds', null, 'refs/convert/parquet'],
  ['https://huggingface.co/datasets/ann/birds', 'ann/birds', null, 'main'],
  ['https://huggingface.co/datasets/ann/birds/viewer/small/train', 'ann/birds', 'small', 'main'],
  [
    'https://hf.co/datasets/ann/birds/tree/refs%2Fconvert%2Fparquet',
    'ann/birds',
    null,
    'refs/convert/parquet',
  ],
])('%s is a data set', (text, id, subset, revision) => {
  expect(parseDataSetId(text)).toEqual({ ok: true, value: { id, subset, revision } });
});

test.each([
  'birds',
  'ann/birds/..',
  'ann/birds/a/b',
  'ann/../x',
  'https://huggingface.co/ann/vit',
  'ann/birds@../x',
])('“%s” is no data set', (text) => {
  expect(parseDataSetId(text)).toMatchObject({ ok: false, fault: { kind: 'hub', why: 'bad-id' } });
});
