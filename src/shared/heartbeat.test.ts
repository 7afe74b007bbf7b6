// When a worker is given up: looks without a sign are counted, by a ticker of the test's.
import { expect, test, vi } from 'vitest';
import { beat, Heartbeat, tellBeats } from './heartbeat.ts';
import { handTicker } from './testing/hand-ticker.ts';

function watched() {
  const { ticker, tick, running } = handTicker();
  const [ask, onSilence] = [vi.fn(), vi.fn()];
  return { watch: new Heartbeat(ask, onSilence, ticker), ask, onSilence, tick, running };
}

test('gives up after six looks without a sign, once, and looks no more', () => {
  const { watch, ask, onSilence, tick, running } = watched();
  watch.start();
  tick(6);
  expect(ask).toHaveBeenCalledTimes(6);
  expect(onSilence).not.toHaveBeenCalled();
  tick();
  expect(onSilence).toHaveBeenCalledTimes(1);
  expect(running()).toBe(0);
});

test('any sign begins the count anew, and a watch that was stopped counts nothing', () => {
  const { watch, onSilence, tick, running } = watched();
  watch.start();
  for (let i = 0; i < 100; i++) {
    tick(6);
    watch.heard();
  }
  watch.start();
  expect(running()).toBe(1);
  watch.stop();
  expect(running()).toBe(0);
  watch.start();
  tick(6);
  expect(onSilence).not.toHaveBeenCalled();
});

test('beats of a computation are told, but not each of them', () => {
  const tell = vi.fn();
  tellBeats(tell);
  for (let i = 0; i < 1000; i++) beat();
  expect(tell).toHaveBeenCalledTimes(1);
});
