// @vitest-environment happy-dom
// The hand is raised by what a person does, and lowered three frames later.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Hand } from '../shared/hand.ts';
import { watchHand } from './page-hand.ts';

let frames: (() => void)[] = [];
/** Whatever was asked to be done in the next frame. */
const frame = (): void => frames.splice(0).forEach((drawn) => drawn());

beforeEach(() => {
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (drawn: () => void) => frames.push(drawn));
});
afterEach(() => void vi.unstubAllGlobals());

function watched(hidden = false): { page: Document; isRaised: () => boolean } {
  const hand: Hand = new Int32Array(new SharedArrayBuffer(8));
  const page = document.implementation.createHTMLDocument();
  Object.defineProperty(page, 'hidden', { value: hidden });
  watchHand(hand, page);
  return { page, isRaised: () => Atomics.load(hand, 0) !== 0 };
}

test.each(['pointerdown', 'pointermove', 'keydown', 'wheel', 'scroll'])('%s raises it', (name) => {
  const { page, isRaised } = watched();
  expect(isRaised()).toBe(false);
  page.body.dispatchEvent(new Event(name));
  expect(isRaised()).toBe(true);
  for (let drawn = 0; drawn < 2; drawn++) {
    frame();
    expect(isRaised()).toBe(true);
  }
  frame();
  expect(isRaised()).toBe(false);
});

test('of two inputs the answer to the second one lowers it', () => {
  const { page, isRaised } = watched();
  page.body.dispatchEvent(new Event('keydown'));
  frame();
  page.body.dispatchEvent(new Event('keyup'));
  frame();
  frame();
  expect(isRaised()).toBe(true);
  frame();
  expect(isRaised()).toBe(false);
});

test('a page that is not seen draws nothing', () => {
  const { page, isRaised } = watched(true);
  page.body.dispatchEvent(new Event('keydown'));
  expect(isRaised()).toBe(false);
});
