// Why images cannot be trained on, in words that fit their number.
import { expect, test } from 'vitest';
import { describeFault } from '../shared/describe-fault.ts';
import { datasetFault } from './dataset-verdict.ts';

const refused = (n: number, code: 'no-class' | 'empty') =>
  datasetFault({
    perClass: new Map(),
    emptyClasses: [],
    untrained: [],
    rejected: Array.from({ length: n }, (_, i) => ({ path: `${i}.png`, code, reason: 'It is so.' })),
    files: n,
    archiveFaults: [],
  });

const words = (fault: ReturnType<typeof refused>): string =>
  fault === null ? '' : describeFault(fault).detail;

test('one image, and several, that lie in no class folder', () => {
  expect(words(refused(1, 'no-class'))).toContain('The image lies in no class folder.');
  expect(words(refused(3, 'no-class'))).toContain('None of the 3 images lies in a class folder.');
});

test('one file, and several, that are no images', () => {
  expect(words(refused(1, 'empty'))).toContain('The file is no image that can be used. For example 0.png');
  expect(words(refused(2, 'empty'))).toContain('None of the 2 files is an image that can be used.');
});
