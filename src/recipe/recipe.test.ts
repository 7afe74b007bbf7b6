// The table of options against itself, and its one check as page, worker and command meet it: what the form
// takes, the worker takes, and the other way; what is not shown blocks nobody.
import { describe, expect, it, test } from 'vitest';
import { faultSentence } from '../shared/describe-fault.ts';
import { groups } from './option-groups.ts';
import { optionOf, paths, type Path, type Recipe } from './options.ts';
import { formOf, readForm, wordsOf, type RecipeForm } from './recipe-form.ts';
import { readRecipe, readRecipeFile } from './read-recipe.ts';
import {
  batchOf,
  checkDropSteps,
  defaultEpochs,
  namesIn,
  notMirroredOf,
  recipeDefaults,
  stepsOf,
  valueAt,
  withLength,
} from './recipe.ts';

const form = formOf(recipeDefaults);
type Texts = Partial<Record<Path, string>>;
const edited = (texts: Texts, lengthIn: RecipeForm['lengthIn'] = 'epochs'): RecipeForm => {
  const changed = new Map(form.texts);
  for (const path of paths) changed.set(path, texts[path] ?? changed.get(path) ?? '');
  return { lengthIn, texts: changed };
};
const errorsOf = (texts: Texts): string[] => [...readForm(edited(texts)).errors.keys()];
const withDmlora = (dmlora: Partial<Recipe['dmlora']>): Recipe => ({
  ...recipeDefaults,
  dmlora: { ...recipeDefaults.dmlora, ...dmlora },
});
const file = (text: string): Blob => new Blob([text]);

