// A stock LoRA as starting branches: the sum of the branches is scale B A, what they have left is as new, a
// drop works from the first step on; and a recipe without room is told which setting must change.
import { describe, expect, test } from 'vitest';
import { assertClose } from '../engine/checks/close.ts';
import { recipeDefaults, type DmloraOptions } from '../recipe/recipe.ts';
import { ndArray, zeros } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { randomStream } from '../shared/random.ts';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import { initialAdapter } from './adapter.ts';
import { dropBranches } from './drop-plan.ts';
import { loraNeeds, loraProblem, loraRows, withLoras, type LinearLora } from './lora-start.ts';
import { moduleUpdate } from './merge.ts';
import { fusedLora, stackedLora, withLora } from './stacked-lora.ts';

const config: VitConfig = {
  imageSize: 16,
  patchSize: 8,
  dim: 12,
  depth: 3,
  heads: 2,
  mlpDim: 20,
  layerNormEps: 1e-6,
  ...originalVit,
};
const options = (changes: Partial<DmloraOptions> = {}): DmloraOptions => ({
  ...recipeDefaults.dmlora,
  ...changes,
});

function pairOf(out: number, rank: number, input: number, purpose: number) {
  const stream = randomStream(7, 'headInit', purpose);
  const values = (count: number, from: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => stream.normal(from + i, 0));
  return {
    A: ndArray([rank, input], values(rank * input, 0)),
    B: ndArray([out, rank], values(out * rank, 10_000)),
  };
}

const loraAt = (block: number, linear: 'q' | 'k' | 'fc1', rank: number, scale = 0.75): LinearLora => ({
  block,
  linear,
  scale,
  ...pairOf(linear === 'fc1' ? 20 : 12, rank, 12, block),
});

describe('columns dealt over the branches', () => {
  test.each([
    [1, 4, 3, 4],
    [5, 4, 2, 1],
    [7, 3, 4, 0.5],
    [16, 4, 4, 3],
  ])(
    'rank %i over %i branches of rank %i, scalar %d: their sum is scale B A',
    (rank, branches, width, scalarStart) => {
      const recipe = options({ branches, rank: width, scalarStart });
      const fresh = initialAdapter(config, 5, recipe, 1);
      const loras = [loraAt(0, 'q', rank), loraAt(2, 'fc1', rank, 2)];
      expect(loraProblem(loraNeeds(loras), recipe)).toBeNull();
      const started = withLoras(fresh, loras);
      expect(started).toEqual(withLoras(initialAdapter(config, 5, recipe, 1), loras));
      started.modules.forEach((module, i) => {
        const lora = loras.find(({ block, linear }) => module.name === `blocks.${block}.${linear}`);
        const own = present(fresh.modules[i], 'module');
        if (lora === undefined) {
          expect(module).toBe(own);
          return;
        }
        const [out = 0, input = 0] = [lora.B.shape[0], lora.A.shape[1]];
        const wanted = withLora(zeros([out, input]), lora, lora.scale);
        assertClose(module.name, moduleUpdate(module), wanted.data, { abs: 1e-6, rel: 1e-6 });
        module.branches.forEach((branch, k) => {
          // Shares differ by one column at most; the rest is as new.
          const taken = Math.ceil((rank - k) / branches);
          const before = present(own.branches[k], 'branch');
          expect(branch.A.data.subarray(taken * input)).toEqual(before.A.data.subarray(taken * input));
          const rest = branch.B.data.filter((_, at) => at % width >= taken);
          expect(rest.every((value) => value === 0)).toBe(true);
        });
      });
    },
  );

  test('a drop right after the start takes the share of its branch along, and nothing else', () => {
    const recipe = options({ branches: 3, rank: 2 });
    const lora = loraAt(1, 'k', 6);
    const started = withLoras(initialAdapter(config, 5, recipe, 1), [lora]);
    const dropped = dropBranches(started, new Map([['blocks.1.k', 1]]));
    const module = present(
      dropped.modules.find(({ name }) => name === 'blocks.1.k'),
      'module',
    );
    const without = {
      ...lora,
      B: ndArray(
        lora.B.shape,
        lora.B.data.map((b, at) => ((at % 6) % 3 === 1 ? 0 : b)),
      ),
    };
    const wanted = withLora(zeros([12, 12]), without, lora.scale);
    assertClose('update', moduleUpdate(module), wanted.data, { abs: 1e-6, rel: 1e-6 });
  });

  test('no room is a bug of who asked', () => {
    const small = initialAdapter(config, 5, options({ branches: 1, branchesEnd: 1, rank: 2 }), 1);
    expect(() => withLoras(small, [loraAt(0, 'q', 3)])).toThrow('no room for rank 3');
    const upper = initialAdapter(config, 5, options({ firstBlock: 1 }), 1);
    expect(() => withLoras(upper, [loraAt(0, 'q', 3)])).toThrow('no branches grow on blocks.0.q');
  });
});

