// Few-shot curves of an ablation: the accuracy of each arm over the training images a class, a panel a set,
// with 95 % intervals over the seeds.
import type { Analysis, Cell } from './analysis.ts';
import { drawing, escaped, shortened } from './drawing.ts';

const left = 60;
const plotWidth = 420;
const width = left + plotWidth + 220;
const top = 46;
const panelHeight = 260;
const plotHeight = 190;

const kinds = 8;

/** Numbers of images in their order, all of them last. */
const inOrder = (cells: readonly Cell[]): (number | null)[] =>
  [...new Set(cells.map(({ shots }) => shots))].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));

/** The curves of every set that has two points or more; null where none has. */
export function curvesOf({ cells, arms, judge }: Analysis): string | null {
  const sets = [...new Set(cells.map(({ set }) => set))]
    .map((set) => ({ set, own: cells.filter((cell) => cell.set === set) }))
    .filter(({ own }) => inOrder(own).length > 1);
  if (sets.length === 0) return null;
  const of = judge === 'test' ? 'images kept apart' : 'validation images';
  const title = `Percent right over training images a class, with 95 % intervals, on ${of}`;
  const panels = sets.flatMap(({ set, own }, i) => panelOf(set, own, arms, top + i * panelHeight));
  return drawing(width, top + sets.length * panelHeight, title, panels);
}

/** Whether the interval of a mean is drawn. */
const isKnown = ({ interval: [low, high] }: Cell): boolean => Number.isFinite(low) && high > low;

function panelOf(set: string, cells: readonly Cell[], arms: readonly string[], from: number): string[] {
  const shots = inOrder(cells);
  // Between two runs an interval may be wider than the picture: means decide the scale, and intervals of three.
  const values = cells.flatMap((cell) => [
    cell.mean,
    ...(cell.runs > 2 && isKnown(cell) ? cell.interval : []),
  ]);
  const [least, most] = [Math.max(0, Math.min(...values)), Math.min(1, Math.max(...values))];
  const step = [1, 2, 5, 10, 20].find((one) => one * 6 >= 100 * (most - least)) ?? 20;
  const low = Math.floor((100 * least) / step) * step;
  const high = Math.max(low + step, Math.ceil((100 * most) / step) * step);
  const floor = from + 24 + plotHeight;
  const rounded = (value: number): number => Math.round(10 * value) / 10;
  const x = (few: number | null): number =>
    rounded(left + 16 + (shots.indexOf(few) / (shots.length - 1)) * (plotWidth - 32));
  const y = (share: number): number =>
    rounded(floor - ((Math.max(low, Math.min(high, 100 * share)) - low) / (high - low)) * plotHeight);
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  const curves = arms.flatMap((arm, place) => {
    const own = shots.flatMap((few) => cells.find((cell) => cell.arm === arm && cell.shots === few) ?? []);
    // Intervals of several arms at one place stand side by side.
    const aside = 4 * (place - (arms.length - 1) / 2);
    return own.length === 0 ? [] : [{ arm, own, aside, kind: `kind${place % kinds}` }];
  });
  // Names stand beside the last points, none on another.
  const named = [...curves].sort((a, b) => y(lastOf(a.own)) - y(lastOf(b.own)));
  let above = -Infinity;
  const names = named.map(({ arm, own, kind }) => {
    above = Math.max(y(lastOf(own)) + 4, above + 16);
    return `<text class="named ${kind}" x="${left + plotWidth + 8}" y="${above}">${escaped(shortened(arm))}</text>`;
  });
  return [
    `<text class="soft" x="${left}" y="${from + 10}">${escaped(set)}</text>`,
    ...ticks.flatMap((tick) => [
      `<line x1="${left}" x2="${left + plotWidth}" y1="${y(tick / 100)}" y2="${y(tick / 100)}"/>`,
      `<text class="soft" x="${left - 8}" y="${y(tick / 100) + 4}" text-anchor="end">${tick}</text>`,
    ]),
    ...shots.map(
      (few) =>
        `<text class="soft" x="${x(few)}" y="${floor + 20}" text-anchor="middle">${few ?? 'all'}</text>`,
    ),
    ...curves.flatMap(({ own, aside, kind }) => {
      const at = own.map((cell) => ({ ...cell, x: x(cell.shots) + aside }));
      return [
        `<polyline class="${kind}" style="fill: none" points="${at.map((cell) => `${cell.x},${y(cell.mean)}`).join(' ')}"/>`,
        ...at
          .filter(isKnown)
          .map(
            ({ x: place, interval: [from, to] }) =>
              `<line class="${kind}" x1="${place}" x2="${place}" y1="${y(from)}" y2="${y(to)}"/>`,
          ),
        ...at.map((cell) => `<circle class="${kind}" cx="${cell.x}" cy="${y(cell.mean)}" r="3.5"/>`),
      ];
    }),
    ...names,
  ];
}

const lastOf = (cells: readonly Cell[]): number => cells.at(-1)?.mean ?? 0;
