// Workers of a past engine serve the next one, for a while and while they live.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ShardWorkers, type ShardWorker } from './shard-workers.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function counted(): { workers: ShardWorkers; ended: ShardWorker[]; started: () => number } {
  const ended: ShardWorker[] = [];
  let started = 0;
  const workers = new ShardWorkers(() => {
    started += 1;
    const worker: ShardWorker = {
      postMessage: () => undefined,
      onmessage: null,
      onerror: null,
      terminate: () => void ended.push(worker),
    };
    return worker;
  });
  return { workers, ended, started: () => started };
}

test('a released worker is the next one that is asked for, again and again, and never two at once', () => {
  const { workers, ended, started } = counted();
  const first = workers.open();
  first.release?.();
  vi.advanceTimersByTime(59_000);
  expect(workers.open()).toBe(first);
  expect(workers.open()).not.toBe(first);
  vi.advanceTimersByTime(120_000);
  first.release?.();
  expect(workers.open()).toBe(first);
  expect(started()).toBe(2);
  expect(ended).toEqual([]);
});

test('one that nobody asks for ends, and so does one that dies meanwhile', () => {
  const { workers, ended, started } = counted();
  const [late, dead] = [workers.open(), workers.open()];
  dead.release?.();
  dead.onerror?.(new Event('error') as ErrorEvent);
  late.release?.();
  vi.advanceTimersByTime(61_000);
  expect(ended).toEqual([dead, late]);
  workers.open();
  expect(started()).toBe(3);
});
