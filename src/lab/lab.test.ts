// Arms as they are read and their trials; records as they are found again; what runs say together, and in
// which words.
import { describe, expect, test } from 'vitest';
import { readRecipe } from '../recipe/read-recipe.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { analyse, type Analysis } from './analysis.ts';
import { probeArm, readArms, taskOf, trialsOf } from './arms.ts';
import { baselinesOf } from './baselines.ts';
import { curvesOf } from './few-shot.ts';
import { pictureOf } from './picture.ts';
import { pointsText, rangeText, reportOf, runRows, verdictSentence } from './report.ts';
import { keyOf, readRecord, whatChanged, type TrialRecord } from './trial-record.ts';

const fileOf = (json: unknown): Blob => new Blob([typeof json === 'string' ? json : JSON.stringify(json)]);

describe('arms', () => {
  test('lie over what all share, and that over the defaults', async () => {
    const read = await readArms(
      fileOf({
        about: 'what for',
        base: { steps: 40, dmlora: { rank: 8, branches: 2, branchesEnd: 1 } },
        arms: [
          { name: 'as it is' },
          { name: 'one', about: 'why', recipe: { dmlora: { rank: 2 }, batch: 8 } },
        ],
      }),
      [{ path: 'learningRate', text: '1e-2' }],
    );
    if (!read.ok) throw new Error(read.fault.join(' '));
    const [first, second] = read.value.arms;
    const dmlora = { ...recipeDefaults.dmlora, rank: 8, branches: 2, branchesEnd: 1 };
    expect(first?.recipe).toEqual({ ...recipeDefaults, steps: 40, learningRate: 0.01, dmlora });
    expect(second).toEqual({
      name: 'one',
      recipe: { ...recipeDefaults, steps: 40, learningRate: 0.01, batch: 8, dmlora: { ...dmlora, rank: 2 } },
    });
    expect(read.value.notes).toEqual([expect.stringContaining('differ in batch')]);
  });

  test.each([
    ['are the same', {}, {}],
    // Of a linear head no branch has a rank or a place.
    [
      'differ in what has no say',
      { dmlora: { branches: 0, rank: 8 } },
      { dmlora: { branches: 0, rank: 2, targets: 'all' } },
    ],
  ])('that %s are told', async (_, a, b) => {
    const arms = [
      { name: 'a', recipe: a },
      { name: 'b', recipe: b },
    ];
    const read = await readArms(fileOf({ arms }));
    expect(read).toMatchObject({
      ok: true,
      value: { notes: ['"b" has the same recipe as an arm above: they differ by nothing.'] },
    });
  });

  test('that differ in what has a say are not called the same', async () => {
    const arms = [
      { name: 'a', recipe: { dmlora: { rank: 8 } } },
      { name: 'b', recipe: { dmlora: { rank: 2 } } },
    ];
    expect(await readArms(fileOf({ arms }))).toMatchObject({ ok: true, value: { notes: [] } });
  });

  test('every mistake is told with the name of its arm', async () => {
    const read = await readArms(
      fileOf({
        arms: [
          { name: 'fine' },
          { name: 'wide', recipe: { dmlora: { rank: 3 } } },
          { name: 'typo', recipe: { dmlora: { ranks: 4 } } },
          { name: 'seeded', recipe: { seed: 3 } },
          { name: 'other split', recipe: { split: { validationFraction: 0.5 } } },
          { name: probeArm },
          { name: 'stray', rank: 4 },
          { recipe: {} },
          { name: 'fine', recipe: { batch: 8 } },
        ],
      }),
    );
    expect(read.ok ? [] : read.fault).toEqual([
      expect.stringMatching(/^Arm "wide": .*"dmlora\.rank".*One of 1, 2, 4, 8, 16 is needed, not 3\./),
      expect.stringMatching(/^Arm "typo": .*"dmlora\.ranks"/),
      expect.stringMatching(/^Arm "seeded": "seed" is no setting of an arm/),
      expect.stringContaining('the name of the baseline'),
      expect.stringMatching(/^Arm "stray": no arm has a field "rank"/),
      expect.stringMatching(/^Arm 8 needs a "name"/),
      'Two arms are called "fine": rename one.',
      expect.stringMatching(/^Arm "other split": "split\.validationFraction" is another than in "fine"/),
    ]);
  });

  test.each([
    ['[]', 'An object with a list "arms" is needed.'],
    ['{', 'It is not JSON'],
    [{ arms: [] }, '"arms" takes a list of 1 to 64'],
    [{ arms: [{ name: 'a' }], seeds: 3 }, 'no use for "seeds"'],
    [{ arms: [{ name: 'a' }], base: 1 }, '"base" takes a recipe'],
  ])('%j is refused', async (json, sentence) => {
    const read = await readArms(fileOf(json));
    expect(read.ok ? '' : read.fault.join(' ')).toContain(sentence);
  });

  test.each([{ trainPerClass: 4 }, { folds: 5 }])(
    'do not count images where the trials do: %o',
    async (split) => {
      const file = fileOf({ arms: [{ name: 'a', recipe: { split } }] });
      expect((await readArms(file)).ok).toBe(true);
      expect(await readArms(file, [], true)).toMatchObject({
        ok: false,
        fault: [expect.stringContaining('--shots')],
      });
    },
  );

  test('become trials, pair after pair', () => {
    const arms = ['a', 'b'].map((name) => ({ name, recipe: recipeDefaults }));
    const trials = trialsOf(arms, ['x', 'y'], [1, 2], [4, null]);
    expect(trials).toHaveLength(16);
    expect(trials.slice(0, 5).map((trial) => `${taskOf(trial)} ${trial.seed} ${trial.arm}`)).toEqual([
      'x, 4 a class 1 a',
      'x, 4 a class 1 b',
      'x, 4 a class 2 a',
      'x, 4 a class 2 b',
      'x 1 a',
    ]);
    expect(trials[2]?.recipe).toMatchObject({ seed: 2, split: { trainPerClass: 4 } });
    expect(trials[4]?.recipe.split.trainPerClass).toBe(null);
  });
});

