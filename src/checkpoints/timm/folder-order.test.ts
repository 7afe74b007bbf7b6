// timm's order of folders, as timm 1.0.29 gives it.
import { expect, test } from 'vitest';
import { isTimmOrder } from './folder-order.ts';

test('the order of timm for names with numbers and capitals', () => {
  expect(isTimmOrder(['1', '2', '10', 'a', 'B', 'img9', 'img10'])).toBe(true);
});

test.each([[['1', '10', '2']], [['B', 'a']], [['img10', 'img9']]])(
  'is none by code points: %j',
  (classes) => {
    expect(isTimmOrder(classes)).toBe(false);
    expect(classes.toSorted()).toEqual(classes);
  },
);

test.each([[['cat', 'dog']], [['a', 'ab', 'b']], [['Cat', 'cat']], [[]], [['0', '1', '2']]])(
  'is the same for %j',
  (classes) => {
    expect(isTimmOrder(classes)).toBe(true);
  },
);
