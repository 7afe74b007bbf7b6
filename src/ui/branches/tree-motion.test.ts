// What moves in the branch map, when, and when nothing does.
import { expect, test } from 'vitest';
import { TreeMotion, type LimbAim } from './tree-motion.ts';

const reach = 100;
const limb = (length: number, dropped = false): LimbAim[] => [{ key: 'a', length, dropped }];

/** A branch of length 0.2 whose map has moved since before it was seen. */
function grown(): TreeMotion {
  const motion = new TreeMotion();
  motion.aim(limb(0.2), 'all', reach, 0);
  motion.aim(limb(0.2), 'all', reach, 0);
  return motion;
}

test('what is first shown stands at once', () => {
  const motion = new TreeMotion();
  motion.aim(limb(0.7), 'all', reach, 0);
  expect(motion.length('a', 0)).toBe(0.7);
  expect(motion.isMoving(0)).toBe(false);
});

test('a change that is seen is drawn out, from where the branch is just then', () => {
  const motion = grown();
  motion.aim(limb(0.8), 'all', reach, 1000);
  expect(motion.length('a', 1000)).toBe(0.2);
  expect(motion.length('a', 1250)).toBeCloseTo(0.2 + 0.6 * 0.75, 12);
  // The same aim once more does not begin anew.
  motion.aim(limb(0.8), 'all', reach, 1250);
  expect(motion.length('a', 1250)).toBeCloseTo(0.65, 12);
  motion.aim(limb(0.1), 'all', reach, 1250);
  expect(motion.length('a', 1250)).toBeCloseTo(0.65, 12);
  expect(motion.isMoving(1749)).toBe(true);
  expect(motion.length('a', 1750)).toBeCloseTo(0.1, 12);
  expect(motion.isMoving(1750)).toBe(false);
});

test('a change of less than three pixels needs no frames', () => {
  const motion = grown();
  motion.aim(limb(0.225), 'all', reach, 1000);
  expect(motion.length('a', 1000)).toBe(0.225);
  expect(motion.isMoving(1000)).toBe(false);
});

test('on a processor that trains only falls have frames; of moments of a run nothing has', () => {
  for (const kind of ['falls', 'none'] as const) {
    const motion = grown();
    motion.aim(limb(0.2), kind, reach, 500);
    motion.aim(limb(0.8), kind, reach, 1000);
    expect(motion.length('a', 1000)).toBe(0.8);
    expect(motion.isMoving(1000)).toBe(false);
    motion.aim(limb(0.8, true), kind, reach, 2000);
    expect(motion.fall('a', 2700)).toBe(kind === 'falls' ? 0.5 : null);
    expect(motion.isMoving(2700)).toBe(kind === 'falls');
  }
  const back = grown();
  back.aim(limb(0.9), 'none', reach, 1000);
  back.aim(limb(0.2, true), 'all', reach, 1100);
  expect(back.fall('a', 1200)).toBeNull();
  expect(back.isMoving(1200)).toBe(false);
});

test('a branch falls once, as long as it was, and only where it was seen to live', () => {
  const motion = grown();
  motion.aim(limb(0.6), 'all', reach, 1000);
  motion.aim(limb(0, true), 'all', reach, 2000);
  expect(motion.length('a', 2100)).toBe(0.6);
  expect(motion.fall('a', 2000)).toBe(0);
  // What the run tells meanwhile does not begin it anew.
  motion.aim(limb(0, true), 'all', reach, 2700);
  expect(motion.fall('a', 2700)).toBe(0.5);
  expect(motion.length('a', 2700)).toBe(0.6);
  expect(motion.fall('a', 3400)).toBeNull();
  expect(motion.isMoving(3400)).toBe(false);
  const late = new TreeMotion();
  late.aim(limb(0.5, true), 'all', reach, 0);
  expect(late.fall('a', 10)).toBeNull();
});
