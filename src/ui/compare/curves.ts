// The curves of several runs as shapes: lines, marks, axes and a legend, which a page, an SVG file and a canvas
// draw alike. Each run has a colour, a dash, a mark and a letter at its end, so that none hangs on colour alone.
// Pure.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Curve {
  /** 0 to 7: its colour, dash, mark and letter. */
  readonly place: number;
  readonly name: string;
  readonly training: readonly Point[];
  readonly validation: readonly Point[];
}

export interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly soft: string;
  readonly grid: string;
  readonly runs: readonly string[]; // [8]
}

/** Told apart by people who see few colours, at least 3 to 1 against the paper; after Okabe and Ito (2008). */
export const palettes: Readonly<Record<'light' | 'dark', Palette>> = {
  light: {
    ...{ paper: '#fffefa', ink: '#1d2a22', soft: '#505b52', grid: '#ddd8ca' },
    runs: ['#0072b2', '#c24e00', '#00795a', '#8a3d7b', '#7a6000', '#1d2a22', '#2a86b5', '#b5476f'],
  },
  dark: {
    ...{ paper: '#18201b', ink: '#e8eee8', soft: '#a9b7ad', grid: '#2f3b34' },
    runs: ['#5ab0ee', '#f58a4b', '#3fc79a', '#d993cc', '#e5cf4e', '#e8eee8', '#9adcf7', '#f2a0bb'],
  },
};

export const letterOf = (place: number): string => String.fromCharCode(65 + place);

/** Of the line of the validation; that of training is thin and unbroken. */
export const dashes: readonly (readonly number[])[] = [
  [],
  [9, 4],
  [2, 3],
  [9, 3, 2, 3],
  [14, 4],
  [5, 3],
  [1, 4],
  [12, 3, 2, 3, 2, 3],
];

export type Shape =
  | {
      readonly kind: 'path';
      readonly d: string;
      readonly stroke: string;
      readonly width: number;
      readonly dash: readonly number[];
      readonly fill: string;
    }
  | {
      readonly kind: 'text';
      readonly x: number;
      readonly y: number;
      readonly text: string;
      readonly fill: string;
      readonly size: number;
      readonly anchor: 'start' | 'middle' | 'end';
      readonly bold: boolean;
    };

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xText: (value: number) => string;
  readonly yText: (value: number) => string;
  /** Fixed ends of the y axis; null fits the curves. */
  readonly yEnds: readonly [number, number] | null;
  /** Whether the names stand below, as in a file that stands alone. */
  readonly legend: boolean;
}

export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
}

const margins = { left: 58, right: 26, top: 24, bottom: 40 };
const legendRow = 20;

const round = (value: number): number => Math.round(value * 100) / 100;

/** About `count` round numbers between two ends. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = power * ([1, 2, 5, 10].find((times) => span / (power * times) <= count) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const legendHeight = ({ legend }: Frame, curves: readonly Curve[]): number =>
  legend ? 12 + legendRow * curves.length : 0;

/** From values to places in the picture. */
export function scalesOf(curves: readonly Curve[], frame: Frame): Scales {
  const all = curves.flatMap(({ training, validation }) => [...training, ...validation]);
  const ys = all.map(({ y }) => y).filter((y) => Number.isFinite(y));
  const most = Math.max(1, ...all.map(({ x }) => x));
  const [lowest, highest] = ys.length === 0 ? [0, 1] : [Math.min(...ys), Math.max(...ys)];
  const room = Math.max((highest - lowest) * 0.06, 1e-9);
  const [low, high] = frame.yEnds ?? [Math.max(lowest >= 0 ? 0 : -Infinity, lowest - room), highest + room];
  const right = frame.width - margins.right;
  const bottom = frame.height - margins.bottom - legendHeight(frame, curves);
  return {
    x: (value) => margins.left + (value / most) * (right - margins.left),
    y: (value) => bottom - ((value - low) / (high - low)) * (bottom - margins.top),
    xTicks: ticks(0, most, Math.max(2, Math.floor(frame.width / 110))),
    yTicks: ticks(low, high, 5),
  };
}