describe('the table', () => {
  test.each(paths)(
    '%s has a default within its limits, words, a group, and conditions that can hold',
    (path) => {
      const option = optionOf(path);
      expect(readRecipe(recipeDefaults)).toEqual({ ok: true, value: recipeDefaults });
      expect(valueAt(recipeDefaults, path)).toBe(option.default);
      expect(option.help).toMatch(/^[A-Z].*\.$/);
      expect(groups.map(({ name }) => name)).toContain(option.group);
      for (const [other, values] of Object.entries(option.when ?? {})) {
        const found = paths.find((known) => known === other);
        const controller = found === undefined ? undefined : optionOf(found);
        for (const value of values)
          if (controller?.kind === 'choice')
            expect(controller.choices.map(([choice]) => choice)).toContain(value);
          else expect(controller?.empty).toBeDefined();
      }
    },
  );

  it('keeps the shape that recipe files have had', () => {
    expect(recipeDefaults.dmlora.dropWindow).toEqual([0.1, 0.4]);
    expect(Object.keys(recipeDefaults).sort()).toEqual(
      [
        ...[
          'augment',
          'backbone',
          'batch',
          'blur',
          'classBalance',
          'clipNorm',
          'colourJitter',
          'cutmix',
          'dmlora',
          'epochs',
        ],
        ...['headRate', 'headStart', 'randAugment', 'randAugmentStrength', 'randomErasing', 'rotation'],
        ...[
          'keep',
          'labelSmoothing',
          'learningRate',
          'learningRateFloor',
          'memory',
          'mixup',
          'notMirrored',
          'patience',
        ],
        ...[
          'scalarRate',
          'seed',
          'smallestCrop',
          'split',
          'steps',
          'stochasticDepth',
          'upsideDown',
          'warmup',
        ],
        'weightDecay',
      ].sort(),
    );
  });

  it('reads names with commas between them, and knows which are no classes', () => {
    expect(namesIn(' left hand, b,, "a, b" ,"" ')).toEqual(['left hand', 'b', 'a, b']);
    const read = (augment: 'none' | 'flip', notMirrored: string) =>
      notMirroredOf({ augment, notMirrored }, ['a', 'b', 'a, b']);
    expect(read('flip', '"a, b",a')).toEqual({ ok: true, value: new Set([2, 0]) });
    expect(read('flip', 'a, c')).toMatchObject({ ok: false, fault: { field: 'notMirrored' } });
    expect(read('none', 'a, c')).toMatchObject({ ok: true });
  });

  it('says nothing of what branches would do where there are none, and what is tuned all the same', () => {
    const read = readRecipe({ dmlora: { branches: 0, dropEffect: 'absorb' }, backbone: { tune: 'all' } });
    expect(read).toMatchObject({
      value: { dmlora: { dropMode: 'none', scalars: 'off' }, backbone: { tune: 'all' } },
    });
    const now = edited({ 'dmlora.branches': '0', 'backbone.tune': 'norms' });
    expect(readForm(now).shown.filter((path) => path.startsWith('dmlora.'))).toEqual(['dmlora.branches']);
    const branches = groups.find(({ name }) => name === 'branches');
    expect(branches?.summary((path) => wordsOf(now, paths.find((one) => one === path) ?? 'seed'))).toBe(
      'none, backbone: LayerNorms learn',
    );
    expect(errorsOf({ 'dmlora.dropEffect': 'absorb', 'backbone.tune': 'all' })).toEqual(['backbone.tune']);
  });

  it('gives every group words from values that are shown', () => {
    const words = (texts: Texts): string[] => {
      const now = edited(texts);
      const { shown } = readForm(now);
      return groups.map(({ summary }) =>
        summary((path) => {
          const found = shown.find((known) => known === path);
          return found === undefined ? null : wordsOf(now, found);
        }),
      );
    };
    expect(words({})).toEqual([
      ...['', '4 → 2, rank 4', '20 % to validate', 'crop and mirror', 'classes as they come'],
      ...['automatic', 'AdamW, cosine'],
    ]);
    const changed = {
      'dmlora.dropMode': 'none',
      'memory.budgetMB': '900',
      labelSmoothing: '10',
      mixup: '0.2',
      colourJitter: '40',
      randomErasing: '25',
      rotation: '10',
      cutmix: '1',
      'split.trainPerClass': '8',
      'split.together': 'folder',
    };
    expect(words(changed)).toEqual(
      expect.arrayContaining([
        '4, all stay, rank 4',
        '900 MB',
        '20 % to validate, 8 a class to learn from, drawn together by their folders',
        'crop and mirror, rotated ± 10 degrees, colours ± 40 %, erased 25 %, mixup 0.2, CutMix 1',
        'classes as they come, labels smoothed by 10 %',
      ]),
    );
  });
});

