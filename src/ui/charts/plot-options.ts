// The options of one uPlot chart: axes, lines in the colours of the theme, vertical marks for drops and stage
// 2, a crosshair that all charts share. Knows uPlot and the theme; reads no store but for the marks.
import type uPlot from 'uplot';
import { runStore } from '../../state/run-store.ts';
import { chartStore, setRange } from '../../state/chart-store.ts';
import type { Colours } from '../parts/theme-colours.ts';
import type { ChartSpec } from './chart-spec.ts';

/** Steps of the whole run, so that the axis does not move while it fills. */
function lastStep(): number {
  const { summary, phase } = runStore.getState();
  return summary?.steps ?? ('step' in phase ? phase.step : 1);
}

function drawMarks(plot: uPlot, colours: Colours): void {
  const { summary } = runStore.getState();
  if (summary === null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const mark = (step: number, colour: string, dash: number[], word: string): void => {
    const x = Math.round(plot.valToPos(step, 'x', true));
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.strokeStyle = colour;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillStyle = colour;
    ctx.fillText(word, x + 4 * ratio, bbox.top + 3 * ratio);
  };
  ctx.save();
  ctx.lineWidth = 1.2 * ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  ctx.textAlign = 'left';
  for (const step of summary.dropSteps) mark(step, colours.clay, [3, 3], 'drop');
  if (summary.stage2Step < summary.steps) mark(summary.stage2Step, colours.sky, [], 'stage 2');
  ctx.restore();
}

/** Where validation stood before the first step, in pixels from the top; null where it is not shown. */
function startIn(plot: uPlot, spec: ChartSpec): number | null {
  const [first] = runStore.getState().evaluations;
  if (spec.validation === null || first?.step !== 0) return null;
  const y = Math.round(plot.valToPos(spec.validation(first), 'y', true));
  return y < plot.bbox.top || y > plot.bbox.top + plot.bbox.height ? null : y;
}

/** A line at where validation stood before the first step: what training has to beat. */
function drawStart(plot: uPlot, spec: ChartSpec, colours: Colours): void {
  const y = startIn(plot, spec);
  if (y === null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colours.ochre;
  ctx.lineWidth = ratio;
  ctx.setLineDash([ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/**
 * The words of that line, over the curves and with an edge of paper around them. They stand on the side that the curve
 * leaves as it gets better, or on the other where that one has no room.
 */
function nameStart(plot: uPlot, spec: ChartSpec, colours: Colours): void {
  const y = startIn(plot, spec);
  if (y === null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'right';
  // The words of the marks stand along the top of the main chart.
  const room = 19 * ratio;
  const above =
    spec.column === 'loss' ? y - bbox.top > (spec.main ? 2 : 1) * room : bbox.top + bbox.height - y < room;
  ctx.textBaseline = above ? 'bottom' : 'top';
  // Clear of the points of validations, of which some lie on the line.
  const clear = 5 * ratio;
  const below = Math.max(y + clear, spec.main ? bbox.top + room : 0);
  const at = [bbox.left + bbox.width - 4 * ratio, above ? y - clear : below] as const;
  ctx.lineJoin = 'round';
  ctx.lineWidth = 3 * ratio;
  ctx.strokeStyle = colours.card;
  ctx.strokeText('validation at the start', ...at);
  ctx.fillStyle = colours.ochre;
  ctx.fillText('validation at the start', ...at);
  ctx.restore();
}

function epochSplits(from: number, to: number): number[] {
  const stepsPerEpoch = runStore.getState().summary?.stepsPerEpoch ?? 0;
  if (stepsPerEpoch <= 0) return [];
  const epochs = (to - from) / stepsPerEpoch;
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((step) => epochs / step <= 10) ?? 5000;
  const first = Math.ceil(from / stepsPerEpoch / every);
  const count = Math.max(0, Math.floor(to / stepsPerEpoch / every) - first + 1);
  return Array.from({ length: count }, (_, i) => (first + i) * every * stepsPerEpoch);
}

function yRange(spec: ChartSpec, log: boolean): uPlot.Scale.Range {
  return (_plot, min, max) => {
    // Before the first point uPlot has no extremes at all.
    if (!Number.isFinite(min) || !Number.isFinite(max)) return [log ? 0.1 : 0, 1];
    if (log) return [Math.max(1e-6, min * 0.85), Math.max(1e-5, max * 1.15)];
    const room = Math.max((max - min) * 0.08, Math.abs(max) * 0.02, 1e-9);
    return [spec.least ?? Math.max(min >= 0 ? 0 : -Infinity, min - room), spec.most ?? max + room];
  };
}

/** Its colours are asked for at each drawing. */
export function plotOptions(
  spec: ChartSpec,
  size: { readonly width: number; readonly height: number },
  colours: () => Colours,
  onCursor: (plot: uPlot) => void,
): uPlot.Options {
  const of = (name: keyof Colours) => (): string => colours()[name];
  const log = spec.main && chartStore.getState().logLoss;
  const font = '11.5px system-ui, sans-serif';
  const grid = { stroke: of('line'), width: 1 };
  const axis = { stroke: of('soft'), font, grid, ticks: { stroke: of('line'), size: 5, width: 1 } };
  const epochAxis: uPlot.Axis = {
    ...axis,
    scale: 'x',
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- its names are no values (const enum)
    side: 0,
    size: 24,
    gap: 2,
    grid: { show: false },
    splits: (_plot, _index, from, to) => epochSplits(from, to),
    values: (_plot, splits) => {
      const stepsPerEpoch = runStore.getState().summary?.stepsPerEpoch ?? 1;
      return splits.map((step) => {
        const epoch = Math.round(step / stepsPerEpoch);
        return epoch === 0 ? 'epoch' : String(epoch);
      });
    },
  };
  return {
    ...size,
    padding: [spec.main ? 0 : 8, 14, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: 'graft', setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      bind: {
        dblclick: () => () => {
          setRange(null);
          return null;
        },
      },
    },
    scales: {
      x: {
        time: false,
        range: () => {
          const { range } = chartStore.getState();
          return range === null ? [0, Math.max(1, lastStep())] : [range[0], range[1]];
        },
      },
      y: {
        // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- its names are no values (const enum)
        distr: log ? 3 : 1,
        range: yRange(spec, log),
      },
    },
    axes: [
      {
        ...axis,
        size: 30,
        gap: 4,
        values: (_plot, splits) => {
          const named = splits.findIndex((step) => step % 1 === 0);
          return splits.map((step, i) => (step % 1 === 0 ? `${i === named ? 'step ' : ''}${step}` : ''));
        },
      },
      {
        ...axis,
        size: 56,
        gap: 4,
        // Without it uPlot writes only powers of ten beside a logarithmic axis.
        ...(log ? { filter: logLabels } : {}),
        values: (_plot, splits) =>
          splits.map((value) => (Number.isFinite(value) ? axisText(spec, value) : '')),
      },
      ...(spec.main ? [epochAxis] : []),
    ],
    series: [
      {},
      {
        stroke: of('leaf'),
        width: spec.smoothed ? 1 : 2,
        alpha: spec.smoothed ? 0.3 : 1,
        points: { show: false },
      },
      { stroke: of('leaf'), width: 2.2, points: { show: false }, show: spec.smoothed },
      {
        stroke: of('ochre'),
        width: 1.6,
        dash: [5, 4],
        show: spec.validation !== null,
        points: { show: true, size: 7, fill: of('ochre'), stroke: of('ochre'), width: 1 },
      },
      {
        stroke: of('sky'),
        width: 1.6,
        dash: [2, 3],
        show: spec.deciding !== null,
        points: { show: true, size: 5, fill: of('sky'), stroke: of('sky'), width: 1 },
      },
    ],
    hooks: {
      drawAxes: [
        (plot) => {
          if (spec.main) drawMarks(plot, colours());
          drawStart(plot, spec, colours());
        },
      ],
      draw: [(plot) => nameStart(plot, spec, colours())],
      setLegend: [onCursor],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width > 4) setRange([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
          if (width > 0) plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/**
 * Which lines of a logarithmic axis get a number: all within one decade, fewer the more decades there are.
 */
function logLabels({ scales }: uPlot, splits: number[]): (number | null)[] {
  const decades = Math.log10((scales['y']?.max ?? 1) / (scales['y']?.min ?? 1));
  const digits = decades < 1 ? '123456789' : decades < 2.5 ? '125' : '1';
  return splits.map((value) => (digits.includes(value.toExponential(0).charAt(0)) ? value : null));
}

function axisText(spec: ChartSpec, value: number): string {
  if (spec.column === 'accuracy') return `${Math.round(value * 100)} %`;
  if (spec.column === 'loss' || spec.column === 'imagesPerSecond') {
    const rounded = Number(value.toPrecision(3));
    // 0.000175 is wider than the axis.
    return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
  }
  return spec.text(value);
}