describe('baselines of a recipe', () => {
  const of = (dmlora: Partial<typeof recipeDefaults.dmlora>): string[] =>
    baselinesOf({ ...recipeDefaults, dmlora: { ...recipeDefaults.dmlora, ...dmlora } }).map(
      ({ name }) => name,
    );

  test('are LoRA at the rank of one branch, of those left and of all, and the recipe without its parts', () => {
    const parts = ['branches alone', 'dropping alone', 'scalars alone'];
    expect(of({})).toEqual(['LoRA, rank 4', 'LoRA, rank 8', 'LoRA, rank 16', ...parts]);
    // Rank 48 is no choice of one branch.
    expect(of({ branches: 6, branchesEnd: 2, rank: 8 }).slice(0, 2)).toEqual([
      'LoRA, rank 8',
      'LoRA, rank 16',
    ]);
    expect(of({ branches: 1, dropMode: 'none', scalars: 'off', rank: 8 })).toEqual(['LoRA, rank 8']);
    expect(of({ dropMode: 'none' })).toEqual(['LoRA, rank 4', 'LoRA, rank 16', 'branches alone']);
    const dmlora = { ...recipeDefaults.dmlora, dropMode: 'constant', pairing: 'crossed' } as const;
    for (const { recipe } of baselinesOf({ ...recipeDefaults, dmlora }))
      expect(readRecipe(recipe).ok).toBe(true);
  });
});

/** A run of so many of 200 test images right, and its probe of 160. */
function recordOf(
  arm: string,
  set: string,
  seed: number,
  right: number | null,
  split = `${set} ${seed}`,
): TrialRecord {
  const metrics = { accuracy: (right ?? 0) / 200, loss: 0.5 };
  const probe = { accuracy: 160 / 200, loss: 0.6 };
  return {
    ...{ version: 1, arm, set, shots: null, seed, key: `${arm} ${set} ${seed}`, split },
    decidedBy: { recipe: { steps: 10 }, model: 'm', images: set, how: {} },
    result: {
      test: right === null ? null : metrics,
      validation: metrics,
      probe: { validation: probe, test: right === null ? null : probe },
      ...{ steps: 10, keptStep: 10, diverged: false, images: { train: 1, validation: 1, test: 200 } },
      ...{ seconds: 2, secondsPerStep: 0.1, peakBytes: 3e6 },
    },
    ...{ device: 'wasm', build: 'x', endedAt: '2026-01-01T00:00:00Z' },
  };
}

