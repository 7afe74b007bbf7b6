// The tables of docs/experiments/default-lengths.md from the lines of the file: differences to the probe of
// the same split, and what each rule of choosing the result would have left.

/** @typedef {import('./lengths.ts').Measured} Measured */
/** @typedef {Measured['result']} Point */

/** Rules that choose the state a run leaves, out of its validated ones and the one that it ends with. */
const rules = {
  'last, without scalars that raised the loss': lastOf,
  'the same, or the probe where that is right more often': (/** @type {Measured} */ run) => {
    const [probe, last] = [run.points[0], lastOf(run)];
    return probe !== undefined && probe.validation.accuracy > last.validation.accuracy ? probe : last;
  },
  'the same, or the best where that is more than a standard error better or the last does not beat the probe':
    (/** @type {Measured} */ run) => {
      const [probe, last, most] = [run.points[0], lastOf(run), rules['most right, then loss'](run)];
      const { accuracy } = most.validation;
      const error = Math.sqrt((accuracy * (1 - accuracy)) / run.images.validation);
      const beats =
        probe !== undefined &&
        (last.validation.accuracy > probe.validation.accuracy || (even(last, probe) && less(last, probe)));
      return beats && last.validation.accuracy >= accuracy - error ? last : most;
    },
  'smallest loss': (/** @type {Measured} */ run) =>
    best(run, (a, b) => a.validation.loss < b.validation.loss),
  'most right, then loss': (/** @type {Measured} */ run) =>
    best(run, (a, b) => a.validation.accuracy > b.validation.accuracy || (even(a, b) && less(a, b))),
  'most right, then later': (/** @type {Measured} */ run) =>
    best(run, (a, b) => a.validation.accuracy >= b.validation.accuracy),
};

/** @param {Point} a @param {Point} b */
const even = (a, b) => a.validation.accuracy === b.validation.accuracy;
/** @param {Point} a @param {Point} b */
const less = (a, b) => a.validation.loss < b.validation.loss;

/** What Graft did before: the last state, or that before stage 2 where it has the smaller loss. @param {Measured} run */
function lastOf({ points, result, steps }) {
  const last = points.at(-1) ?? result;
  const before = points.find(({ step }) => step === Math.round(0.8 * steps));
  return before !== undefined && less(before, last) ? before : last;
}

/** @param {Measured} run @param {(a: Point, b: Point) => boolean} isBetter */
function best({ points }, isBetter) {
  return points.reduce((kept, point) => (isBetter(point, kept) ? point : kept));
}

/** Two-sided 95 % quantiles of Student's t by degrees of freedom. */
const quantiles = [NaN, 12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14];

/** Mean and half its 95 % interval. @param {readonly number[]} values */
function meanOf(values) {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const t = quantiles[values.length - 1] ?? 2;
  return { mean, half: t * Math.sqrt(variance / values.length) };
}

/** @param {readonly number[]} values points, or losses times 100 */
function text(values) {
  if (values.length === 0) return '';
  const { mean, half } = meanOf(values);
  const signed = (mean < 0 ? '−' : '+') + Math.abs(mean).toFixed(1);
  return values.length === 1 ? signed : `${signed} ± ${half.toFixed(1)}`;
}

/** Judged where there are images to judge by, else validated. @param {Point | undefined} point */
const measured = (point) => point?.judge ?? point?.validation ?? { accuracy: NaN, loss: NaN };

/** @param {readonly Measured[]} runs @param {(run: Measured) => Point} rule */
const gains = (runs, rule) =>
  runs.map((run) => 100 * (measured(rule(run)).accuracy - measured(run.points[0]).accuracy));

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => string | number} keyOf
 */
function grouped(items, keyOf) {
  /** @type {Map<string | number, T[]>} */
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

/** @param {readonly Measured[]} runs */
export function printTables(runs) {
  const sets = [...new Set(runs.map(({ set }) => set))];
  const say = (/** @type {readonly (string | number)[]} */ cells) => console.log(`| ${cells.join(' | ')} |`);
  for (const [name, rule] of Object.entries(rules)) {
    console.log(`\nPoints over the probe, ${name}\n`);
    say(['Images', 'Steps', 'Rate', 'Runs', ...sets, 'All', 'Worst', 'Worse than the probe']);
    const cells = grouped(runs, ({ n, steps, rate }) => `${n} ${steps} ${rate}`);
    for (const [, cell] of [...cells].sort(([, [a]], [, [b]]) => order(a, b))) {
      const [{ n, steps, rate } = { n: 0, steps: 0, rate: 0 }] = cell;
      const all = gains(cell, rule);
      const bySet = sets.map((set) =>
        text(
          gains(
            cell.filter((run) => run.set === set),
            rule,
          ),
        ),
      );
      const worse = `${all.filter((gain) => gain < 0).length} of ${all.length}`;
      say([n, steps, rate, cell.length, ...bySet, text(all), Math.min(...all).toFixed(1), worse]);
    }
  }
  console.log('\nProbes, percent right\n');
  say(['Images', ...sets]);
  for (const [n, cell] of [...grouped(runs, (run) => run.n)].sort(([a], [b]) => Number(a) - Number(b)))
    say([
      n,
      ...sets.map((set) => {
        const known = cell.filter((run) => run.set === set).map(({ points: [probe] }) => measured(probe));
        return known.length === 0 ? '' : (100 * meanOf(known.map((m) => m.accuracy)).mean).toFixed(1);
      }),
    ]);
}

/** @param {Measured | undefined} a @param {Measured | undefined} b */
function order(a, b) {
  if (a === undefined || b === undefined) return 0;
  return a.n - b.n || a.rate - b.rate || a.steps - b.steps;
}
