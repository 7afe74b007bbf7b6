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

  it('gives a model only what lies beside its weights, and the images their tables', () => {
    const model = ['vit/model.safetensors', 'vit/config.json', 'vit/README.md'];
    const set = ['set/0.png', 'set/annotations.json', 'set/labels.txt', 'set/README.md'];
    const sorted = sortPile(pile(...model, ...set));
    expect(paths(sorted.model)).toEqual(model);
    expect(paths(sorted.images)).toEqual(set);
  });

  it('gives both a table that lies beside weights', () => {
    const all = ['all/model.safetensors', 'all/config.json', 'all/annotations.json', 'all/0.png'];
    const { model, images } = sortPile(pile(...all));
    expect(paths(model)).toEqual(all.slice(0, 3));
    expect(paths(images)).toEqual(all.slice(2));
  });

  it.each(['set/runs/best.pt', 'set/features.npz', 'set/pytorch_model.bin'])(
    'makes no model of %s among images, without a configuration',
    (stray) => {
      const files = pile('set/0.png', 'set/labels.txt', 'set/annotations.json', stray);
      expect(sortPile(files)).toEqual({ model: [], images: files });
    },
  );

  it('takes a pickle with its configuration as a model, among images too', () => {
    const { model } = sortPile(pile('vit/pytorch_model.bin', 'vit/config.json', 'set/0.png'));
    expect(paths(model)).toEqual(['vit/pytorch_model.bin', 'vit/config.json']);
  });

  it('takes a cloned repository as a model alone', () => {
    const files = pile(
      ...['vit/.git/HEAD', 'vit/.gitattributes', 'vit/LICENSE', 'vit/model.py', 'vit/chat_template.jinja'],
      ...['vit/model.safetensors', 'vit/1/config.json', 'vit/Thumbs.db'],
    );
    expect(sortPile(files)).toEqual({ model: files, images: [] });
  });

  it('leaves the small files of a model to it, and finds its configuration around it', () => {
    const model = ['m/config.json', 'm/trainer_state.json', 'm/last/model.safetensors', 'm/last/state.json'];
    const { images, model: found } = sortPile(pile(...model, 'pets.zip'));
    expect(paths(images)).toEqual(['m/trainer_state.json', 'pets.zip']);
    expect(paths(found)).toEqual(['m/config.json', 'm/last/model.safetensors', 'm/last/state.json']);
    const beside = sortPile(pile('m/model.safetensors', 'm/config.json', 'm/results.json', 'pets.zip'));
    expect(paths(beside.images)).toEqual(['pets.zip']);
  });

  it('reads a hidden folder that was dropped itself', () => {
    const files = pile('.set/a/1.png', '.set/b/2.png', '.set/config.json');
    expect(sortPile(files)).toEqual({ model: [], images: files });
  });

  it('takes a configuration alone as a model, and annotations alone as images', () => {
    expect(sortPile(pile('config.json')).model).toHaveLength(1);
    expect(sortPile(pile('instances_train.json')).images).toHaveLength(1);
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
