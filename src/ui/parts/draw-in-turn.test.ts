// Drawings share frames, and none holds up the others.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { inTurn } from './draw-in-turn.ts';

let frames: (() => void)[] = [];
const frame = (): void => frames.splice(0).forEach((draws) => draws());

beforeEach(() => {
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (draws: () => void) => frames.push(draws));
});
afterEach(() => void vi.unstubAllGlobals());

test('what is asked for together is drawn in one frame, but for what is taken back or asked for meanwhile', () => {
  const drawn: string[] = [];
  inTurn(() => {
    drawn.push('first');
    inTurn(() => drawn.push('next'));
  });
  inTurn(() => drawn.push('taken back'))();
  inTurn(() => drawn.push('second'));
  frame();
  expect(drawn).toEqual(['first', 'second']);
  frame();
  expect(drawn).toEqual(['first', 'second', 'next']);
  expect(frames).toEqual([]);
});

test('a drawing that fails does not stop those that wait, nor later ones', () => {
  const drawn: string[] = [];
  inTurn(() => {
    throw new Error('not drawn');
  });
  inTurn(() => drawn.push('waited'));
  expect(frame).toThrow('not drawn');
  frame();
  inTurn(() => drawn.push('later'));
  frame();
  expect(drawn).toEqual(['waited', 'later']);
});
