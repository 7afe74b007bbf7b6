// A finding that an edit has settled is gone; all others are told with the class and the part that images have now.
import { expect, test } from 'vitest';
import type { DoubtedLabel, FoundImage, Gallery, ImageCheck } from '../../worker/protocol.ts';
import { liveDoubts, liveFindings } from './live-findings.ts';

const found = (image: number, label: string, split: FoundImage['split'] = 'train'): FoundImage => ({
  image,
  path: `${image}.png`,
  class: label,
  split,
});

const places = ['train', 'validation', 'test', 'unused', 'excluded'] as const;
const names = ['cat', 'dog'];

function galleryOf(images: readonly (readonly [string, Gallery['places'][number]])[]): Gallery {
  return {
    ...{ set: 1, version: 1, names, places, findings: [], inRun: null },
    classOf: Int32Array.from(images, ([label]) => names.indexOf(label)),
    placeOf: Uint8Array.from(images, ([, place]) => places.indexOf(place)),
    changed: new Uint8Array(images.length),
  };
}

const findings: ImageCheck['findings'] = [
  { kind: 'near-leak', groups: [[found(0, 'cat'), found(1, 'cat', 'test')]] },
  { kind: 'near-conflict', groups: [[found(2, 'cat'), found(3, 'dog')]] },
  { kind: 'near-copies', groups: [[found(0, 'cat'), found(2, 'cat')]] },
  { kind: 'one-shade', groups: [[found(3, 'dog')]] },
];
const asFound = [
  ['cat', 'train'],
  ['cat', 'test'],
  ['cat', 'train'],
  ['dog', 'train'],
] as const;
const kinds = (images: Parameters<typeof galleryOf>[0]): string[] =>
  liveFindings(findings, galleryOf(images)).map(({ kind }) => kind);

test('without an edit, and without a gallery, all is as it was found', () => {
  expect(liveFindings(findings, null)).toEqual(findings);
  expect(liveFindings(findings, galleryOf(asFound))).toEqual(findings);
});

test('what an edit settles is not told any more', () => {
  const [a, b, c, d] = asFound;
  // The other side, the class, the copy, the picture.
  expect(kinds([a, ['cat', 'train'], c, d])).toEqual(['near-conflict', 'near-copies', 'one-shade']);
  expect(kinds([a, ['cat', 'unused'], c, d])).toEqual(['near-conflict', 'near-copies', 'one-shade']);
  expect(kinds([a, b, ['dog', 'train'], d])).toEqual(['near-leak', 'near-copies', 'one-shade']);
  expect(kinds([a, b, ['cat', 'excluded'], d])).toEqual(['near-leak', 'one-shade']);
  expect(kinds([a, b, c, ['dog', 'excluded']])).toEqual(['near-leak', 'near-copies']);
});

test('an image is told with the class and the part that it has now', () => {
  const [leak] = liveFindings(
    findings,
    galleryOf([['dog', 'train'], ['cat', 'validation'], ...asFound.slice(2)]),
  );
  expect(leak?.groups[0]).toEqual([found(0, 'dog'), found(1, 'cat', 'validation')]);
});

test('a doubt is gone once the label is another, or the image left out', () => {
  const doubts: DoubtedLabel[] = [0, 1, 2].map((image) => ({
    ...found(image, 'cat'),
    says: 'dog',
    share: 0.9,
  }));
  const [a, , , d] = asFound;
  const left = liveDoubts(doubts, galleryOf([a, ['dog', 'test'], ['cat', 'excluded'], d]));
  expect(left.map(({ image }) => image)).toEqual([0]);
  expect(liveDoubts(doubts, null)).toEqual(doubts);
});
