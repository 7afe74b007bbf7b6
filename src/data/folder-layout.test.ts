// Layouts of folders: wrappers, splits, classes.
import { describe, expect, test } from 'vitest';
import { findLayout } from './folder-layout.ts';

/** Where each folder path lands, as 'split:label'. */
function landing(
  images: readonly string[],
  others: readonly string[] = [],
  asked: readonly string[] = images,
): string[] {
  const split = (path: string): string[] => path.split('/').filter((name) => name !== '');
  const { place } = findLayout(images.map(split), others.map(split));
  return asked.map((path) => {
    const placement = place(split(path));
    return placement.label === null ? placement.reason : `${placement.split ?? 'none'}:${placement.label}`;
  });
}

describe('classes', () => {
  test('are the folders, deeper ones do not matter', () => {
    expect(landing(['cats', 'dogs/small', 'dogs/large/very'])).toEqual([
      'none:cats',
      'none:dogs',
      'none:dogs',
    ]);
  });

  test('lie below wrappers', () => {
    expect(landing(['data/cats', 'data/dogs'])).toEqual(['none:cats', 'none:dogs']);
    expect(landing(['repo-main/images/cats', 'repo-main/images/dogs'])).toEqual(['none:cats', 'none:dogs']);
    expect(landing(['data/cats', 'data/dogs', 'data'])).toEqual([
      'none:cats',
      'none:dogs',
      'It lies outside any class folder.',
    ]);
  });

  test('are not taken for wrappers when only one is left', () => {
    expect(landing(['cats', 'cats', 'cats/more'])).toEqual(['none:cats', 'none:cats', 'none:cats']);
    expect(landing(['cats/photos', 'cats/photos'], ['dogs'])).toEqual(['none:cats', 'none:cats']);
  });

  test('are normalised, trimmed and otherwise kept', () => {
    expect(landing(['  cafe\u0301 ', '__proto__', 'constructor', '<b>', ' '])).toEqual([
      'none:caf\u00e9',
      'none:__proto__',
      'none:constructor',
      'none:<b>',
      'The name of its class folder is empty.',
    ]);
  });
});

describe('splits', () => {
  test('by all their names, in any case, below a wrapper', () => {
    expect(
      landing(['d/Train/a', 'd/valid/a', 'd/VAL/a', 'd/dev/a', 'd/validation/a', 'd/test/a', 'd/train/b']),
    ).toEqual([
      'train:a',
      'validation:a',
      'validation:a',
      'validation:a',
      'validation:a',
      'test:a',
      'train:b',
    ]);
  });

  test('leave what lies beside or directly in them without a class', () => {
    expect(landing(['train/a', 'train/b', 'val/a', 'extra', 'train', ''])).toEqual([
      'train:a',
      'train:b',
      'validation:a',
      'It lies outside the train, validation and test folders.',
      'It lies directly in "train", in no class folder.',
      'It lies outside any class folder.',
    ]);
  });

  test('are classes where they hold images and no folders: a train is a vehicle', () => {
    expect(landing(['train', 'train', 'car', 'bus'])).toEqual([
      'none:train',
      'none:train',
      'none:car',
      'none:bus',
    ]);
    expect(landing(['train/old', 'car/old', 'bus/old', 'bus/new'])).toEqual([
      'none:train',
      'none:car',
      'none:bus',
      'none:bus',
    ]);
  });

  test('with one class within are splits all the same', () => {
    expect(landing(['train/cats', 'val/cats'])).toEqual(['train:cats', 'validation:cats']);
    expect(landing(['train/cats'])).toEqual(['train:cats']);
  });
});

describe('masks', () => {
  const train = ['train/a', 'train/b', 'test/a', 'test/b'];
  const outside = 'It lies outside the train, validation and test folders.';

  test('beside the images of a split are no images of it', () => {
    const masks = ['train_masks/a', 'train_masks/b', 'test_masks/a'];
    const images = ['train:a', 'train:b', 'test:a', 'test:b'];
    expect(landing([...train, ...masks])).toEqual([...images, outside, outside, outside]);
    expect(landing(train, masks, masks)).toEqual([outside, outside, outside]);
  });

  test('alone are what there is to learn from', () => {
    const masks = ['masks_train/a', 'masks_train/b', 'masks_test/a', 'masks_test/b'];
    expect(landing(masks)).toEqual(['train:a', 'train:b', 'test:a', 'test:b']);
  });
});

describe('class folders in folders', () => {
  const species = ['Aves/Parus major', 'Aves/Turdus merula', 'Insecta/Apis mellifera'].map((path) =>
    path.split('/'),
  );

  test('are the inner ones where no name lies under two outer ones, and doubtful', () => {
    expect(findLayout(species, []).nesting).toEqual({
      first: ['Aves', 'Insecta'],
      last: ['Apis mellifera', 'Parus major', 'Turdus merula'],
      taken: 'last',
      doubtful: true,
    });
    expect(findLayout(species, [], 'first').place(['Aves', 'Parus major']).label).toBe('Aves');
    expect(findLayout(species, []).place(['Aves', 'Parus major']).label).toBe('Parus major');
  });

  test('are the outer ones where every outer one holds the same sessions', () => {
    const sessions = ['ok/2024-01', 'ok/2024-02', 'defect/2024-01', 'defect/2024-02'].map((path) =>
      path.split('/'),
    );
    const { nesting, place } = findLayout(sessions, []);
    expect(nesting).toMatchObject({ taken: 'first', doubtful: false });
    expect(place(['ok', '2024-01']).label).toBe('ok');
    expect(findLayout(sessions, [], 'last').place(['ok', '2024-01']).label).toBe('2024-01');
  });

  test('are no matter where few images lie so deep', () => {
    expect(findLayout([['cats'], ['cats'], ['dogs', 'small']], []).nesting).toBeNull();
  });
});

test('nothing at all has a layout too', () => {
  expect(landing([], ['a/b'], ['a/b'])).toEqual(['none:a']);
});
