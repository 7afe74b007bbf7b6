// The figures about a model's answers against scikit-learn and SciPy (testdata/understand), against their own
// formulas written plainly, and at the edges: no images, classes without images or answers, equal logits.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { randomStream } from '../shared/random.ts';
import { answersOf, confidentMistakes, neverLearned, probabilitiesOf, rowOf, type Asked } from './answers.ts';
import { calibrationOf, chanceError, fitTemperature } from './calibration.ts';
import { classFigures, confusionOf, countOf, macroF1, mostConfused } from './confusion.ts';
import { accuracyWords, shareInterval } from './interval.ts';

interface Vectors {
  readonly name: string;
  readonly classes: number;
  readonly labels: readonly number[];
  readonly logits: readonly number[];
  readonly confusion: readonly number[];
  readonly byRow: readonly number[];
  readonly byColumn: readonly number[];
  readonly precision: readonly (number | null)[];
  readonly recall: readonly (number | null)[];
  readonly f1: readonly (number | null)[];
  readonly support: readonly number[];
  readonly macroF1: number;
  readonly accuracy: number;
  readonly interval: readonly [number, number];
  readonly confidence: readonly number[];
  readonly reliability: Readonly<Record<'images' | 'accuracy' | 'confidence', readonly number[]>>;
  readonly ece: number;
  readonly loss: number;
  readonly temperature: number;
  readonly tempered: number;
  readonly sklearnTemperature: number | null;
}

const file = path.resolve(import.meta.dirname, '../../testdata/understand/vectors.json');
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Vectors[] };

const askedOf = ({ classes, labels, logits }: Pick<Vectors, 'classes' | 'labels' | 'logits'>): Asked => ({
  classes,
  labels: Int32Array.from(labels),
  logits: Float32Array.from(logits),
});

const close = (found: ArrayLike<number>, expected: readonly number[], digits = 12): void => {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => expect(found[i]).toBeCloseTo(value, digits));
};

describe.each(cases)('as scikit-learn: $name', (vectors) => {
  const asked = askedOf(vectors);
  const { classes, labels } = asked;
  const answers = answersOf(asked);
  const confusion = confusionOf(classes, labels, answers.answer);
  const ids = Array.from({ length: classes }, (_, id) => id);

  test('counts and shares', () => {
    expect([...confusion.counts]).toEqual(vectors.confusion);
    const shares = (totals: Uint32Array, of: (cell: number) => number): number[] =>
      [...confusion.counts].map((count, cell) => {
        const total = totals[of(cell)] ?? 0;
        return total === 0 ? 0 : count / total;
      });
    close(
      shares(confusion.images, (cell) => Math.floor(cell / classes)),
      vectors.byRow,
    );
    close(
      shares(confusion.answers, (cell) => cell % classes),
      vectors.byColumn,
    );
  });

  test('accuracy with its interval', () => {
    const share = answers.right / labels.length;
    expect(share).toBeCloseTo(vectors.accuracy, 12);
    close(shareInterval(share, labels.length), vectors.interval);
  });

  test('precision, recall and F1 of each class', () => {
    const figures = ids.map((id) => classFigures(confusion, id));
    for (const name of ['precision', 'recall', 'f1'] as const)
      figures.forEach((figure, id) => {
        const expected = vectors[name][id] ?? null;
        const { value, interval } = figure[name];
        if (expected === null) expect(value).toBeNull();
        else expect(value).toBeCloseTo(expected, 12);
        if (value === null) expect(interval).toEqual([0, 1]);
        else expect(interval[0] <= value && value <= interval[1]).toBe(true);
      });
    expect(figures.map(({ images }) => images)).toEqual(vectors.support);
    expect(macroF1(figures)).toBeCloseTo(vectors.macroF1, 12);
  });

  test('the reliability diagram and its error', () => {
    close(answers.confidence, vectors.confidence);
    const { bins, error } = calibrationOf(asked, answers);
    const byChance = chanceError(answers.confidence);
    const held = bins.filter(({ images }) => images > 0);
    for (const name of ['images', 'accuracy', 'confidence'] as const)
      close(
        held.map((bin) => bin[name]),
        vectors.reliability[name],
      );
    expect(error).toBeCloseTo(vectors.ece, 12);
    expect(byChance).toBeGreaterThan(0);
  });

  test('the temperature of the greatest likelihood', () => {
    const fitted = fitTemperature(asked);
    expect(fitted?.before).toBeCloseTo(vectors.loss, 10);
    // SciPy looks within the same limits, and knows the place of a minimum to the root of its precision.
    expect(fitted?.temperature).toBeCloseTo(vectors.temperature, 4);
    expect(fitted?.after).toBeCloseTo(vectors.tempered, 8);
    if (vectors.sklearnTemperature !== null && vectors.sklearnTemperature < 20)
      expect(fitted?.temperature).toBeCloseTo(vectors.sklearnTemperature, 4);
    expect(fitted?.atLimit).toBe(vectors.name === 'ties' ? 'hottest' : null);
  });
});

test('the interval of a share agrees with Newcombe (1998), table I, method 3', () => {
  // 81 of 263, 15 of 148, 0 of 20, 1 of 29.
  const published = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const;
  for (const [right, n, low, high] of published) close(shareInterval(right / n, n), [low, high], 4);
  expect(shareInterval(NaN, 0)).toEqual([0, 1]);
});