/** A mark of so many pixels around a point, another one for each place. */
export function markPath(place: number, x: number, y: number, r: number): string {
  const at = (points: readonly (readonly [number, number])[]): string =>
    `M${points.map(([dx, dy]) => `${round(x + dx * r)} ${round(y + dy * r)}`).join('L')}Z`;
  const bar = 0.36;
  switch (place) {
    case 0:
      return `M${round(x - r)} ${round(y)}A${r} ${r} 0 1 0 ${round(x + r)} ${round(y)}A${r} ${r} 0 1 0 ${round(x - r)} ${round(y)}Z`;
    case 1:
      return at([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]); // prettier-ignore
    case 2:
      return at([[0, -1.2], [1.1, 0.9], [-1.1, 0.9]]); // prettier-ignore
    case 3:
      return at([[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]); // prettier-ignore
    case 4:
      return at([[0, 1.2], [1.1, -0.9], [-1.1, -0.9]]); // prettier-ignore
    case 5:
      return at([[-bar, -1.2], [bar, -1.2], [bar, -bar], [1.2, -bar], [1.2, bar], [bar, bar], [bar, 1.2], [-bar, 1.2], [-bar, bar], [-1.2, bar], [-1.2, -bar], [-bar, -bar]]); // prettier-ignore
    case 6:
      return at([[-1.3, -0.5], [1.3, -0.5], [1.3, 0.5], [-1.3, 0.5]]); // prettier-ignore
    default:
      return at([[-0.5, -1.3], [0.5, -1.3], [0.5, 1.3], [-0.5, 1.3]]); // prettier-ignore
  }
}

/** The line through finite points; it breaks where one is missing. */
function linePath(points: readonly Point[], { x, y }: Scales): string {
  let d = '';
  let isDown = false;
  for (const point of points) {
    if (Number.isFinite(point.y)) d += `${isDown ? 'L' : 'M'}${round(x(point.x))} ${round(y(point.y))}`;
    isDown = Number.isFinite(point.y);
  }
  return d;
}

/** Everything that is drawn, from the back to the front. */
export function drawCurves(curves: readonly Curve[], frame: Frame, palette: Palette): Shape[] {
  const scales = scalesOf(curves, frame);
  const { x, y, xTicks, yTicks } = scales;
  const right = frame.width - margins.right;
  const bottom = frame.height - margins.bottom - legendHeight(frame, curves);
  const line = (d: string, stroke: string, width: number, dash: readonly number[] = []): Shape => ({
    ...{ kind: 'path', d, stroke, width, dash, fill: 'none' },
  });
  const text = (at: Point, words: string, more: Partial<Extract<Shape, { kind: 'text' }>> = {}): Shape => ({
    ...{ kind: 'text', x: round(at.x), y: round(at.y), text: words, fill: palette.soft, size: 12 },
    ...{ anchor: 'start', bold: false, ...more },
  });
  const shapes: Shape[] = [];
  for (const tick of yTicks) {
    shapes.push(
      line(`M${margins.left} ${round(y(tick))}L${round(right)} ${round(y(tick))}`, palette.grid, 1),
    );
    shapes.push(text({ x: margins.left - 8, y: y(tick) + 4 }, frame.yText(tick), { anchor: 'end' }));
  }
  shapes.push(line(`M${margins.left} ${round(bottom)}L${round(right)} ${round(bottom)}`, palette.soft, 1));
  for (const tick of xTicks) {
    shapes.push(line(`M${round(x(tick))} ${round(bottom)}l0 5`, palette.soft, 1));
    shapes.push(text({ x: x(tick), y: bottom + 19 }, frame.xText(tick), { anchor: 'middle' }));
  }
  shapes.push(text({ x: right, y: bottom + 35 }, frame.xTitle, { anchor: 'end' }));
  shapes.push(text({ x: 4, y: 14 }, frame.yTitle));
  const colourOf = (place: number): string => palette.runs[place] ?? palette.ink;
  for (const { place, training } of curves)
    if (training.length > 1) shapes.push(line(linePath(training, scales), colourOf(place), 1));
  for (const { place, validation } of curves) {
    const colour = colourOf(place);
    if (validation.length > 1)
      shapes.push(line(linePath(validation, scales), colour, 2.2, dashes[place] ?? []));
    const every = Math.max(1, Math.ceil(validation.length / 12));
    validation.forEach((point, i) => {
      if (!Number.isFinite(point.y) || (i % every !== 0 && i !== validation.length - 1)) return;
      const d = markPath(place, x(point.x), y(point.y), 3.6);
      shapes.push({ kind: 'path', d, stroke: palette.paper, width: 1, dash: [], fill: colour });
    });
  }
  for (const { place, at } of endsOf(curves, scales))
    shapes.push(text(at, letterOf(place), { fill: colourOf(place), bold: true, size: 13 }));
  if (frame.legend)
    shapes.push(...legendOf(curves, { x: margins.left, y: bottom + 58 }, palette, line, text));
  return shapes;
}

/** Where the letters stand: beside the last point of each run, and never on each other. */
function endsOf(curves: readonly Curve[], { x, y }: Scales): { place: number; at: Point }[] {
  const gap = 13;
  const ends = curves.flatMap(({ place, training, validation }) => {
    const last = (validation.length > 0 ? validation : training).findLast((point) =>
      Number.isFinite(point.y),
    );
    return last === undefined ? [] : [{ place, at: { x: x(last.x) + 7, y: y(last.y) + 4 } }];
  });
  const placed: { place: number; at: Point }[] = [];
  for (const end of ends.sort((a, b) => a.at.y - b.at.y)) {
    const near = placed.filter(({ at }) => Math.abs(at.x - end.at.x) < 14).map(({ at }) => at.y + gap);
    placed.push({ ...end, at: { ...end.at, y: Math.max(end.at.y, ...near) } });
  }
  return placed;
}

function legendOf(
  curves: readonly Curve[],
  from: Point,
  palette: Palette,
  line: (d: string, stroke: string, width: number, dash?: readonly number[]) => Shape,
  text: (at: Point, words: string, more?: Partial<Extract<Shape, { kind: 'text' }>>) => Shape,
): Shape[] {
  return curves.flatMap(({ place, name }, i): Shape[] => {
    const y = from.y + i * legendRow;
    const colour = palette.runs[place] ?? palette.ink;
    return [
      line(`M${from.x} ${y}l44 0`, colour, 2.2, dashes[place] ?? []),
      {
        ...{ kind: 'path', d: markPath(place, from.x + 22, y, 3.6), stroke: palette.paper },
        width: 1,
        dash: [],
        fill: colour,
      },
      text({ x: from.x + 54, y: y + 4 }, letterOf(place), { fill: colour, bold: true }),
      text({ x: from.x + 70, y: y + 4 }, name, { fill: palette.ink }),
    ];
  });
}

const escaped = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char,
  );

