// VTAB-1k's protocol without its runs: what is tried and retrained, what is chosen, and which averages stand.
import { expect, test } from 'vitest';
import { readRecipe } from '../recipe/read-recipe.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import type { TrialRecord } from './trial-record.ts';
import {
  candidateOf,
  chosenOf,
  combinationsOf,
  groups,
  meansOf,
  namesakesOf,
  retrained,
  sizeNote,
  taskOfSet,
  tried,
  triesOf,
  vtabReport,
} from './vtab.ts';

/** A run with so many of 1,000 test images right, and of 200 validation images. */
function recordOf(
  arm: string,
  set: string,
  test: number | null,
  validation = 100,
  loss = 1,
  seed = 1,
): TrialRecord {
  return {
    ...{ version: 1, arm, set, shots: null, seed, key: `${arm} ${set} ${seed}`, split: set },
    decidedBy: { recipe: {}, model: 'm', images: set, how: {} },
    result: {
      test: test === null ? null : { accuracy: test / 1000, loss: 1 },
      validation: { accuracy: validation / 200, loss },
      ...{
        probe: null,
        steps: 10,
        keptStep: 10,
        diverged: false,
        seconds: 1,
        secondsPerStep: 1,
        peakBytes: 1,
      },
      images: { train: 1000, validation: 200, test: 1000 },
    },
    ...{ device: 'wasm', build: 'x', endedAt: '2026-01-01T00:00:00Z' },
  };
}

const natural = ['caltech101', 'cifar', 'dtd', 'oxford_flowers102', 'oxford_iiit_pet', 'svhn', 'sun397'];
const specialized = ['patch_camelyon', 'eurosat', 'resisc45', 'diabetic_retinopathy'];
const structured = [
  ...[
    'clevr_count',
    'clevr_dist',
    'dmlab',
    'kitti',
    'dsprites_loc',
    'dsprites_ori',
    'smallnorb_azi',
    'smallnorb_ele',
  ],
];

const settings = combinationsOf([
  { path: 'learningRate', texts: ['1e-3', '1e-2'] },
  { path: 'batch', texts: ['8', '16', '32'] },
]);
const candidates = settings.map((one) => candidateOf({ name: 'lora', recipe: recipeDefaults }, one));

test('the folders that the benchmark comes in are its 19 tasks', () => {
  const found = [...natural, ...specialized, ...structured].map(taskOfSet);
  expect(new Set(found.map((task) => task?.name)).size).toBe(19);
  expect(groups.map((group) => found.filter((task) => task?.group === group).length)).toEqual([7, 4, 8]);
  expect(['CIFAR-100', 'vtab-1k-sNORB', 'VTAB_dtd', 'emoji-8'].map((set) => taskOfSet(set)?.name)).toEqual([
    ...['CIFAR-100', undefined, 'DTD', undefined],
  ]);
});

test('a fifth of the training images validates, then all of them train, and the last state counts each time', () => {
  const recipe = { ...recipeDefaults, patience: 3, split: { ...recipeDefaults.split, folds: 5 } } as const;
  const [first, last] = [tried(recipe), retrained(recipe)];
  expect(first).toMatchObject({ keep: 'last', patience: null });
  expect(first.split).toMatchObject({ validationFraction: 0.2, folds: 0, learnFrom: 'train' });
  expect(last).toEqual({ ...first, split: { ...first.split, learnFrom: 'all' } });
  expect(readRecipe(last).ok).toBe(true);
});

test('every combination of what is chosen is tried, and a method without a choice is not', () => {
  expect(candidates).toHaveLength(6);
  expect(candidates[1]?.name).toBe('lora (learningRate = 1e-3, batch = 16)');
  const fixed = candidateOf({ name: 'fixed', recipe: recipeDefaults }, []);
  const tries = triesOf([...candidates, fixed], ['a', 'b'], 7);
  expect(tries).toHaveLength(12);
  expect(tries.every(({ recipe, seed }) => seed === 7 && recipe.seed === 7 && recipe.keep === 'last')).toBe(
    true,
  );
});