const grid = (arm: string, rights: readonly number[], set = 'x'): TrialRecord[] =>
  rights.map((right, i) => recordOf(arm, set, i + 1, right));

const verdictsOf = ({ comparisons }: Analysis): Record<string, string> =>
  Object.fromEntries(comparisons.map(({ arm, all }) => [arm, all.verdict]));

describe('records', () => {
  const decidedBy = {
    recipe: { a: 1, b: { c: 2, d: [3, 4] } },
    model: 'm',
    images: 'i',
    how: { engine: 'auto' },
  };
  const place = { arm: 'a', set: 'x', shots: null, seed: 1 };

  test('are found by what decides them, in whatever order it stands', async () => {
    const key = await keyOf(place, decidedBy);
    expect(await keyOf(place, { ...decidedBy, recipe: { b: { d: [3, 4], c: 2 }, a: 1 } })).toBe(key);
    expect(await keyOf(place, { ...decidedBy, recipe: { b: { d: [4, 3], c: 2 }, a: 1 } })).not.toBe(key);
    expect(await keyOf(place, { ...decidedBy, images: 'others' })).not.toBe(key);
    expect(await keyOf({ ...place, arm: 'b' }, decidedBy)).not.toBe(key);
  });

  test('say what has changed', () => {
    const now = { ...decidedBy, images: 'others', recipe: { a: 1, b: { c: 5 }, e: 'new' } };
    expect(whatChanged(decidedBy, now)).toEqual([
      'the images are others',
      'b.c was 2 and is 5',
      'b.d.0 was 3 and is not there',
      'b.d.1 was 4 and is not there',
      'e was not there and is "new"',
    ]);
    expect(whatChanged(decidedBy, decidedBy)).toEqual([]);
  });

  test('are read as they were written, or refused', () => {
    const record = recordOf('a', 'x', 1, 170);
    expect(readRecord(JSON.stringify(record))).toEqual({ ok: true, value: record });
    expect(readRecord(JSON.stringify(record).slice(0, 99))).toMatchObject({ ok: false });
    expect(readRecord(JSON.stringify({ ...record, seed: 'one' }))).toMatchObject({
      ok: false,
      fault: expect.stringContaining('seed') as string,
    });
  });
});