export const fontFamily = 'system-ui, sans-serif';

/** The picture as an SVG file. */
export function svgOf(
  shapes: readonly Shape[],
  { width, height }: Frame,
  palette: Palette,
  title: string,
): string {
  const drawn = shapes.map((shape) =>
    shape.kind === 'path'
      ? `<path d="${shape.d}" stroke="${shape.stroke}" stroke-width="${shape.width}" fill="${shape.fill}"${shape.dash.length > 0 ? ` stroke-dasharray="${shape.dash.join(' ')}"` : ''} stroke-linejoin="round"/>`
      : `<text x="${shape.x}" y="${shape.y}" fill="${shape.fill}" font-size="${shape.size}" text-anchor="${shape.anchor}"${shape.bold ? ' font-weight="700"' : ''}>${escaped(shape.text)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${fontFamily}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${palette.paper}"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

/** The picture on a canvas. */
export function paint(
  context: CanvasRenderingContext2D,
  shapes: readonly Shape[],
  frame: Frame,
  palette: Palette,
): void {
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, frame.width, frame.height);
  context.lineJoin = 'round';
  for (const shape of shapes) {
    if (shape.kind === 'text') {
      context.font = `${shape.bold ? '700 ' : ''}${shape.size}px ${fontFamily}`;
      context.textAlign = shape.anchor === 'middle' ? 'center' : shape.anchor;
      context.fillStyle = shape.fill;
      context.fillText(shape.text, shape.x, shape.y);
      continue;
    }
    const path = new Path2D(shape.d);
    if (shape.fill !== 'none') {
      context.fillStyle = shape.fill;
      context.fill(path);
    }
    context.setLineDash([...shape.dash]);
    context.strokeStyle = shape.stroke;
    context.lineWidth = shape.width;
    context.stroke(path);
  }
}
