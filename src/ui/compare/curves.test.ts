// The picture of several runs: every value stands where it belongs, no run hangs on colour alone, and the file is
// well-formed whatever a run is called.
import { expect, test } from 'vitest';
import {
  dashes,
  drawCurves,
  markPath,
  palettes,
  scalesOf,
  svgOf,
  ticks,
  type Curve,
  type Frame,
} from './curves.ts';

const frame: Frame = {
  ...{ width: 600, height: 400, legend: true, xTitle: 'steps', yTitle: 'loss', yEnds: null },
  xText: String,
  yText: String,
};
const eight: readonly Curve[] = Array.from({ length: 8 }, (_, place) => ({
  place,
  name: `run <${place}> & "more"`,
  training: [
    { x: 0, y: 2 },
    { x: 50, y: NaN },
    { x: 100, y: 0.5 },
  ],
  validation: [
    { x: 0, y: 2.5 },
    { x: 100, y: 0.5 + place / 1000 },
  ],
}));

/** Contrast by WCAG 2.2, from its formula. */
function contrast(a: string, b: string): number {
  const luminance = (colour: string): number => {
    const [r = 0, g = 0, blue = 0] = [1, 3, 5].map((at) => {
      const share = parseInt(colour.slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

test.each(['light', 'dark'] as const)('every run is seen on the %s paper', (theme) => {
  const { paper, runs, soft } = palettes[theme];
  for (const colour of runs) expect(contrast(colour, paper), colour).toBeGreaterThanOrEqual(3);
  expect(contrast(soft, paper)).toBeGreaterThanOrEqual(4.5);
  expect(new Set(runs).size).toBe(8);
});

test('each place has a dash, a mark and a letter of its own, and no letter lies on another', () => {
  expect(new Set(dashes.map(String)).size).toBe(8);
  expect(new Set(eight.map(({ place }) => markPath(place, 0, 0, 4))).size).toBe(8);
  const letters = drawCurves(eight, { ...frame, legend: false }, palettes.light).flatMap((shape) =>
    shape.kind === 'text' && shape.bold ? [shape] : [],
  );
  expect(
    letters
      .map(({ text }) => text)
      .sort()
      .join(''),
  ).toBe('ABCDEFGH');
  const heights = letters.map(({ y }) => y).sort((a, b) => a - b);
  heights.slice(1).forEach((y, i) => expect(y - (heights[i] ?? 0)).toBeGreaterThanOrEqual(12.9));
});

test('values stand where they belong, and a line breaks where a number is missing', () => {
  const { x, y } = scalesOf(eight, frame);
  expect([x(0), x(100), x(50)]).toEqual([58, 574, 316]);
  // 2.5 and 0.5 with 6 % of room on both sides, between 24 and 400 - 40 - 12 - 8 * 20.
  expect(y(2.62)).toBeCloseTo(24, 6);
  expect(y(0.38)).toBeCloseTo(188, 6);
  const [thin] = drawCurves(eight, frame, palettes.light).flatMap((shape) =>
    shape.kind === 'path' && shape.stroke === palettes.light.runs[0] ? [shape.d] : [],
  );
  expect(thin?.match(/M/g)).toHaveLength(2);
  expect(thin).not.toContain('NaN');
  expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(0, 250, 6)).toEqual([0, 50, 100, 150, 200, 250]);
});

test('the file names every run, escaped', () => {
  const svg = svgOf(drawCurves(eight, frame, palettes.light), frame, palettes.light, 'a < b');
  expect(svg).toContain('run &lt;7&gt; &amp; &quot;more&quot;');
  expect(svg).toContain('<title>a &lt; b</title>');
  expect(svg).not.toMatch(/run <|NaN|undefined/);
  expect(svg.match(/<svg /g)).toHaveLength(1);
});