test('an accuracy is told with what it may be', () => {
  const plain = (words: string): string => words.replaceAll('\u00a0', ' ');
  expect(plain(accuracyWords(43 / 80, 80))).toBe('53.8 % of 80 right: 43 to 64 %');
  expect(plain(accuracyWords(1, 6))).toBe('6 of 6 right: 61 to 100 %, too few to tell');
  expect(plain(accuracyWords(0.9, 2000, 'test images'))).toBe(
    '90.0 % of 2,000 test images right: 89 to 91 %',
  );
  expect(plain(accuracyWords(0, 0))).toBe('0 of 0 right: 0 to 100 %, too few to tell');
});

test('the interval of F1 holds the true one about as often as it says', () => {
  // A class of 30 % of the images, found 70 % of the time, and 10 % of the others taken for it.
  const [share, found, taken, n, rounds] = [0.3, 0.7, 0.1, 60, 2000];
  const truth = (2 * share * found) / (share + share * found + (1 - share) * taken);
  const stream = randomStream(3, 'calibration');
  let held = 0;
  for (let round = 0; round < rounds; round++) {
    const labels = Int32Array.from({ length: n }, (_, i) => (stream.uniform(round, 2 * i) < share ? 1 : 0));
    const answer = labels.map((label, i) =>
      stream.uniform(round, 2 * i + 1) < (label === 1 ? found : taken) ? 1 : 0,
    );
    const [low, high] = classFigures(confusionOf(2, labels, answer), 1).f1.interval;
    if (low <= truth && truth <= high) held += 1;
  }
  // Four standard errors of a share of 95 % in so many rounds.
  expect(Math.abs(held / rounds - 0.95)).toBeLessThan(4 * Math.sqrt((0.95 * 0.05) / rounds));
});

test('probabilities sum to 1 however large the logits, and grow alike with the temperature', () => {
  expect([...probabilitiesOf([1000, 0])]).toEqual([1, 0]);
  const warm = probabilitiesOf([3, 1, -2], 2);
  const powers = [3, 1, -2].map((logit) => Math.exp(logit / 2));
  close(
    warm,
    powers.map((power) => power / powers.reduce((a, b) => a + b)),
  );
});

test('mistakes come by how sure they were, unlearned images by how unlikely their label was', () => {
  const logits = [
    [3, 0, 0], // right
    [0, 2, 0], // wrong, sure
    [1, 0.9, 0], // wrong, in doubt; its own class likely
    [0, 0, 9], // wrong, very sure
    [0, 2, 0], // as the second: the first of equal ones stays first
  ];
  const asked = askedOf({ classes: 3, labels: [0, 0, 1, 0, 0], logits: logits.flat() });
  const answers = answersOf(asked);
  expect(answers.right).toBe(1);
  expect([...rowOf(asked, 2)]).toEqual([1, Math.fround(0.9), 0]);
  expect(confidentMistakes(asked, answers)).toEqual([3, 1, 4, 2]);
  expect(neverLearned(asked, answers)).toEqual([3, 1, 4, 2]);
  const other = askedOf({ classes: 3, labels: [2, 1], logits: [5, 0, 0, 3, -9, 3.1] });
  // The surer answer is the first; the label that is thought less likely is the second's.
  expect(confidentMistakes(other, answersOf(other))).toEqual([0, 1]);
  expect(neverLearned(other, answersOf(other))).toEqual([1, 0]);
});

test('no images are no figures', () => {
  const none = askedOf({ classes: 3, labels: [], logits: [] });
  const answers = answersOf(none);
  expect(confidentMistakes(none, answers)).toEqual([]);
  expect(fitTemperature(none)).toBeNull();
  expect(calibrationOf(none, answers)).toMatchObject({ error: 0 });
  expect(chanceError(answers.confidence)).toBe(0);
  const figures = classFigures(confusionOf(3, none.labels, answers.answer), 0);
  expect(figures.recall).toEqual({ value: null, interval: [0, 1], of: 0 });
  expect(macroF1([figures])).toBeNull();
});

test('without a mistake no temperature is cold enough, and the limit says so', () => {
  const asked = askedOf({ classes: 2, labels: [0, 1], logits: [1, 0, 0, 2] });
  expect(fitTemperature(asked)).toMatchObject({ temperature: 0.05, atLimit: 'coldest' });
});

test('the error by chance is near the found one where every confidence is true', () => {
  const stream = randomStream(5, 'calibration');
  const n = 400;
  const odds = Array.from({ length: n }, (_, i) => 0.55 + 0.4 * stream.uniform(i, 0));
  const labels = odds.map((sure, i) => (stream.uniform(i, 1) < sure ? 0 : 1));
  const asked = askedOf({
    classes: 2,
    labels,
    logits: odds.flatMap((sure) => [Math.log(sure / (1 - sure)), 0]),
  });
  const answers = answersOf(asked);
  const { error } = calibrationOf(asked, answers);
  const byChance = chanceError(answers.confidence);
  expect(byChance).toBeGreaterThan(0.02);
  expect(error / byChance).toBeGreaterThan(0.5);
  expect(error / byChance).toBeLessThan(2);
});

test('the classes that are confused most come in the order of the classes', () => {
  const labels = Int32Array.of(0, 0, 1, 1, 2, 3, 3);
  const answer = Int32Array.of(0, 0, 3, 3, 2, 3, 1);
  const confusion = confusionOf(4, labels, answer);
  expect(countOf(confusion, 1, 3)).toBe(2);
  expect(mostConfused(confusion, 2)).toEqual([1, 3]);
  expect(mostConfused(confusion, 9)).toEqual([0, 1, 2, 3]);
});
