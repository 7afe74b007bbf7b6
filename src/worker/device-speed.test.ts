// What is remembered of a device's speed: read as it was written, whatever else the file holds; the newest
// stay.
import { expect, test } from 'vitest';
import { noTimes } from '../train/estimate.ts';
import { DeviceSpeed, readSpeeds, withModelTimes, withTimes } from './device-speed.ts';
import type { TextFile } from './text-file.ts';

function memory(text: string | null = null): TextFile & { text: () => string | null } {
  return {
    text: () => text,
    read: () => Promise.resolve(text),
    write(next) {
      text = next;
      return Promise.resolve();
    },
  };
}

test('another worker reads what one learned, and what is newer replaces what was', async () => {
  const file = memory();
  const one = new DeviceSpeed(file);
  expect(await one.of('gpu')).toEqual(noTimes);
  await one.learn('gpu', (times) => ({ ...times, engineSeconds: 2 }));
  await one.learn('gpu', (times) => withModelTimes(times, 'm', { forward: 3 }));
  await one.learn('gpu', (times) => withModelTimes(times, 'm', { step: 1 }));
  const other = await new DeviceSpeed(memory(file.text())).of('gpu');
  expect(other).toEqual({ ...noTimes, engineSeconds: 2, models: { m: { forward: 3, step: 1 } } });
  expect(await new DeviceSpeed(memory(file.text())).of('another')).toEqual(noTimes);
});

test.each([
  null,
  '',
  '{',
  '[]',
  '7',
  '{"gpu": 3}',
  '{"gpu": {"models": [], "engineSeconds": -1, "decodeSeconds": "x"}}',
])('a damaged file is an empty one: %s', async (text) => {
  expect(await new DeviceSpeed(memory(text)).of('gpu')).toEqual(noTimes);
});

test('numbers that mean nothing are left out, the others stay', () => {
  const text = '{"gpu": {"probeSeconds": 0.5, "models": {"m": {"forward": null, "step": 4}, "n": 1}}}';
  expect(readSpeeds(text)['gpu']).toEqual({
    ...noTimes,
    probeSeconds: 0.5,
    models: { m: { forward: null, step: 4 }, n: { forward: null, step: null } },
  });
});

test('the oldest devices and models are forgotten', () => {
  let speeds = {};
  for (let i = 0; i < 20; i++) speeds = withTimes(speeds, `gpu ${i}`, noTimes);
  expect(Object.keys(speeds)).toEqual(Array.from({ length: 8 }, (_, i) => `gpu ${12 + i}`));
  let times = noTimes;
  for (let i = 0; i < 50; i++) times = withModelTimes(times, `model ${i}`, { step: 1 });
  times = withModelTimes(times, 'model 10', { step: 2 });
  const kept = Object.keys(readSpeeds(JSON.stringify(withTimes({}, 'gpu', times)))['gpu']?.models ?? {});
  expect(kept).toHaveLength(40);
  expect(kept.at(-1)).toBe('model 10');
});
