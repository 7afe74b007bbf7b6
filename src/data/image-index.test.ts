// Which image a value of a table means, and that many images that are called alike are not looked at for each
// row.
import { describe, expect, test } from 'vitest';
import { ImageIndex } from './image-index.ts';
import type { TableFile } from './table-file.ts';

const indexOf = (paths: readonly string[]): ImageIndex =>
  new ImageIndex(paths.map((path) => ({ root: 0, segments: path.split('/') })));

const tableAt = (path: string): TableFile => ({ path, root: 0, segments: path.split('/'), text: '' });

describe('a value that several images end in', () => {
  test.each([
    ['labels.csv', '0.png', null],
    ['labels.csv', 'val/JPEGImages/0.png', 1],
    ['train/Annotations/x.json', '0.png', 0],
    ['val/Annotations/x.json', '0', 1],
    ['Annotations/val/x.json', '0.png', 1],
    ['labels/val.csv', '0.png', 1],
    ['test/labels.csv', '0.png', null],
  ])('%s: %s', (path, value, image) => {
    const index = indexOf(['train/JPEGImages/0.png', 'val/JPEGImages/0.png', 'val/JPEGImages/1.png']);
    expect(index.find(value, tableAt(path))).toBe(image);
  });

  test('is the one that lies nearest to the table', () => {
    const index = indexOf(['set/a/images/0.png', 'set/b/images/0.png', '0.png']);
    expect(index.find('0.png', tableAt('set/b/labels/x.json'))).toBe(1);
    expect(index.find('0.png', tableAt('set/labels/x.json'))).toBeNull();
    expect(index.find('0.png', tableAt('set/c/x.json'))).toBeNull();
  });

  test('is that of the archive that the table lies in', () => {
    const images = [1, 2].map((root) => ({ root, segments: ['images', '0.png'] }));
    const index = new ImageIndex(images);
    expect(index.find('0.png', { ...tableAt('meta/labels.csv'), root: 2 })).toBe(1);
    expect(index.find('0.png', tableAt('meta/labels.csv'))).toBeNull();
  });
});

describe('many images of one name', () => {
  const many = 200_000;
  const paths = Array.from({ length: many }, (_, i) => `set/id${i}/Image.png`);
  const index = indexOf(paths);
  const table = tableAt('meta/labels.csv');

  const some = Array.from({ length: many / 10 }, (_, i) => 10 * i);

  // What looks at all images for each of them, or for each row, takes hours here.
  test('are told apart by their folders', () => {
    expect(some.every((i) => index.find(`x/id${i}/Image.png`, table) === null)).toBe(true);
    expect(some.every((i) => index.find(`id${i}/Image.png`, table) === i)).toBe(true);
    expect(some.every((i) => index.findLoosely(`set/ID${i}/image.jpg`, false) === i)).toBe(true);
  });

  test('are none for rows that name no more', () => {
    expect(some.every(() => index.find('Image.png', table) === null)).toBe(true);
    expect(some.every(() => index.findLoosely('image.jpg', true) === null)).toBe(true);
  });
});

test('paths are met loosely where one ends the other', () => {
  const ten = Array.from({ length: 10 }, (_, i) => `deep/set/f${i}/IMG_1.PNG`);
  const index = indexOf([...ten, 'img_1.bmp', 'other/007.png']);
  expect(index.findLoosely('f3/img_1.jpg', false)).toBeNull();
  expect(index.findLoosely('7', false)).toBe(11);
  const deep = indexOf(ten);
  expect(deep.findLoosely('/data/deep/set/F3/img_1.jpg', false)).toBe(3);
  expect(deep.findLoosely('/data/set/f3/img_1.jpg', false)).toBeNull();
  expect(deep.findLoosely('img_1', true)).toBeNull();
});