test('most validation images right are chosen, of equals the smallest loss, whatever the test images say', () => {
  const [a, b, c, ...others] = candidates.map(({ name }) => name);
  const rest = others.map((name) => recordOf(name, 'x', 999, 90));
  const tries = [
    recordOf(a ?? '', 'x', 900, 120, 0.5),
    recordOf(b ?? '', 'x', 1, 121, 0.9),
    recordOf(c ?? '', 'x', 1, 121, 0.8),
  ];
  const chosen = chosenOf(candidates, [...rest, ...tries], 'lora', 'x');
  expect(chosen).toMatchObject({ ok: true, value: { name: c } });
  // A missing try might have been the one; that of another set is not it.
  const lacking = chosenOf(
    candidates,
    [...rest, ...tries.slice(0, 2), recordOf(c ?? '', 'y', 1, 200)],
    'lora',
    'x',
  );
  expect(lacking).toEqual({
    ok: false,
    fault: 'x: "lora" is not chosen, since 1 of its 6 tries are missing.',
  });
});

test('both averages stand by their names, and only where all of their tasks do', () => {
  const records = [
    ...natural.map((set) => recordOf('m', set, 800)),
    ...specialized.map((set) => recordOf('m', set, 600)),
    ...structured.map((set) => recordOf('m', set, 400)),
    // Two seeds of a task are one task.
    recordOf('m', 'dtd', 100, 100, 1, 2),
  ];
  const [means] = meansOf(records, ['m']);
  const ofNatural = (6 * 0.8 + 0.45) / 7;
  expect(means?.groups.natural).toBeCloseTo(ofNatural);
  expect(means?.ofGroups).toBeCloseTo((ofNatural + 0.6 + 0.4) / 3);
  expect(means?.ofTasks).toBeCloseTo((7 * ofNatural + 4 * 0.6 + 8 * 0.4) / 19);
  const [less] = meansOf(records.slice(1), ['m']);
  expect(less).toMatchObject({ groups: { natural: null }, ofGroups: null, ofTasks: null });
  expect(less?.groups.specialized).toBeCloseTo(0.6);
  const [untested] = meansOf([recordOf('m', 'eurosat', null)], ['m']);
  expect(untested?.tasks.size).toBe(0);
});

test('the report names what is missing', () => {
  const [first] = candidates;
  if (first === undefined) throw new Error('there is no candidate');
  const text = vtabReport(
    [recordOf('m', 'eurosat', 600), recordOf('m', 'mine', 500)],
    ['m'],
    [{ set: 'mine', candidate: first }],
    ['a note'],
  );
  expect(text).toContain('1 of the 19 tasks are there');
  expect(text).toContain('| m | - | - | - | - | - |');
  expect(text).toContain('| eurosat | EuroSAT | specialized | 60.0 |');
  expect(text).toContain('in no mean: mine.');
  expect(text).toContain('| mine | lora | learningRate = 1e-3, batch = 8 |');
  const record = recordOf('m', 'mine', 500);
  expect(sizeNote(record, true)).toBeNull();
  expect(sizeNote(record, false)).toContain('mine was tried with 1000 training');
});

test('one value of a choice leaves nothing to try, and two sets of one task are refused', () => {
  const settings = [{ path: 'learningRate', text: '0.001' }];
  const one = candidateOf({ name: 'lora', recipe: recipeDefaults }, settings);
  const other = candidateOf({ name: 'lora', recipe: recipeDefaults }, [{ path: 'learningRate', text: '1' }]);
  expect(triesOf([one], ['dtd'], 1)).toEqual([]);
  expect(triesOf([one, other], ['dtd'], 1)).toHaveLength(2);
  expect(namesakesOf(['cifar', 'dtd', 'mine', 'mine too'])).toBeNull();
  expect(namesakesOf(['cifar', 'vtab-cifar100'])).toMatch(
    /^"cifar" and "vtab-cifar100" are both the task CIFAR-100/,
  );
});