describe('verdicts', () => {
  const records = [
    ...grid('base', [170, 172, 168, 171, 169]),
    ...grid('same', [170, 172, 168, 171, 169]),
    ...grid('shifted', [172, 174, 170, 173, 171]),
    ...grid('better', [176, 177, 174, 178, 174]),
    ...grid('worse', [160, 163, 159, 160, 158]),
    ...grid('unclear', [173, 170, 169, 173, 167]),
    ...grid('two runs', [190, 191]),
  ];
  const analysis = analyse(records, [
    'base',
    'same',
    'shifted',
    'better',
    'worse',
    'unclear',
    'two runs',
    'none',
  ]);
  const sentences = new Map(
    analysis.comparisons.map((one) => [one.arm, verdictSentence(one, analysis.reference)]),
  );

  test('need pairs, spread and a small p', () => {
    expect(verdictsOf(analysis)).toEqual({
      same: 'same',
      shifted: 'no-spread',
      better: 'better',
      worse: 'worse',
      unclear: 'inconclusive',
      'two runs': 'too-few',
      none: 'too-few',
      [probeArm]: 'worse',
    });
  });

  test('are sentences', () => {
    expect(sentences.get('better')).toMatch(
      /^"better" is better than "base" by 2\.9 points \(95 %: \+2\.\d to \+3\.\d; 5 pairs, p by Holm < 0\.001\)\.$/,
    );
    expect(sentences.get('worse')).toContain('"worse" is worse than "base" by 5.0 points');
    expect(sentences.get('unclear')).toMatch(
      /^"unclear" beside "base": inconclusive\. \+0\.2 points .* is not seen\.$/,
    );
    expect(sentences.get('same')).toBe('"same" beside "base": no difference in any of 5 pairs.');
    expect(sentences.get('shifted')).toContain('differ by the same +1.0 points');
    expect(sentences.get('two runs')).toContain('inconclusive. +9.7 points in 2 pairs, and 3 are the fewest');
    expect(sentences.get('none')).toContain('There is no pair of runs.');
  });

  test('are corrected for how many there are', () => {
    const rights = [173, 173, 170, 174, 169];
    const one = [...grid('base', [170, 172, 168, 171, 169]), ...grid('a', rights)];
    const alone = analyse(one, ['base', 'a']).comparisons[0]?.all;
    const among = analyse(
      [...one, ...grid('b', [171, 170, 169, 172, 167]), ...grid('c', [171, 170, 167, 172, 168])],
      [...['base', 'a', 'b', 'c']],
    ).comparisons[0]?.all;
    expect(among?.test).toEqual(alone?.test);
    expect(among?.holm).toBeGreaterThan(alone?.holm ?? 1);
  });

  test('are of pairs only: other images in the split make none', () => {
    const apart = [...grid('base', [170, 172, 168]), ...grid('a', [175, 176])].concat([
      recordOf('a', 'x', 3, 180, 'another split'),
    ]);
    const { comparisons, notes } = analyse(apart, ['base', 'a']);
    expect(comparisons[0]?.all).toMatchObject({ pairs: 2, verdict: 'too-few' });
    expect(notes).toEqual([expect.stringContaining('x, seed 3: "a" and "base" had other images')]);
  });
});

