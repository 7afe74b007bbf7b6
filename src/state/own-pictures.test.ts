// Classes made in the app: what they are opened as, and names that cannot be.
import { beforeEach, expect, test } from 'vitest';
import { importImages } from '../data/import-images.ts';
import { countsOf, makePng } from '../data/testing/images.ts';
import type { SourceFile } from '../worker/protocol.ts';
import {
  addClass,
  addPictures,
  markOpened,
  ownFiles,
  ownPicturesStore,
  ownProblem,
  removeClass,
  renameClass,
} from './own-pictures.ts';

const initial = ownPicturesStore.getInitialState();
const classes = (): typeof initial.classes => ownPicturesStore.getState().classes;
const picture = (seed: number): SourceFile => ({ path: 'a/image.png', blob: new Blob([makePng(seed)]) });

beforeEach(() => ownPicturesStore.setState(initial, true));

test('pictures of two classes are read as a folder of class folders', async () => {
  expect(ownProblem(classes())).toContain('At least two');
  addPictures(0, [picture(1), picture(2)]);
  renameClass(0, ' Übung ');
  addClass();
  addPictures(2, [picture(3), picture(4), picture(5)]);
  removeClass(1);
  expect(ownProblem(classes())).toBeNull();
  const report = await importImages(ownFiles(classes()));
  expect(report.ok && countsOf(report.value)).toEqual({ 'any Übung': 2, 'any Class 3': 3 });
});

test.each(['', 'a/b', 'a\\b', '..', '.hidden', 'Class 2'])('no class can be called %j', (name) => {
  addPictures(0, [picture(1)]);
  addPictures(1, [picture(2)]);
  renameClass(0, name);
  expect(ownProblem(classes())).not.toBeNull();
});

test('what changed since they were opened is known: a picture more, another name', () => {
  const areOpen = (): boolean => ownPicturesStore.getState().opened === classes();
  expect(areOpen()).toBe(false);
  addPictures(0, [picture(1)]);
  markOpened();
  expect(areOpen()).toBe(true);
  addPictures(0, [picture(2)]);
  expect(areOpen()).toBe(false);
  markOpened();
  renameClass(0, 'cup');
  expect(areOpen()).toBe(false);
});