test('rows of a fused pair are its thirds, without the ranks of the other parts', () => {
  const [q, v] = [pairOf(12, 2, 12, 1), pairOf(12, 3, 12, 2)];
  const fused = fusedLora([q, null, v], 12);
  expect(fused.A.shape[0]).toBe(5);
  expect(loraRows(fused, 0, 12)).toEqual(q);
  expect(loraRows(fused, 12, 24)).toBeNull();
  expect(loraRows(fused, 24, 36)).toEqual(v);
});

test('branches that were exported as a LoRA start the same branches again, whatever scales them', () => {
  const recipe = options({ branches: 4, rank: 2, scalarStart: 2, scaling: 'rslora', alpha: 3 });
  const first = withLoras(initialAdapter(config, 5, recipe, 1), [loraAt(0, 'q', 8)]);
  const module = present(first.modules[0], 'module');
  const again = withLoras(initialAdapter(config, 5, recipe, 2), [
    { block: 0, linear: 'q', scale: 3 / Math.sqrt(2), ...stackedLora(module) },
  ]);
  const got = moduleUpdate(present(again.modules[0], 'module'));
  assertClose('update', got, moduleUpdate(module), { abs: 1e-6, rel: 1e-6 });
});

describe('a recipe without room', () => {
  const problem = (
    changes: Partial<DmloraOptions>,
    need: { block?: number; linear?: 'q' | 'k' | 'fc1'; rank?: number } = {},
  ) => loraProblem([{ block: 2, linear: 'q', rank: 8, ...need }], options(changes));

  test.each([
    [
      { targets: 'qv' } as const,
      { linear: 'k' } as const,
      'dmlora.targets',
      'choose "query, key, value" (qkv)',
    ],
    [
      { targets: 'qkv' } as const,
      { linear: 'fc1' } as const,
      'dmlora.targets',
      'choose "all linear layers" (all)',
    ],
    [{ firstBlock: 4 }, {}, 'dmlora.firstBlock', 'set it to 2'],
    [{ branches: 4, rank: 1 }, {}, 'dmlora.rank', 'hold 4: choose rank 2 or 8 branches.'],
    [{ branches: 2, rank: 4 }, { rank: 33 }, 'dmlora.rank', 'choose rank 16 and 3 branches.'],
    [{ branches: 8, rank: 1 }, { rank: 9 }, 'dmlora.rank', 'choose rank 2.'],
    [{ branches: 2, rank: 16 }, { rank: 33 }, 'dmlora.rank', 'choose 3 branches.'],
    [{}, { rank: 200 }, 'dmlora.rank', 'no recipe has room for it'],
  ])('%j for %j: %s, %s', (changes, need, field, words) => {
    const found = present(problem(changes, need), 'a problem');
    expect(found.field).toBe(field);
    expect(found.detail).toContain(words);
  });

  test('with just enough there is none, and nothing is asked for by nothing', () => {
    expect(problem({ branches: 2, rank: 4, targets: 'qv', firstBlock: 2 })).toBeNull();
    expect(loraProblem([], options({ targets: 'qv', firstBlock: 2 }))).toBeNull();
  });
});
