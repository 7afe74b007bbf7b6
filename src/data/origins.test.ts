// Which pictures are of one origin: the names and folders that people's sets have, with those that only look so.
import { describe, expect, test } from 'vitest';
import { originsOf, togetherOf, type OriginsBy } from './origins.ts';

/** Groups of two paths or more; a class is the folder before the last slash, or as `classOf` says. */
function groupsOf(
  by: OriginsBy,
  paths: readonly string[],
  classOf = (path: string): string => path.split('/')[0] ?? '',
): string[][] {
  const classes = [...new Set(paths.map(classOf))];
  const images = paths.map((path) => ({ path, classIndex: classes.indexOf(classOf(path)), split: null }));
  const groups = new Map<number, string[]>();
  originsOf(images, classes, by).forEach((origin, at) => {
    groups.set(origin, [...(groups.get(origin) ?? []), paths[at] ?? '']);
  });
  return [...groups.values()].filter(({ length }) => length > 1);
}
const inCats = (...names: string[]): string[] => names.map((name) => `cat/${name}`);

describe('by names', () => {
  test.each([
    ['letters', ['IMG_0001_a.jpg', 'IMG_0001_b.jpg']],
    ['numbers', ['leaf-1.jpg', 'leaf-2.png']],
    ['numbers in brackets, and the first without', ['leaf.jpg', 'leaf (1).jpg', 'leaf (2).jpg']],
    ['copies', ['IMG_0001.jpg', 'IMG_0001 - Copy.jpg', 'IMG_0001 copy 2.jpg', 'IMG_0001 (2).jpg']],
    ['frames', ['clip3_frame_0012.jpg', 'clip3_frame_0013.jpg']],
    ['a burst', ['IMG_20240102_101112_BURST001.jpg', 'IMG_20240102_101112_BURST002.jpg']],
    ['crops', ['slide7-tile4.tif', 'slide7-tile12.tif']],
    ['variants by Roboflow', [`x_12_jpg.rf.${'0a'.repeat(16)}.jpg`, `x_12_jpg.rf.${'1b'.repeat(16)}.jpg`]],
  ])('%s', (_, names) => {
    const paths = inCats(...names, 'other.jpg');
    expect(groupsOf('name', paths)).toEqual([inCats(...names)]);
  });

  test.each([
    ['numbers of a camera', ['IMG_0001.jpg', 'IMG_0002.jpg', 'DSCN0003.jpg', 'DSCN0004.jpg']],
    ['times', ['IMG_20240102_101112.jpg', 'IMG_20240102_101113.jpg', '2024-01-02 at 10.11.12.png']],
    ['numbers alone', ['1.jpg', '2.jpg', '00012.jpg']],
    ['words', ['wine-glass.png', 'wine-bottle.png', 'glass.png']],
    ['other folders', ['x/leaf-1.jpg', 'y/leaf-2.jpg']],
  ])('%s are none', (_, names) => {
    expect(groupsOf('name', inCats(...names))).toEqual([]);
  });

  test('the beginning of a whole class is its name; what is longer counts', () => {
    const paths = inCats('cat_1.jpg', 'cat_2.jpg', 'cat_2 (2).jpg', 'cat_3.jpg');
    expect(groupsOf('name', paths)).toEqual([inCats('cat_2.jpg', 'cat_2 (2).jpg')]);
    expect(groupsOf('name', inCats('cat (1).jpg', 'cat (2).jpg', 'cat (3).jpg'))).toEqual([]);
    expect(groupsOf('name', ['dog/b-1', 'dog/b-2', ...paths]).length).toBe(1);
  });

  test('hostile names take no time', () => {
    const paths = inCats('1'.repeat(60_000), `${'_'.repeat(60_000)}a1`, `${' copy'.repeat(20_000)}x`);
    expect(groupsOf('name', paths)).toEqual([]);
  });
});

describe('by folders', () => {
  test('below the class, whatever the class; above it; deeper ones are one', () => {
    expect(
      groupsOf('folder', [
        'oak/tree 1/a',
        'oak/tree 1/left/b',
        'ash/tree 1/c',
        'ash/tree 2/d',
        'ash/e',
        'ash/f',
      ]),
    ).toEqual([['oak/tree 1/a', 'oak/tree 1/left/b', 'ash/tree 1/c']]);
    const above = ['set/day 1/oak/a', 'set/day 1/ash/b', 'set/day 2/oak/c'];
    expect(groupsOf('folder', above, (path) => path.split('/')[2] ?? '')).toEqual([above.slice(0, 2)]);
  });

  test('wrappers, and folders of splits, are none', () => {
    expect(
      groupsOf('folder', ['set/oak/a', 'set/oak/b', 'set/ash/c'], (path) => path.split('/')[1] ?? ''),
    ).toEqual([]);
    const paths = ['oak/train/a', 'oak/train/b', 'ash/train/c', 'oak/train/t/d', 'oak/train/t/e'];
    const images = paths.map((path) => ({
      path,
      classIndex: path.startsWith('oak') ? 0 : 1,
      split: 'train' as const,
    }));
    expect(new Set(originsOf(images, ['oak', 'ash'], 'folder')).size).toBe(4);
  });
});

test('what is known of an image whose path is not stands for its path', () => {
  const images = [7, 7, 3].map((origin, at) => ({ path: `x/${at}`, classIndex: 0, split: null, origin }));
  expect([...originsOf(images, ['x'], 'name')]).toEqual([0, 0, 1]);
});

test('counts what is in use, and names classes of one origin', () => {
  const of = (label: string, path: string, excluded = false) => ({ label, path, excluded });
  const images = [
    of('a', 'a/1'),
    of('a', 'a/2'),
    of('b', 'b/1'),
    of('b', 'b/2'),
    of('b', 'b/3', true),
    of('c', 'c'),
  ];
  expect(togetherOf(images, Int32Array.of(0, 0, 1, 2, 2, 3), ['name'])).toEqual({
    ...{ by: ['name'], origins: 1, images: 2, largest: 2, example: ['a/1', 'a/2'], whole: ['a'] },
  });
});
