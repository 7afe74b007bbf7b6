// A packed bench ends in the time that it was given, whatever its cases do: by a clock that the cases move.
import { describe, expect, test } from 'vitest';
import { Budget, leftOut } from './budget.mjs';
import { packPlan, parseCase, type Case } from './cases.mjs';
import { runAll } from './report.mjs';

const clock = { ms: 0 };
const outcome = {
  started: {},
  measured: { wallMs: 1 },
  onGpu: null,
  profile: null,
  gpuCpuMs: 1,
  pageCpuMs: null,
};

/** Runs cases that want so many seconds each, in so many seconds; the clock stands where they ended. */
async function runIn(seconds: number, wants: readonly number[]) {
  clock.ms = 5000.25; // any origin
  const begun = clock.ms;
  const cases = wants.map((_, i) => parseCase(`kernels/small/b${i + 1}`));
  const run = ({ batch }: Case, limitMs: number) => {
    // Node takes no parts of a millisecond as the limit of a process.
    expect(Number.isInteger(limitMs)).toBe(true);
    const wanted = 1000 * (wants[batch - 1] ?? 0);
    clock.ms += Math.min(wanted, limitMs);
    return wanted > limitMs ? Promise.reject(new Error('ended')) : Promise.resolve(outcome);
  };
  const ran = await runAll(cases, 1, run, () => Promise.resolve(), new Budget(seconds, () => clock.ms));
  const words = ran.map(({ error, outcomes }) => error ?? `measured ${outcomes.length}`);
  return { words, seconds: (clock.ms - begun) / 1000 };
}

describe('the time of a run of the bench', () => {
  test('is enough for what fits, and what does not is named', async () => {
    expect(await runIn(60, [20, 20, 17, 30, 1])).toEqual({
      words: ['measured 1', 'measured 1', 'measured 1', leftOut, leftOut],
      seconds: 57,
    });
  });

  test('ends what hangs at its share, and in the end at what is left', async () => {
    expect(await runIn(200, [1000, 60, 1000, 5])).toEqual({
      words: ['ended', 'measured 1', 'ended', leftOut],
      seconds: 200,
    });
  });

  test('is unlimited where none was given', async () => {
    clock.ms = 0;
    const limits: number[] = [];
    await runAll(
      [parseCase('kernels/small/b1')],
      1,
      (_, limitMs) => {
        limits.push(limitMs);
        return Promise.resolve(outcome);
      },
      () => Promise.resolve(),
    );
    expect(limits).toEqual([Infinity]);
  });
});

test('a pack measures the engine first, beside another build and PyTorch, and names only cases that there are', () => {
  const parts = packPlan({ before: true, cuda: true });
  const cases = parts.flatMap((part) => ('cases' in part ? part.cases : []));
  expect(cases.slice(0, 3)).toEqual([
    'kernels/vit-b/b32',
    'kernels-before/vit-b/b32',
    'torch-cuda/vit-b/b32',
  ]);
  expect(new Set(cases).size).toBe(cases.length);
  for (const one of cases) expect(() => parseCase(one)).not.toThrow();
  const without = packPlan({ before: false, cuda: false });
  expect(JSON.stringify(without)).not.toMatch(/torch|before/);
});
