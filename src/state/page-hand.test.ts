// @vitest-environment happy-dom
// The hand is raised by what a person does, and lowered three frames later, or when what is pressed is released.
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

function watched(
  hidden = false,
  page = document.implementation.createHTMLDocument(),
): { page: Document; isRaised: () => boolean } {
  const hand: Hand = new Int32Array(new SharedArrayBuffer(8));
  Object.defineProperty(page, 'hidden', { value: hidden });
  watchHand(hand, page);
  return { page, isRaised: () => Atomics.load(hand, 0) !== 0 };
}

test.each(['pointerup', 'pointermove', 'keyup', 'wheel', 'scroll'])('%s raises it', (name) => {
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
  page.body.dispatchEvent(new Event('wheel'));
  frame();
  page.body.dispatchEvent(new Event('scroll'));
  frame();
  frame();
  expect(isRaised()).toBe(true);
  frame();
  expect(isRaised()).toBe(false);
});

/** Does `name` in the page, and draws its answer. */
function answer(page: Document, name: string): void {
  page.body.dispatchEvent(new Event(name));
  for (let drawn = 0; drawn < 3; drawn++) frame();
}

test.each([
  ['pointerdown', 'pointerup'],
  ['pointerdown', 'pointercancel'],
  ['pointerdown', 'dragend'],
  ['keydown', 'keyup'],
])('from %s to %s it stays raised, over what moves meanwhile', (press, release) => {
  const { page, isRaised } = watched();
  for (const name of [press, 'pointermove']) {
    answer(page, name);
    expect(isRaised()).toBe(true);
  }
  answer(page, release);
  expect(isRaised()).toBe(false);
});

test('a pointer that moves without a button has been released, whoever heard of it', () => {
  const { page, isRaised } = watched();
  answer(page, 'pointerdown');
  for (const [buttons, raised] of [
    [1, true],
    [0, false],
  ] as const) {
    page.body.dispatchEvent(Object.assign(new Event('pointermove'), { buttons }));
    for (let drawn = 0; drawn < 3; drawn++) frame();
    expect(isRaised()).toBe(raised);
  }
});

test('what is released in another window is not waited for', () => {
  const { isRaised } = watched(false, document);
  answer(document, 'keydown');
  expect(isRaised()).toBe(true);
  window.dispatchEvent(new Event('blur'));
  expect(isRaised()).toBe(false);
});

test('a page that is not seen draws nothing', () => {
  const { page, isRaised } = watched(true);
  page.body.dispatchEvent(new Event('keydown'));
  expect(isRaised()).toBe(false);
});
