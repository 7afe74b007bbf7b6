// The N-th operation of the disk fails, for every N of a short run that is saved at each of its states: what is
// there afterwards is a state of that run as it was kept, bit for bit, none older than the last that was told to be
// saved; and a checkpoint that could not be written is told.
import { expect, test } from 'vitest';
import { memoryFiles } from '../storage/memory-files.ts';
import { failingFiles } from '../storage/testing/failing-files.ts';
import type { RunState } from '../train/run-state.ts';
import { finished, inputOf } from '../train/testing/micro-run.ts';
import { encodeCheckpoint } from './checkpoint-file.ts';
import { RunFolders } from './run-folders.ts';
import { RunSaver } from './run-saver.ts';
import { savedState } from './testing/any-run.ts';

const { run, log } = await finished(inputOf({ steps: 8 }));
/** The file of each state, as text. */
const textOf = (state: RunState): string =>
  Buffer.from(encodeCheckpoint(savedState(state))).toString('latin1');
const texts = log.states.map(textOf);

/** Saves every state; counts what was told. */
async function saveAll(folders: RunFolders): Promise<{ readonly saved: number; readonly faults: number }> {
  const told = { saved: -1, faults: 0 };
  let now = 0;
  const saver = new RunSaver(run.plan, {
    clock: () => (now += 60_000),
    save: (state) => folders.save('a', savedState(state)),
    saved: (state) => {
      told.saved = log.states.indexOf(state);
    },
    failed: () => {
      told.faults += 1;
    },
  });
  for (const state of log.states) {
    saver.kept(state);
    await saver.settled();
  }
  return told;
}

/** The place of the state that is there; -1 where there is none. */
const placeOf = (latest: Awaited<ReturnType<RunFolders['latest']>>): number =>
  latest.ok ? texts.indexOf(textOf(latest.value.run.state)) : -1;

test.each([
  ['once', false],
  ['from then on', true],
] as const)(
  'a disk that fails %s leaves the run as it was told to be saved, or later',
  async (_, lasting) => {
    expect(new Set(texts).size).toBeGreaterThan(3);
    let failures = 0;
    for (let at = 1; ; at++) {
      const files = memoryFiles();
      const failing = failingFiles(files, at, lasting);
      const { saved, faults } = await saveAll(new RunFolders(failing.files));
      const words = `operation ${at}`;
      const latest = await new RunFolders(files).latest('a');
      const place = placeOf(latest);
      expect(place, words).toBeGreaterThanOrEqual(saved);
      if (latest.ok) expect(latest.value.passedOver, words).toEqual([]);
      if (failing.operations() < at) {
        expect([saved, faults]).toEqual([texts.length - 1, 0]);
        break;
      }
      failures += 1;
      // What only makes room may fail in silence; a state that is not there was told.
      if (place !== texts.length - 1) expect(faults, words).toBe(1);
    }
    expect(failures).toBeGreaterThan(30);
  },
);
