// The curves of the chosen runs in one picture, with a legend, and the way out as CSV, SVG and PNG.
import { useEffect, useId, useRef, useState } from 'react';
import { useTheme } from '../../state/theme-store.ts';
import { Button } from '../parts/Button.tsx';
import { download } from '../parts/download.ts';
import { Switch } from '../parts/Switch.tsx';
import { lossText, percentText, wholeText } from '../parts/words.ts';
import shared from '../understand/Understand.module.css';
import styles from './Compare.module.css';
import { curvesCsv, curvesOf, type Axis, type Lines, type Measure, type PlacedRun } from './curve-data.ts';
import {
  dashes,
  drawCurves,
  fontFamily,
  letterOf,
  markPath,
  paint,
  palettes,
  svgOf,
  type Frame,
  type Palette,
  type Shape,
} from './curves.ts';

const measures = [
  { value: 'loss', label: 'Loss' },
  { value: 'accuracy', label: 'Accuracy' },
] as const;
const axes = [
  { value: 'steps', label: 'Steps' },
  { value: 'epochs', label: 'Epochs' },
] as const;
const kinds = [
  { value: 'both', label: 'Both' },
  { value: 'training', label: 'Training' },
  { value: 'validation', label: 'Validation' },
] as const;

const height = 330;

/** The colours of the page as it is shown now. */
function usePalette(): Palette {
  useTheme((state) => state.version);
  const { theme } = document.documentElement.dataset;
  const isDark =
    theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  return palettes[isDark ? 'dark' : 'light'];
}

function frameOf(
  measure: Measure,
  axis: Axis,
  size: { width: number; height: number },
  legend: boolean,
): Frame {
  const isLoss = measure === 'loss';
  return {
    ...size,
    legend,
    xTitle: axis,
    yTitle: isLoss ? 'loss' : 'images right',
    xText: axis === 'steps' ? wholeText : (value) => String(Number(value.toFixed(2))),
    yText: isLoss ? (value) => String(Number(value.toPrecision(3))) : (value) => percentText(value, 0),
    yEnds: isLoss ? null : [0, 1],
  };
}

export function CurvesPart({ runs }: { readonly runs: readonly PlacedRun[] }) {
  const [measure, setMeasure] = useState<Measure>('loss');
  const [axis, setAxis] = useState<Axis>('steps');
  const [lines, setLines] = useState<Lines>('both');
  const [width, setWidth] = useState(720);
  const box = useRef<HTMLDivElement>(null);
  const titleId = useId();
  const palette = usePalette();
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      const now = Math.floor(entry?.contentRect.width ?? 0);
      if (now > 0) setWidth(now);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const curves = curvesOf(runs, measure, axis, lines);
  const frame = frameOf(measure, axis, { width, height }, false);
  const words = runs
    .map(({ place, figures: { evaluations } }) => {
      const last = evaluations.at(-1)?.validation;
      const value =
        last === undefined ? '–' : measure === 'loss' ? lossText(last.loss) : percentText(last.accuracy);
      return `${letterOf(place)} ends at ${value}`;
    })
    .join(', ');

  /** A file stands alone: in light colours, with its legend, and as large whatever the page is. */
  function file(): { readonly shapes: readonly Shape[]; readonly frame: Frame } {
    const large = frameOf(measure, axis, { width: 960, height: 500 + 20 * runs.length }, true);
    return { frame: large, shapes: drawCurves(curves, large, palettes.light) };
  }
  function saveSvg(): void {
    const { shapes, frame: large } = file();
    const svg = svgOf(shapes, large, palettes.light, `${large.yTitle} of ${runs.length} runs`);
    download(new Blob([svg], { type: 'image/svg+xml' }), `runs-${measure}.svg`);
  }
  function savePng(): void {
    const { shapes, frame: large } = file();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [2 * large.width, 2 * large.height];
    const context = canvas.getContext('2d');
    if (context === null) return;
    context.scale(2, 2);
    paint(context, shapes, large, palettes.light);
    canvas.toBlob((blob) => blob !== null && download(blob, `runs-${measure}.png`));
  }

  return (
    <section className={shared.part} aria-labelledby={titleId}>
      <div className={shared.bar}>
        <h3 id={titleId} className={shared.subtitle}>
          Curves
        </h3>
        <div className={styles.ways}>
          <Button
            variant="quiet"
            icon="download"
            onClick={() => download(curvesCsv(runs), 'runs-curves.csv')}
          >
            Curves as CSV
          </Button>
          <Button variant="quiet" icon="download" onClick={saveSvg}>
            SVG
          </Button>
          <Button variant="quiet" icon="download" onClick={savePng}>
            PNG
          </Button>
        </div>
      </div>
      <div className={styles.switches}>
        <Switch label="What is drawn" options={measures} value={measure} onChange={setMeasure} />
        <Switch label="Over what" options={axes} value={axis} onChange={setAxis} />
        <Switch label="Which lines" options={kinds} value={lines} onChange={setLines} />
      </div>
      <div ref={box}>
        <svg
          className={styles.plot}
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          fontFamily={fontFamily}
          role="img"
          aria-label={`${frame.yTitle} over ${axis}: ${words}`}
          data-testid="compare-curves"
        >
          {drawCurves(curves, frame, palette).map((shape, i) => (
            <Drawn key={i} shape={shape} />
          ))}
        </svg>
      </div>
      <ul className={styles.legend}>
        {runs.map(({ place, name }) => (
          <li key={place}>
            <Sample place={place} palette={palette} />
            <strong>{letterOf(place)}</strong> <bdi>{name}</bdi>
          </li>
        ))}
      </ul>
      <p className={shared.soft}>
        Thin: training, smoothed. Thick, with marks: validation. The letter stands where a run ends.
      </p>
    </section>
  );
}

function Drawn({ shape }: { readonly shape: Shape }) {
  if (shape.kind === 'text')
    return (
      <text
        x={shape.x}
        y={shape.y}
        fill={shape.fill}
        fontSize={shape.size}
        textAnchor={shape.anchor}
        fontWeight={shape.bold ? 700 : undefined}
      >
        {shape.text}
      </text>
    );
  return (
    <path
      d={shape.d}
      stroke={shape.stroke}
      strokeWidth={shape.width}
      strokeDasharray={shape.dash.length > 0 ? shape.dash.join(' ') : undefined}
      strokeLinejoin="round"
      fill={shape.fill}
    />
  );
}

function Sample({ place, palette }: { readonly place: number; readonly palette: Palette }) {
  const colour = palette.runs[place] ?? palette.ink;
  return (
    <svg width="40" height="12" viewBox="0 0 40 12" aria-hidden="true" className={styles.sample}>
      <path d="M0 6l40 0" stroke={colour} strokeWidth="2.2" strokeDasharray={dashes[place]?.join(' ')} />
      <path d={markPath(place, 20, 6, 3.6)} fill={colour} />
    </svg>
  );
}
