// Promises of the runs on a disk: whatever operation fails, once or from then on, a run is as it was before or
// as it was to be; the newest whole checkpoint is the run; what is deleted can be brought back until it is
// purged.
import { describe, expect, test } from 'vitest';
import { unwrap } from '../shared/result.ts';
import { memoryFiles } from '../storage/memory-files.ts';
import type { OriginFiles } from '../storage/origin-files.ts';
import { failingFiles } from '../storage/testing/failing-files.ts';
import { RunFolders } from './run-folders.ts';
import type { SavedRun } from './saved-run.ts';
import { fixedRun } from './testing/any-run.ts';

const later = Date.now() + 3_600_000;
const runAt = (seconds: number): SavedRun => ({
  facts: { ...fixedRun.facts, savedAt: seconds },
  state: { ...fixedRun.state, seconds },
});
const secondsOf = async (files: OriginFiles, id = 'a'): Promise<number> =>
  unwrap(await new RunFolders(files).latest(id)).run.state.seconds;
const pathsOf = async (files: OriginFiles): Promise<string[]> =>
  (await files.list('runs')).map(({ path }) => path).sort();

async function saved(files: OriginFiles, ...all: readonly number[]): Promise<OriginFiles> {
  for (const seconds of all) unwrap(await new RunFolders(files).save('a', runAt(seconds)));
  return files;
}

/** Lets each operation of some work fail in turn, once and from then on, until the work gets by without. */
async function failingEach(
  before: readonly number[],
  work: (runs: RunFolders) => Promise<boolean>,
  check: (files: OriginFiles, done: boolean, words: string) => Promise<void>,
): Promise<number> {
  let failures = 0;
  for (const name of ['QuotaExceededError', 'NoModificationAllowedError', 'InvalidStateError'])
    for (const lasting of [false, true])
      for (let at = 1; ; at++) {
        const files = await saved(memoryFiles(), ...before);
        const failing = failingFiles(files, at, lasting, name);
        const done = await work(new RunFolders(failing.files));
        if (failing.operations() < at) {
          expect(done).toBe(true);
          break;
        }
        failures += 1;
        await check(files, done, `${name} at operation ${at}${lasting ? ' and after' : ''}`);
      }
  return failures;
}

describe('a disk that fails', () => {
  for (const before of [[1], [1, 2]])
    test(`leaves a run of ${before.length} checkpoints as it was or as it was to be`, async () => {
      const last = before.at(-1);
      const failures = await failingEach(
        before,
        async (runs) => (await runs.save('a', runAt(9))).ok,
        async (files, done, words) => {
          expect(await secondsOf(files), words).toBe(done ? 9 : last);
          // And the next one is saved as if nothing had been.
          await saved(files, 10);
          expect(await secondsOf(files), words).toBe(10);
          expect(await pathsOf(files), words).toHaveLength(2);
        },
      );
      expect(failures).toBeGreaterThan(30);
    });

  test('leaves the first checkpoint of a run whole or not there', async () => {
    await failingEach(
      [],
      async (runs) => (await runs.save('a', runAt(9))).ok,
      async (files, done, words) => {
        const latest = await new RunFolders(files).latest('a');
        expect(latest.ok, words).toBe(done);
      },
    );
  });

  test('leaves a run named as before or as it was to be', async () => {
    await failingEach(
      [1],
      async (runs) => (await runs.rename('a', 'mine')).ok,
      async (files, done, words) => {
        const [run] = unwrap(await new RunFolders(files).list());
        expect(run?.name, words).toBe(done ? 'mine' : fixedRun.facts.name);
      },
    );
  });

  test('leaves a run that is purged gone or there to be purged', async () => {
    await failingEach(
      [1, 2],
      async (runs) => {
        const marked = await runs.mark('a', true);
        return marked.ok && (await runs.purge(later)).ok;
      },
      async (files, done, words) => {
        const runs = new RunFolders(files);
        const [run] = unwrap(await runs.list());
        if (run !== undefined && !run.deleted) expect(await secondsOf(files), words).toBe(2);
        if (done) expect(await pathsOf(files), words).toEqual([]);
        unwrap(await runs.mark('a', true));
        unwrap(await runs.purge(later));
        expect(await pathsOf(files), words).toEqual([]);
      },
    );
  });
});