describe('a recipe of JSON', () => {
  it('has defaults for what is left out', () => {
    expect(readRecipe({ seed: 9, dmlora: { rank: 8 } })).toEqual({
      ok: true,
      value: { ...withDmlora({ rank: 8 }), seed: 9 },
    });
    expect(readRecipe({ dmlora: {} })).toEqual({ ok: true, value: recipeDefaults });
  });

  test.each([
    [{ batch: 0 }, 'batch'],
    [{ batch: 'many' }, 'batch'],
    [{ learningRate: -1 }, 'learningRate'],
    [{ learningRate: 12 }, 'learningRate'],
    [{ learningRate: null }, 'learningRate'],
    [{ learningrate: 1 }, 'learningrate'],
    [{ seed: 1.5 }, 'seed'],
    [{ seed: [1] }, 'seed'],
    [{ augment: 'none', smallestCrop: 5 }, 'smallestCrop'],
    [{ split: { validationFraction: 1 } }, 'split.validationFraction'],
    [{ dmlora: { rank: 3 } }, 'dmlora.rank'],
    [{ dmlora: { rank: '4' } }, 'dmlora.rank'],
    [{ dmlora: { branches: 2, branchesEnd: 3 } }, 'dmlora.branchesEnd'],
    [{ dmlora: { dropWindow: [0.5, 0.2] } }, 'dmlora.dropWindow.1'],
    [{ dmlora: { dropWindow: [0.5, 0.9] } }, 'dmlora.stage2'],
    [{ dmlora: { dropSpacing: 'steps' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropSpacing: 'steps', dropSteps: '5' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropSpacing: 'steps', dropSteps: '5, 1.5' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropSpacing: 'steps', dropSteps: '9, 5' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropSpacing: 'steps', dropSteps: '5, 30 %' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropSpacing: 'steps', dropSteps: '5 %, 90 %' } }, 'dmlora.dropSteps'],
    [{ steps: 100, dmlora: { dropSpacing: 'steps', dropSteps: '5, 81' } }, 'dmlora.dropSteps'],
    [{ dmlora: { dropWindow: [0.2] } }, 'dmlora.dropWindow'],
    [{ dmlora: { dropWindow: [0.1, 0.2, 0.3] } }, 'dmlora.dropWindow'],
    [{ dmlora: { dropWindow: { 0: 0.2 } } }, 'dmlora.dropWindow'],
    [{ dmlora: 7 }, 'dmlora'],
    [{ dmlora: [] }, 'dmlora'],
    [{ dmlora: null }, 'dmlora'],
    [{ x: [] }, 'x'],
    [{ x: {} }, 'x'],
    [{ dmlora: { x: { y: {} } } }, 'dmlora.x'],
    [{ constructor: {} }, 'constructor'],
    [JSON.parse('{"__proto__": {"batch": 1}}') as unknown, '__proto__'],
    [[], 'recipe'],
    [null, 'recipe'],
    ['text', 'recipe'],
  ])('%j is refused at %s', (json, field) => {
    const read = readRecipe(json);
    expect(read.ok ? null : read.fault).toMatchObject({ kind: 'bad-recipe', field });
    expect(read.ok ? '' : faultSentence(read.fault)).toContain(field);
  });

  it('is told what is needed, and where a field that stands too high belongs', async () => {
    const detailOf = async (text: string): Promise<string> => {
      const read = await readRecipeFile(file(text));
      return read.ok || read.fault.kind !== 'bad-recipe' ? '' : read.fault.detail;
    };
    expect(await detailOf('{"learningRate": 12}')).toBe('A number above 0 and at most 10 is needed, not 12.');
    expect(await detailOf('{"dmlora": {"targets": "k"}}')).toContain(
      'One of qv, qkv, qkv+proj, all is needed',
    );
    expect(await detailOf('{"rank": 8}')).toContain('perhaps dmlora.rank is meant');
  });

  it('is refused as a file before it can do harm: too large, too deep, no JSON', async () => {
    const deep = (text: string): Promise<unknown> => readRecipeFile(file(text));
    const refused = { ok: false, fault: { kind: 'bad-recipe' } };
    expect(await deep(`{"seed": 1, "x": "${'x'.repeat(9_000_000)}"}`)).toMatchObject(refused);
    expect(await deep('['.repeat(60_000))).toMatchObject(refused);
    expect(await deep(`{"x": ${'['.repeat(30_000)}${']'.repeat(30_000)}}`)).toMatchObject(refused);
    expect(await deep(`{"seed": ${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`)).toMatchObject(refused);
    expect(await deep('seed: 1')).toMatchObject(refused);
    expect(await deep('{"seed": 3}')).toEqual({ ok: true, value: { ...recipeDefaults, seed: 3 } });
  });

  it('is taken from the record of a run, whatever else that holds', async () => {
    const run = { graft: { build: 'a' }, recipe: { seed: 3 }, data: { images: 'x'.repeat(100_000) } };
    expect(await readRecipeFile(file(JSON.stringify(run)))).toEqual({
      ok: true,
      value: { ...recipeDefaults, seed: 3 },
    });
    expect(await readRecipeFile(file('{"recipe": {"rank": 8}}'))).toMatchObject({
      ok: false,
      fault: { field: 'rank' },
    });
  });

  it('takes single settings over a file, each by its path', async () => {
    const settings = [
      { path: 'steps', text: '9' },
      { path: 'dmlora.dropWindow.0', text: '0.2' },
      { path: 'dmlora.targets', text: 'qv' },
    ];
    const read = await readRecipeFile(file('{"steps": 5, "seed": 3}'), settings);
    expect(read).toEqual({
      ok: true,
      value: { ...withDmlora({ dropWindow: [0.2, 0.4], targets: 'qv' }), steps: 9, seed: 3 },
    });
    expect(await readRecipeFile(null, [{ path: 'steps', text: 'null' }])).toEqual({
      ok: true,
      value: recipeDefaults,
    });
    for (const [path, text] of [
      ['steps', 'ten'],
      ['steps', '0'],
      ['warmup', '50'],
      ['rank', '8'],
      ['batch', ''],
    ] as const)
      expect(await readRecipeFile(null, [{ path, text }])).toMatchObject({
        ok: false,
        fault: { field: path },
      });
  });
});