describe('the result', () => {
  const records = [
    ...grid('base', [170, 172, 168]),
    ...grid('a|b', [172, 173, 172]),
    ...grid('base', [100, 110, 105], 'y'),
    ...grid('a|b', [104, 111], 'y'),
  ];
  const analysis = analyse(records, ['base', 'a|b']);
  const setting = {
    model: 'm',
    devices: ['wasm'],
    builds: ['x'],
    done: 11,
    wanted: 12,
    notes: ['mind this'],
  };

  test('has the probe beside the arms, once a seed', () => {
    expect(analysis.arms).toEqual(['base', 'a|b', probeArm]);
    expect(analysis.cells.find(({ arm, task }) => arm === probeArm && task === 'x')).toMatchObject({
      ...{ runs: 3, mean: expect.closeTo(0.8, 12) as number, seconds: null, peakBytes: null },
    });
  });

  test('is taken over all sets by the seeds that have them all', () => {
    const [base, other] = analysis.overall;
    expect(base).toMatchObject({ arm: 'base', runs: 3 });
    expect(base?.mean).toBeCloseTo((0.85 + 0.5 + 0.86 + 0.55 + 0.84 + 0.525) / 6, 12);
    expect(other).toMatchObject({ arm: 'a|b', runs: 2 });
    const pooled = analysis.comparisons[0]?.all;
    expect(pooled).toMatchObject({ pairs: 5, wins: 5 });
    expect(pooled?.mean).toBeCloseTo((0.01 + 0.005 + 0.02 + 0.02 + 0.005) / 5, 12);
  });

  test('is judged by validation images where a set has no others, and says so', () => {
    const without = analyse([recordOf('base', 'x', 1, null)], ['base']);
    expect(without.judge).toBe('validation');
    expect(reportOf(without, setting)).toContain('accuracies flatter');
  });

  test('has no verdict on runs that learned from the images that judge, and says so', () => {
    const learned = [1, 2, 3, 4].map((seed) => {
      const one = recordOf('all', 'x', seed, null);
      const recipe = { split: { learnFrom: 'all', folds: 0 } };
      const validation = { accuracy: 0.99, loss: 0.1 };
      return { ...one, decidedBy: { ...one.decidedBy, recipe }, result: { ...one.result, validation } };
    });
    const base = [1, 2, 3, 4].map((seed) => recordOf('base', 'x', seed, null));
    const without = analyse([...base, ...learned], ['base', 'all']);
    expect(verdictsOf(without)['all']).toBe('too-few');
    expect(without.cells.map(({ arm }) => arm)).not.toContain('all');
    expect(without.notes.join(' ')).toContain('"all" learned from its validation images');
    const apart = { accuracy: 0.99, loss: 0.1 };
    const tested = [...base, ...learned].map((one) => ({ ...one, result: { ...one.result, test: apart } }));
    expect(analyse(tested, ['base', 'all']).cells.map(({ arm }) => arm)).toContain('all');
  });

  test('is a page of Markdown', () => {
    const text = reportOf(analysis, setting);
    expect(text).toContain('11 of 12 runs are done.');
    expect(text).toContain('| a\\|b | all | 5 | +1.2 | ');
    expect(text).toContain('| a\\|b | y | 2 | +1.3 | ');
    expect(text).toContain('- mind this');
    expect(text).toContain(`| ${probeArm} | 80.0 (each) | 80.0 (each) |`);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('is rows', () => {
    const { fields, rows } = runRows(records);
    expect(rows).toHaveLength(11);
    expect(rows[0]?.[fields.indexOf('test_accuracy')]).toBe(0.85);
    expect(rows[0]?.[fields.indexOf('images_a_class')]).toBe('');
  });

  test('is a picture without a number that is none, and none without pairs', () => {
    const svg = pictureOf(analysis) ?? '';
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('a|b');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.match(/<circle/g)).toHaveLength(6);
    expect(pictureOf(analyse(grid('base', [1]), ['base', 'a']))).not.toBe(null); // the probe
    expect(pictureOf(analyse([], ['base', 'a']))).toBe(null);
  });

  test('has curves where there are several numbers of images a class', () => {
    expect(curvesOf(analysis)).toBe(null);
    const few = [1, 4, null].flatMap((shots) =>
      records.slice(0, 6).map((record, i) => ({ ...record, shots, key: `${record.key} ${shots} ${i}` })),
    );
    const svg = curvesOf(analyse(few, ['base', 'a|b'])) ?? '';
    expect(svg.match(/<polyline/g)).toHaveLength(3);
    expect(svg.match(/<circle/g)).toHaveLength(9);
    expect(svg).toContain('>all</text>');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('counts a seed once, with however many numbers of images a class', () => {
    const few = [1, 4].flatMap((shots) =>
      [...grid('base', [100, 100, 100]), ...grid('a', shots === 1 ? [102, 104, 106] : [104, 106])].map(
        (record) => ({ ...record, shots }),
      ),
    );
    const [one] = analyse(few, ['base', 'a']).comparisons;
    expect(one?.tasks.map(({ pairs }) => pairs)).toEqual([3, 2]);
    expect(one?.all).toMatchObject({ pairs: 2, wins: 2 });
    expect(one?.all.mean).toBeCloseTo((3 + 5) / 2 / 200, 12);
  });

  test('a bound near nought keeps its side', () => {
    expect(rangeText([-0.0004, 0.012])).toBe('−0.04 to +1.2');
    expect(rangeText([0, 0.00002])).toBe('0.0 to +0.002');
    expect(rangeText([-Infinity, Infinity])).toBe(null);
    expect(rangeText([0.01, 0.01])).toBe(null);
  });

  test('names are text in it', () => {
    const odd = [...grid('base', [170]), ...grid('<script>&"', [171])];
    expect(pictureOf(analyse(odd, ['base', '<script>&"']))).not.toContain('<script>');
  });
});

test('points have a sign where they are any', () => {
  expect([0.012, -0.0049, 0.0004, 0].map((share) => pointsText(share))).toEqual([
    '+1.2',
    '−0.5',
    '0.0',
    '0.0',
  ]);
});
