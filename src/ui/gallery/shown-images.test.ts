// What an ended run is said to have answered wrongly, after edits.
import { expect, test } from 'vitest';
import type { Gallery, SetAnswers } from '../../worker/protocol.ts';
import { mistakesOf } from './shown-images.ts';

test('an answer is a mistake where it was one for the run and is one for the labels of now', () => {
  const gallery: Gallery = {
    ...{ set: 1, version: 2, places: ['train'], placeOf: new Uint8Array(4), changed: new Uint8Array(4) },
    names: ['Cat', 'dog'], // “cat” when the run began
    classOf: Int32Array.of(0, 0, 1, 1),
    findings: [],
    inRun: Int32Array.of(0, 1, 2, 3),
  };
  const answers: SetAnswers = {
    set: 'validation',
    classes: ['cat', 'dog'],
    images: [0, 1, 2, 3],
    paths: ['0', '1', '2', '3'],
    labels: Int32Array.of(0, 0, 0, 1), // the third is relabelled since
    logits: Float32Array.of(3, 0, 0, 2, 0, 3, 1, 0), // cat, dog, dog, cat
  };
  expect([...mistakesOf(gallery, [answers])].map(([image, { answer }]) => [image, answer])).toEqual([
    [1, 'dog'],
    [3, 'cat'],
  ]);
});