describe('the runs of a disk', () => {
  test('have their last two checkpoints', async () => {
    const files = await saved(memoryFiles(), 1, 2, 3, 4);
    expect(await secondsOf(files)).toBe(4);
    expect(await pathsOf(files)).toEqual(['runs/a/00000003.safetensors', 'runs/a/00000004.safetensors']);
  });

  test('are the newest whole checkpoint, and say why a newer one is not', async () => {
    const files = await saved(memoryFiles(), 1, 2);
    const place = 'runs/a/00000002.safetensors';
    const whole = await files.read(place);
    for (const torn of [whole?.slice(0, 5000), whole?.slice(0, 100), new Blob([])]) {
      await files.remove(place);
      const writer = await files.openWriter(place);
      writer.write(new Uint8Array((await torn?.arrayBuffer()) ?? new ArrayBuffer(0)));
      writer.close();
      const { run, passedOver } = unwrap(await new RunFolders(files).latest('a'));
      expect(run.state.seconds).toBe(1);
      expect(passedOver).toHaveLength(1);
    }
    await files.remove('runs/a/00000001.safetensors');
    expect(await new RunFolders(files).latest('a')).toMatchObject({ fault: { why: 'corrupt' } });
    expect(await new RunFolders(files).latest('b')).toMatchObject({ fault: { why: 'unavailable' } });
  });

  test('make room for their own next checkpoint on a full disk, and keep the last', async () => {
    const files = await saved(memoryFiles(), 1, 2);
    const size = (await files.read('runs/a/00000001.safetensors'))?.size ?? 0;
    // Two fit, a third does not.
    const full: OriginFiles = {
      ...files,
      async openWriter(path) {
        const writer = await files.openWriter(path);
        return {
          ...writer,
          write(bytes) {
            if (held + bytes.length > 2.5 * size) throw new DOMException('Full.', 'QuotaExceededError');
            writer.write(bytes);
          },
        };
      },
      async remove(path) {
        await files.remove(path);
        held = (await files.list('runs')).reduce((sum, { bytes }) => sum + bytes, 0);
      },
    };
    let held = 2 * size;
    await saved(full, 3);
    expect(await secondsOf(files)).toBe(3);
    expect(await pathsOf(files)).toEqual(['runs/a/00000002.safetensors', 'runs/a/00000003.safetensors']);
  });

  test('are listed with the last saved first, renamed, deleted and brought back', async () => {
    const files = memoryFiles();
    const runs = new RunFolders(files);
    unwrap(await runs.save('a', runAt(5)));
    unwrap(await runs.save('b', runAt(7)));
    unwrap(await runs.save('c', runAt(6)));
    unwrap(await runs.rename('b', '<b> ‮'));
    unwrap(await runs.mark('c', true));
    const names = unwrap(await runs.list()).map(({ id, name, deleted }) => [id, name, deleted]);
    const { name } = fixedRun.facts;
    expect(names).toEqual([
      ['b', '<b> ‮', false],
      ['c', name, true],
      ['a', name, false],
    ]);
    expect(unwrap(await runs.latest('b')).run.facts.name).toBe('<b> ‮');
    unwrap(await runs.mark('c', false));
    unwrap(await runs.mark('a', true));
    unwrap(await runs.purge(later));
    expect(unwrap(await runs.list()).map(({ id }) => id)).toEqual(['b', 'c']);
    unwrap(await runs.clear());
    expect(await pathsOf(files)).toEqual([]);
  });

  test('keep the pixels of those that have not ended, are not deleted and can be read', async () => {
    const files = memoryFiles();
    const runs = new RunFolders(files);
    const verdict = { keptStep: 3, scalarsKept: null, learnedScalars: null, diverged: null };
    unwrap(await runs.save('open', runAt(1)));
    unwrap(await runs.save('deleted', runAt(2)));
    unwrap(await runs.mark('deleted', true));
    unwrap(await runs.save('ended', { ...runAt(3), state: { ...fixedRun.state, verdict } }));
    unwrap(await runs.save('rotten', runAt(4)));
    const [path = ''] = (await pathsOf(files)).filter((place) => place.startsWith('runs/rotten/'));
    const bytes = new Uint8Array((await (await files.read(path))?.arrayBuffer()) ?? []);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await files.remove(path);
    const writer = await files.openWriter(path);
    writer.write(bytes);
    writer.close();
    const { pixels, ids } = fixedRun.facts.images;
    expect(await runs.pixelsToKeep()).toEqual([{ ...pixels, ids }]);
    const { files: failing } = failingFiles(files, 1, true);
    await expect(new RunFolders(failing).pixelsToKeep()).rejects.toThrow();
  });

  test('lose what a kill left half written, and nothing else, when they are purged', async () => {
    const files = await saved(memoryFiles(), 1, 2);
    for (const name of ['00000003.safetensors.tmp', '00000003.safetensors.crswap', 'name.tmp'])
      (await files.openWriter(`runs/a/${name}`)).close();
    expect(await secondsOf(files)).toBe(2);
    unwrap(await new RunFolders(files).purge(later));
    expect(await pathsOf(files)).toHaveLength(2);
    expect(await secondsOf(files)).toBe(2);
  });
});
