// The addresses of the places, as they are typed, linked and mistyped.
import { expect, test } from 'vitest';
import { addressOf, places, readAddress } from './place.ts';

test.each(places.map(({ id }) => id))('the address of %s leads there, with and without a view', (place) => {
  expect(readAddress(addressOf(place))).toEqual({ place, view: null });
  expect(readAddress(addressOf(place, 'try'))).toEqual({ place, view: 'try' });
});

test.each(['', '#', '#/', '#/nowhere', '#/nowhere/try', '#understanding', '#/%00'])(
  '"%s" is no place, and shows the images',
  (hash) => {
    expect(readAddress(hash)).toEqual({ place: 'images', view: null });
  },
);

test('a slash at the end, or none at the start, is no other address', () => {
  expect(readAddress('#/train/')).toEqual({ place: 'train', view: null });
  expect(readAddress('#train')).toEqual({ place: 'train', view: null });
});
