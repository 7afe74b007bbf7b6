// What a fold keeps: everything where the ranks allow it, and otherwise all but the tail of the singular values. The
// reference is PyTorch's in float64 (testdata/reference).
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adapterFrom, readManifest, readTensors, tensorOf } from '../engine/checks/reference.ts';
import { readReference } from '../engine/checks/node-backends.ts';
import { ndArray } from '../shared/array.ts';
import { parametersOf, type Branch } from './adapter.ts';
import { dropBranches } from './drop-plan.ts';
import { moduleUpdate } from './merge.ts';
import { svdFold } from './svd-fold.ts';

const update = (branches: readonly Branch[]): Float64Array =>
  moduleUpdate({ name: 'm', scalar: 1, branches });
const norm = (values: Iterable<number>): number => Math.hypot(...values);
const apart = (a: Float64Array, b: Float64Array): number => norm(a.map((value, i) => value - (b[i] ?? NaN)));

/** Branches of these shapes whose entries are sines: of full rank. */
function branchesOf(count: number, rank: number, out: number, input: number, phase: number): Branch[] {
  let n = phase;
  const values = (length: number): Float32Array =>
    Float32Array.from({ length }, () => Math.sin(1.7 * n++ + 0.1 * n * n));
  return Array.from({ length: count }, (_, index) => ({
    index,
    A: ndArray([rank, input], values(rank * input)),
    B: ndArray([out, rank], values(out * rank)),
  }));
}

describe('a fold', () => {
  test('gives PyTorch’s factors, and loses the tail of PyTorch’s singular values', async () => {
    const run = await readTensors(readReference, 'train_svdfold.safetensors');
    const { drops } = await readManifest(readReference);
    for (const [step, tag] of [
      [6, '06'],
      [10, '10'],
    ] as const) {
      const before = adapterFrom(run, `after${tag}.`);
      const gone = drops.get(step) ?? new Map<string, number>();
      const after = dropBranches(before, gone, 'svd-fold');
      const expected = parametersOf(adapterFrom(run, `drop${tag}.`));
      for (const [name, { data }] of parametersOf(after))
        data.forEach((value, i) =>
          expect(Math.abs(value - (expected.get(name)?.data[i] ?? NaN))).toBeLessThan(1e-5),
        );
      after.modules.forEach((module, i) => {
        const former = before.modules[i];
        if (former === undefined) throw new Error('a module is missing');
        expect(module.branches.map(({ index }) => index)).not.toContain(gone.get(module.name));
        const values = tensorOf(run, `drop${tag}.sv.${module.name}`).data;
        const rank = module.branches[0]?.A.shape[0] ?? 0;
        const tail = norm(values.subarray(module.branches.length * rank));
        const lost = apart(update(former.branches), update(module.branches));
        expect(Math.abs(lost - tail)).toBeLessThan(1e-6 * (values[0] ?? 0));
      });
    }
  });

  test('changes nothing where the survivors can carry everything', () => {
    fc.assert(
      fc.property(
        fc.record({
          survivors: fc.integer({ min: 1, max: 3 }),
          rank: fc.integer({ min: 1, max: 4 }),
          input: fc.integer({ min: 1, max: 9 }),
          phase: fc.integer({ min: 0, max: 1000 }),
        }),
        ({ survivors, rank, input, phase }) => {
          // An update of that many rows has at most as many directions.
          const out = Math.min(survivors * rank, 7);
          const branches = branchesOf(survivors + 1, rank, out, input, phase);
          const whole = update(branches);
          const folded = svdFold(branches, survivors);
          expect(apart(update(folded), whole)).toBeLessThan(1e-6 * norm(whole) + 1e-12);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('of branches that have learned nothing, or the same, stays finite', () => {
    const branches = branchesOf(3, 2, 5, 6, 3);
    const silent = branches.map((branch) => ({ ...branch, B: ndArray([5, 2], new Float32Array(10)) }));
    expect(norm(update(svdFold(silent, 1)))).toBe(0);
    const [first] = branches;
    if (first === undefined) throw new Error('no branch');
    const same = [0, 1, 2].map((index) => ({ ...first, index }));
    const folded = svdFold(same, 0);
    expect(apart(update(folded), update(same))).toBeLessThan(1e-5 * norm(update(same)));
    expect(folded.every(({ A, B }) => [...A.data, ...B.data].every(Number.isFinite))).toBe(true);
  });
});
