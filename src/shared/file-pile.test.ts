// Sorting a pile into model and images, and naming it.
import { describe, expect, it } from 'vitest';
import { pileTitle, sortPile } from './file-pile.ts';

const pile = (...paths: readonly string[]) => paths.map((path) => ({ path, blob: new Blob([]) }));
const paths = (files: readonly { readonly path: string }[]) => files.map(({ path }) => path);

describe('sortPile', () => {
  it('takes weights with what lies beside them as a model', () => {
    const { model, images } = sortPile(pile('m/model.safetensors', 'm/config.json', 'm/README.md'));
    expect(model).toHaveLength(3);
    expect(images).toHaveLength(0);
  });

  it('takes a pickle as a model, so that it is refused with the right words', () => {
    expect(sortPile(pile('pytorch_model.bin')).model).toHaveLength(1);
  });

  it('parts images from a model in one pile', () => {
    const { model, images } = sortPile(pile('all/model.safetensors', 'all/cat/1.jpg', 'all/dog/2.jpg'));
    expect(paths(model)).toEqual(['all/model.safetensors']);
    expect(paths(images)).toEqual(['all/cat/1.jpg', 'all/dog/2.jpg']);
  });

  it('leaves folders of images alone, notes and all', () => {
    expect(sortPile(pile('a/1.jpg', 'a/notes.txt', 'a/labels.json')).images).toHaveLength(3);
  });
});

describe('pileTitle', () => {
  it('names a pile by its folder, its only file, or its count', () => {
    expect(pileTitle(pile('/pets/cat/1.jpg', '/pets/dog/2.jpg'))).toBe('pets');
    expect(pileTitle(pile('./pets.zip'))).toBe('pets');
    expect(pileTitle(pile('pets.tar.gz'))).toBe('pets');
    expect(pileTitle(pile('notes.pdf'))).toBe('notes.pdf');
    expect(pileTitle(pile('a.jpg', 'b.jpg'))).toBe('2 files');
    expect(pileTitle(pile('cat/1.jpg', 'dog/2.jpg'))).toBe('2 files');
  });
});
