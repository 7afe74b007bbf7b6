// A worker rests while the hand is raised, for no more than its share, and goes on when it is lowered.
/// <reference lib="es2024.sharedmemory" />
import { afterEach, expect, test } from 'vitest';
import { giveWay, inBackground, lower, raise, respect, respectAnew, type Hand } from './hand.ts';

const newHand = (): Hand => new Int32Array(new SharedArrayBuffer(8));

/** A hand that is respected by a computation in the background that never ends. */
function heeded(): Hand {
  const hand = newHand();
  respect(hand);
  void inBackground(() => new Promise(() => undefined));
  return hand;
}

/** A clock that stands still but for what is waited and worked, where nobody lowers the hand. */
function clockOf() {
  const waited: number[] = [];
  let at = 1_000;
  const clock = {
    now: () => at,
    wait: (_: Hand, __: number, ms: number) => {
      waited.push(ms);
      at += ms;
    },
  };
  return { clock, waited, work: (ms: number) => (at += ms) };
}

afterEach(() => respect(null));

test('without a hand, or while it is lowered, nothing waits', () => {
  const { clock, waited } = clockOf();
  giveWay(clock);
  const hand = heeded();
  giveWay(clock);
  raise(hand, 1);
  lower(hand);
  giveWay(clock);
  expect(waited).toEqual([]);
});

test('one input is waited for 200 ms at most, however long it stays unanswered', () => {
  const { clock, waited, work } = clockOf();
  const hand = heeded();
  raise(hand, 1);
  giveWay(clock);
  work(1_000);
  giveWay(clock);
  expect(waited).toEqual([200, 0]);
});

test('inputs that follow each other take two thirds of the time', () => {
  const { clock, waited, work } = clockOf();
  const hand = heeded();
  for (let input = 1; input <= 5; input++) {
    raise(hand, input);
    giveWay(clock);
    work(16);
  }
  expect(waited).toEqual([200, 32, 32, 32, 32]);
});

test('a rest that was cut short by what was worked before goes on later', () => {
  const { clock, waited, work } = clockOf();
  const hand = heeded();
  raise(hand, 1);
  giveWay(clock);
  work(50);
  raise(hand, 2);
  giveWay(clock);
  work(500);
  giveWay(clock);
  expect(waited).toEqual([200, 100, 100]);
});

test('lowering wakes who waits', async () => {
  const hand = newHand();
  raise(hand, 7);
  const { async: waits, value } = Atomics.waitAsync(hand, 0, 7);
  expect(waits).toBe(true);
  lower(hand);
  expect(await value).toBe('ok');
});

test('only what is done in the background rests, and whatever is computed meanwhile', async () => {
  const { clock, waited, work } = clockOf();
  const hand = newHand();
  respect(hand);
  raise(hand, 1);
  giveWay(clock);
  expect(waited).toEqual([]);
  const ends = inBackground(() => Promise.reject(new Error('failed')));
  // Another worker's part of the same work.
  respect(hand);
  giveWay(clock);
  expect(waited).toEqual([200]);
  await expect(ends).rejects.toThrow('failed');
  raise(hand, 2);
  work(500);
  giveWay(clock);
  expect(waited).toEqual([200]);
});

test('what a worker had under way when it died makes no later one rest', () => {
  const { clock, waited } = clockOf();
  const hand = heeded();
  raise(hand, 1);
  respectAnew(hand);
  giveWay(clock);
  expect(waited).toEqual([]);
});