describe('the form', () => {
  it('gives the defaults back exactly', () => {
    expect(readForm(form)).toMatchObject({ recipe: recipeDefaults, errors: new Map() });
  });

  it('reads shares as percent without the noise of fractions, and a decimal comma', () => {
    const { recipe } = readForm(edited({ 'split.validationFraction': '7', learningRate: '0,003' }));
    expect(recipe?.split.validationFraction).toBe(0.07);
    expect(recipe?.learningRate).toBe(0.003);
  });

  it('counts in steps or epochs', () => {
    const read = (lengthIn: RecipeForm['lengthIn'], texts: Texts) => readForm(edited(texts, lengthIn));
    expect(read('steps', { steps: '120', epochs: 'nonsense' }).recipe?.steps).toBe(120);
    expect(read('epochs', { steps: 'nonsense' }).recipe?.steps).toBeNull();
    for (const steps of ['0', '', 'x', '1,000'])
      expect([...read('steps', { steps, epochs: '' }).errors.keys()]).toEqual(['steps']);
  });

  it('knows the blocks of the open model', () => {
    const deep = edited({ 'dmlora.firstBlock': '6' });
    expect([...readForm(deep, 6).errors.keys()]).toEqual(['dmlora.firstBlock']);
    expect(readForm(deep, 6).errors.get('dmlora.firstBlock')).toContain('blocks 0 to 5');
    for (const depth of [7, null]) expect(readForm(deep, depth).recipe).not.toBeNull();
  });

  it('takes an empty limit as all', () => {
    expect(readForm(edited({ 'split.trainPerClass': '' })).recipe?.split.trainPerClass).toBeNull();
    expect(readForm(edited({ 'split.trainPerClass': '20' })).recipe?.split.trainPerClass).toBe(20);
  });

  it.each([
    [{ batch: '' }, 'batch'],
    [{ batch: '2.5' }, 'batch'],
    [{ batch: '5000' }, 'batch'],
    [{ learningRate: '0' }, 'learningRate'],
    [{ learningRate: '12' }, 'learningRate'],
    [{ learningRate: 'fast' }, 'learningRate'],
    [{ seed: '-1' }, 'seed'],
    [{ seed: '4294967296' }, 'seed'],
    [{ 'split.validationFraction': '100' }, 'split.validationFraction'],
    [{ 'dmlora.branches': '2', 'dmlora.branchesEnd': '3' }, 'dmlora.branchesEnd'],
    [{ 'dmlora.dropWindow.0': '50' }, 'dmlora.dropWindow.1'],
    [{ 'dmlora.dropWindow.1': '90' }, 'dmlora.stage2'],
    [{ 'dmlora.dropWindow.1': 'x' }, 'dmlora.dropWindow.1'],
  ] as const)('names the field of %o', (texts, field) => {
    expect(errorsOf(texts)).toEqual([field]);
    expect(readForm(edited(texts)).recipe).toBeNull();
  });

  it('says in percent what a share may be', () => {
    const { errors } = readForm(edited({ 'split.validationFraction': '100' }));
    expect(errors.get('split.validationFraction')).toContain('above 0 % and below 100 %');
  });

  // Every text that a field may hold, with every way in which other options hide it.
  const hidden: readonly (readonly [Texts, Path])[] = [
    [{ 'dmlora.dropMode': 'none', 'dmlora.branches': '1' }, 'dmlora.branchesEnd'],
    [{ 'dmlora.dropMode': 'none' }, 'dmlora.dropWindow.0'],
    [{ 'dmlora.dropMode': 'none' }, 'dmlora.dropWindow.1'],
    [{ 'dmlora.dropMode': 'none', 'dmlora.dropSpacing': 'steps' }, 'dmlora.dropSteps'],
    [{ 'dmlora.dropSpacing': 'steps', 'dmlora.dropSteps': '5, 9' }, 'dmlora.dropWindow.1'],
    [{ 'dmlora.scalars': 'off' }, 'dmlora.stage2'],
    [{ 'dmlora.scalars': 'off' }, 'scalarRate'],
    [{ augment: 'none' }, 'smallestCrop'],
    [{ augment: 'flip' }, 'smallestCrop'],
  ];
  it.each(hidden)('with %o, %s cannot stop Start, whatever stands in it', (texts, path) => {
    for (const text of ['', 'x', '-1', '0', '2', '50', '1e9']) {
      const { recipe, errors, shown } = readForm(edited({ ...texts, [path]: text }));
      expect(shown).not.toContain(path);
      expect([...errors]).toEqual([]);
      expect(readRecipe(recipe)).toEqual({ ok: true, value: recipe });
    }
  });

  it('takes no drops with a window that would end before it begins, and plain LoRA, as the worker does', () => {
    const late = readForm(
      edited({ 'dmlora.dropMode': 'none', 'dmlora.dropWindow.0': '50', 'dmlora.dropWindow.1': '10' }),
    );
    expect(late.recipe?.dmlora).toMatchObject({ dropMode: 'none', dropWindow: [0.5, 0.1] });
    expect(readRecipe(late.recipe).ok).toBe(true);
    expect(readRecipe({ dmlora: { dropMode: 'none', branches: 1 } }).ok).toBe(true);
    // The same values are refused where they count.
    expect(readRecipe({ dmlora: { branches: 1 } }).ok).toBe(false);
    expect(errorsOf({ 'dmlora.branches': '1' })).toEqual(['dmlora.branchesEnd']);
    expect(errorsOf({ 'dmlora.dropMode': 'none', 'dmlora.dropWindow.1': '95' })).toEqual([]);
    expect(errorsOf({ 'dmlora.scalars': 'off', 'dmlora.dropWindow.1': '95' })).toEqual([]);
    // A stage 2 that trains the branches again may drop them, but draws no gates.
    const inStage2 = {
      'dmlora.scalars': 'scale-then-retrain',
      'dmlora.dropWindow.0': '85',
      'dmlora.dropWindow.1': '95',
    };
    expect(errorsOf(inStage2)).toEqual([]);
    expect(errorsOf({ ...inStage2, 'dmlora.dropMode': 'stochastic' })).toEqual(['dmlora.stage2']);
    // Crossed branches differ by what steps leave out alone.
    const crossed = { 'dmlora.pairing': 'crossed' };
    expect(errorsOf(crossed)).toEqual(['dmlora.pairing']);
    expect(errorsOf({ ...crossed, 'dmlora.dropMode': 'none' })).toEqual(['dmlora.pairing']);
    for (const dropMode of ['stochastic', 'constant', 'annealed']) {
      const drawn = { ...crossed, 'dmlora.dropMode': dropMode };
      expect(errorsOf(drawn)).toEqual([]);
      expect(errorsOf({ ...drawn, 'dmlora.scalars': 'scale-then-retrain' })).toEqual(['dmlora.pairing']);
    }
    const tooLate = { ...crossed, 'dmlora.dropMode': 'stochastic', 'dmlora.scalars': 'joint' };
    expect(errorsOf({ ...tooLate, 'dmlora.dropWindow.0': '100', 'dmlora.dropWindow.1': '100' })).toEqual([
      'dmlora.pairing',
    ]);
    // Drops at named steps have no window; where nothing drops, where they would does not count.
    const atSteps = {
      'dmlora.dropSpacing': 'steps',
      'dmlora.dropSteps': '5 %, 9 %',
      'dmlora.dropWindow.1': '5',
    };
    expect(errorsOf(atSteps)).toEqual([]);
    expect(errorsOf({ ...atSteps, 'dmlora.dropMode': 'stochastic' })).toEqual(['dmlora.dropWindow.1']);
  });

  it('takes drops at named steps, of which a run over few images may have too few', () => {
    const named = (dropSteps: string): Recipe => {
      const read = readRecipe({ epochs: 10, batch: 10, dmlora: { dropSpacing: 'steps', dropSteps } });
      if (!read.ok) throw new Error(faultSentence(read.fault));
      return read.value;
    };
    expect(checkDropSteps(named('20, 80'), 100).ok).toBe(true);
    const late = checkDropSteps(named('20, 81'), 100);
    expect(late.ok ? '' : late.fault.detail).toContain('before stage 2 begins, after step 80');
    expect(checkDropSteps(named('20, 81'), 200).ok).toBe(true);
    expect(checkDropSteps(named('10 %, 80 %'), 10).ok).toBe(true);
    expect(checkDropSteps(recipeDefaults, 1).ok).toBe(true);
  });

  it('gives back every recipe that a file may hold', () => {
    const others: unknown[] = [
      { dmlora: { dropSpacing: 'steps', dropSteps: '5, 30', dropWindow: [0.9, 0.95] } },
      { steps: 30, seed: 9 },
      { dmlora: { dropMode: 'none', dropWindow: [0.5, 0.1], branches: 1, branchesEnd: 8 } },
      { dmlora: { scalars: 'off', stage2: 0 }, augment: 'flip', smallestCrop: 0.07 },
      { memory: { budgetMB: 500, float16: 'always' }, split: { trainPerClass: 3, validationPerClass: null } },
      { learningRate: 1e-7, warmup: 1 / 3, epochs: 0.25, clipNorm: 1e6 },
    ];
    for (const json of others) {
      const read = readRecipe(json);
      if (!read.ok) throw new Error(faultSentence(read.fault));
      const back = readForm(formOf(read.value));
      expect([...back.errors]).toEqual([]);
      for (const path of paths)
        expect(valueAt(back.recipe ?? recipeDefaults, path)).toEqual(
          path === 'warmup' ? expect.closeTo(read.value.warmup, 11) : valueAt(read.value, path),
        );
    }
  });
});

test('steps follow from epochs, images and batch, and a batch is never larger than the set', () => {
  expect(stepsOf(recipeDefaults, 320)).toBe(100);
  expect(stepsOf({ ...recipeDefaults, steps: 7 }, 320)).toBe(7);
  expect(batchOf(recipeDefaults, 20)).toBe(20);
  expect(stepsOf({ ...recipeDefaults, epochs: 10 }, 20)).toBe(10);
});

test('without a length of its own a recipe takes one by the number of images, and a run says which', () => {
  expect(recipeDefaults.epochs).toBeNull();
  for (const images of [1, 40, 100, 200, 400, 800, 5000]) {
    const said = withLength(recipeDefaults, images);
    expect(said.epochs).toBe(defaultEpochs(images));
    expect(stepsOf(said, images)).toBe(stepsOf(recipeDefaults, images));
  }
  const fixed = [
    { ...recipeDefaults, epochs: 10 },
    { ...recipeDefaults, steps: 7 },
  ];
  for (const recipe of fixed) expect(withLength(recipe, 40)).toEqual(recipe);
});
