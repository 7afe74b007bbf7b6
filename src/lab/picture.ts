// The paired differences of an ablation as one picture: a row for each arm and task, its mean and its 95 % interval
// beside a line at nought. An SVG that is read in light and in dark, without scripts or fonts of its own.
import type { Analysis, Difference } from './analysis.ts';
import { drawing, escaped, shortened } from './drawing.ts';
import { pointsText, rangeText } from './report.ts';

const rowHeight = 26;
const labelWidth = 250;
const plotWidth = 400;
const figureWidth = 190;
const width = labelWidth + plotWidth + figureWidth;
const top = 46;

interface Row {
  readonly label: string;
  readonly isWhole: boolean;
  readonly difference: Difference;
}

function rowsOf({ comparisons, tasks }: Analysis): Row[] {
  return comparisons.flatMap(({ arm, all, tasks: single }) => [
    { label: arm, isWhole: true, difference: all },
    ...(tasks.length > 1
      ? single.map((difference) => ({ label: difference.task, isWhole: false, difference }))
      : []),
  ]);
}

/** Distances of the lines of a scale, in points. */
const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];

/** Half of what the scale shows: all means, and the intervals that are of enough pairs; wider ones are cut off. */
function reachOf(rows: readonly Row[]): { reach: number; step: number } {
  const values = rows.flatMap(({ difference: { pairs, mean, interval, verdict } }) => [
    ...(pairs === 0 ? [] : [mean]),
    ...(verdict === 'too-few' ? [] : interval),
  ]);
  const most = 100 * Math.max(0.005, ...values.map(Math.abs));
  const step = steps.find((one) => one * 5 >= most) ?? 100;
  return { reach: Math.ceil((most * 1.02) / step) * step, step };
}

/** The picture; null where there is no pair to show. */
export function pictureOf(analysis: Analysis): string | null {
  const rows = rowsOf(analysis);
  if (rows.every(({ difference }) => difference.pairs === 0)) return null;
  const { reach, step } = reachOf(rows);
  const x = (points: number): number => {
    const share = (Math.max(-reach, Math.min(reach, points)) + reach) / (2 * reach);
    return Math.round(10 * (labelWidth + share * plotWidth)) / 10;
  };
  const bottom = top + rows.length * rowHeight;
  const ticks = Array.from({ length: 2 * Math.round(reach / step) + 1 }, (_, i) => i * step - reach);
  const digits = step < 1 ? 1 : 0;
  const scale = ticks.flatMap((tick) => [
    `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${bottom}"${Math.abs(tick) < step / 2 ? ' class="zero"' : ''}/>`,
    `<text class="soft" x="${x(tick)}" y="${bottom + 18}" text-anchor="middle">${pointsText(tick / 100, digits)}</text>`,
  ]);
  const middle = (i: number): number => top + i * rowHeight + rowHeight / 2;
  const bands = rows.flatMap(({ isWhole }, i) =>
    isWhole && (analysis.tasks.length > 1 || i % 2 === 0)
      ? [`<rect class="band" y="${top + i * rowHeight}" width="${width}" height="${rowHeight}"/>`]
      : [],
  );
  const marks = rows.flatMap(({ label, isWhole, difference: { pairs, mean, interval, verdict } }, i) => {
    const y = middle(i);
    const figures = (text: string): string =>
      `<text x="${width - 10}" y="${y + 4}" text-anchor="end">${text}</text>`;
    const name = `<text class="${isWhole ? 'strong' : 'soft'}" x="${isWhole ? 10 : 26}" y="${y + 4}">${escaped(shortened(label))}</text>`;
    if (pairs === 0) return [name, figures('no pairs')];
    const kind = verdict === 'better' || verdict === 'worse' ? verdict : 'open';
    const line = (from: number, to: number, above: number): string =>
      `<line class="bar ${kind}" x1="${x(from)}" x2="${x(to)}" y1="${y - above}" y2="${y + above}"/>`;
    const dot = `<circle class="${kind}" cx="${x(100 * mean)}" cy="${y}" r="${isWhole ? 5 : 3.5}"/>`;
    const bounds = interval.map((bound) => 100 * bound);
    const [low = -Infinity, high = Infinity] = bounds;
    const range = rangeText(interval);
    if (range === null) return [name, dot, figures(pointsText(mean))];
    return [
      name,
      line(low, high, 0),
      ...bounds.filter((bound) => Math.abs(bound) <= reach).map((bound) => line(bound, bound, 5)),
      dot,
      figures(`${pointsText(mean)} (${range})`),
    ];
  });
  const of = analysis.judge === 'test' ? 'images kept apart' : 'validation images';
  const title = `Points of accuracy beside “${analysis.reference}”, paired, with 95 % intervals, on ${of}`;
  return drawing(width, bottom + 52, title, [
    ...bands,
    ...scale,
    ...marks,
    `<text class="soft" x="10" y="${bottom + 42}">In colour: better or worse by p with Holm’s correction.</text>`,
  ]);
}
