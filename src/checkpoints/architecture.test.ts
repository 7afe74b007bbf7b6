// What tensors a class has, against the lists that the libraries themselves made
// (scripts/interop/list_tensors.py): every name and shape, nothing besides; and what a reader as strict as
// they are says of files that differ.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseJsonObject } from '../formats/json.ts';
import { misfit, slotsOf, type Architecture } from './architecture.ts';
import { timmArchitecture } from './timm/form.ts';
import { hfArchitecture } from './transformers/classes.ts';
import { unwrap } from '../shared/result.ts';

interface Entry {
  readonly library: 'transformers' | 'timm';
  readonly config: { readonly architecture?: string; readonly architectures?: readonly string[] };
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

const file = path.resolve(import.meta.dirname, '../../testdata/architectures.json');
const entries = JSON.parse(readFileSync(file, 'utf8')) as readonly Entry[];

function architectureOf({ library, config }: Pick<Entry, 'library' | 'config'>): Architecture {
  const json = unwrap(parseJsonObject(JSON.stringify(config), 'config.json'));
  const found = library === 'timm' ? timmArchitecture(json) : hfArchitecture(json);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

const tensorsOf = ({ tensors }: Entry) =>
  new Map(Object.entries(tensors).map(([name, shape]) => [name, { shape }]));

const titled = entries.map((entry, at): [string, Entry] => [
  `${at}: ${entry.config.architecture ?? entry.config.architectures?.[0] ?? ''}`,
  entry,
]);

test.each(titled)('%s has the tensors that its library lists', (_, entry) => {
  const architecture = architectureOf(entry);
  expect(misfit(tensorsOf(entry), architecture)).toBe(null);
  expect(slotsOf(architecture)).toHaveLength(Object.keys(entry.tensors).length);
});

describe('a file that differs is refused as its library refuses it', () => {
  const [, vit] = titled.find(([, { library }]) => library === 'transformers')!;
  const [, timm] = titled.find(([, { library }]) => library === 'timm')!;
  const changed = (entry: Entry, change: (tensors: Map<string, { shape: readonly number[] }>) => void) => {
    const tensors = tensorsOf(entry);
    change(tensors);
    return misfit(tensors, architectureOf(entry));
  };
  test('what it lacks, what it has besides, what has another shape', () => {
    expect(changed(vit, (tensors) => tensors.delete('classifier.bias'))).toBe(
      'transformers’ ViTForImageClassification misses classifier.bias',
    );
    for (const name of ['head.1.weight', 'mask_token', 'decoder_blocks.0.norm1.weight', 'ema.cls_token'])
      expect(changed(timm, (tensors) => tensors.set(name, { shape: [1] }))).toBe(
        `timm’s VisionTransformer has no place for ${name}`,
      );
    expect(changed(timm, (tensors) => tensors.set('head.bias', { shape: [4] }))).toBe(
      'timm’s VisionTransformer finds other shapes: head.bias [4] for [3]',
    );
  });
  test('a tensor under both of its names', () => {
    const both = changed(vit, (tensors) => tensors.set('embeddings.cls_token', { shape: [1, 1, 8] }));
    expect(both).toMatch(/has no place for embeddings.cls_token/);
  });
  test('a class or an architecture that its library does not have', () => {
    const other = new Map([['architecture', 'vit_of_mine']]);
    expect(timmArchitecture(other)).toBe('timm has no plain ViT of the name "vit_of_mine"');
    expect(hfArchitecture(new Map([['model_type', 'vit']]))).toContain('names "" of the type "vit"');
  });
});
