// One live chart: draws the log at most ten times a second, less often where that takes long, in turn with
// the others, and not at all while the page is hidden. The numbers under the crosshair are written
// beside the title, past React.
import { useEffect, useId, useRef, type KeyboardEvent } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { chartColumns, type ChartColumns } from '../../state/chart-series.ts';
import { chartStore, pointAt, setRange, useChart } from '../../state/chart-store.ts';
import { runStore } from '../../state/run-store.ts';
import { stepLog } from '../../state/step-log.ts';
import { themeStore } from '../../state/theme-store.ts';
import { cx } from '../parts/cx.ts';
import { inTurn } from '../parts/draw-in-turn.ts';
import { themeColours } from '../parts/theme-colours.ts';
import type { ChartSpec } from './chart-spec.ts';
import { plotOptions } from './plot-options.ts';
import styles from './Charts.module.css';

const redrawMs = 100;
/** On a slow machine it waits so many times as long as the last drawing took: a hand finds the page free. */
const restsPerDraw = 8;

/** The value at a position, or the last one before it. */
function valueBefore(
  values: ArrayLike<number | null | undefined> | undefined,
  index: number,
): number | undefined {
  for (let i = index; values !== undefined && i >= 0; i--) {
    const value = values[i];
    if (typeof value === 'number' && Number.isFinite(value)) return value;
  }
  return undefined;
}

export function LineChart({ spec }: { readonly spec: ChartSpec }) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const stepText = useRef<HTMLSpanElement>(null);
  const readout = useRef<HTMLSpanElement>(null);
  const chart = useRef<uPlot>(null);
  const logLoss = useChart((state) => spec.main && state.logLoss);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const height = spec.main ? 270 : innerWidth <= 640 ? 150 : 190;
    let columns: ChartColumns | null = null;
    let colours = themeColours();

    const write = (plot: uPlot): void => {
      if (stepText.current === null || readout.current === null || columns === null) return;
      const index = plot.cursor.idx ?? columns.steps.length - 1;
      const step = columns.steps[index];
      const line = valueBefore(spec.smoothed ? columns.smoothed : columns.raw, index);
      const point = spec.validation === null ? undefined : valueBefore(columns.validation, index);
      stepText.current.textContent = step === undefined ? '' : `step ${step}`;
      const decided = spec.deciding === null ? undefined : valueBefore(columns.second, index);
      const parts = [
        line === undefined ? '' : `${spec.line} ${spec.text(line)}`,
        point === undefined ? '' : `validation ${spec.text(point)}`,
        decided === undefined ? '' : `${spec.deciding?.words} ${spec.text(decided)}`,
      ];
      readout.current.textContent = parts.filter((part) => part !== '').join(' · ');
    };
    const options = plotOptions(spec, { width: 300, height }, () => colours, write);
    const plot = new uPlot(options, [[], [], [], [], []], element);
    chart.current = plot;

    /** The crosshair stands where another chart, or the branches, point. */
    const show = (step: number | null): void => {
      if (hovered) return;
      const left = step === null ? -10 : plot.valToPos(step, 'x');
      plot.setCursor({ left, top: step === null ? -10 : 10 }, false);
      write(plot);
    };
    let hovered = false;
    const onMove = (): void => {
      hovered = true;
      const step = columns?.steps[plot.cursor.idx ?? -1];
      if (step !== undefined) pointAt(step);
    };
    const onLeave = (): void => {
      hovered = false;
      pointAt(null);
    };

    const draw = (): void => {
      const { smoothing, range, pointed } = chartStore.getState();
      columns = chartColumns(stepLog, runStore.getState().evaluations, {
        column: spec.column,
        smoothing: spec.smoothed ? smoothing : null,
        validation: spec.validation,
        second: spec.deciding?.of ?? null,
        range,
        pixels: Math.max(100, plot.width - 70),
      });
      plot.setData([columns.steps, columns.raw, columns.smoothed, columns.validation, columns.second]);
      // uPlot keeps the cursor's pixel, which is another step now.
      if (hovered) onMove();
      else if (pointed !== null) show(pointed);
      else write(plot);
    };
    let timer: ReturnType<typeof setTimeout> | null = null;
    let isAwaited = false;
    let tookMs = 0;
    let drawnAt = -Infinity;
    const drawTimed = (): void => {
      isAwaited = false;
      const from = performance.now();
      draw();
      drawnAt = performance.now();
      tookMs = drawnAt - from;
    };
    let takeBack = (): void => undefined;
    const drawInTurn = (): void => {
      timer = null;
      takeBack = inTurn(drawTimed);
    };
    /** After a rest at once, in the frame of whatever else the same report changes; else when it has rested. */
    const schedule = (): void => {
      if (isAwaited) return;
      isAwaited = true;
      const rest = drawnAt + Math.max(redrawMs, restsPerDraw * tookMs) - performance.now();
      if (rest > 0) timer = setTimeout(drawInTurn, rest);
      else drawInTurn();
    };
    const recolour = (): void => {
      colours = themeColours();
      plot.redraw(false);
    };
    let takeColoursBack = (): void => undefined;
    // Once a frame, however fast somebody points.
    let next = 0;
    const showNext = (): void => {
      if (next !== 0) return;
      next = requestAnimationFrame(() => {
        next = 0;
        show(chartStore.getState().pointed);
      });
    };
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry?.contentRect.width ?? 0);
      if (width > 0) plot.setSize({ width, height });
      schedule();
    });
    observer.observe(element);
    const unsubscribe = [
      runStore.subscribe((now, before) => {
        if (now.logVersion !== before.logVersion || now.summary !== before.summary) schedule();
      }),
      chartStore.subscribe((now, before) => {
        if (now.pointed === before.pointed) schedule();
        else showNext();
      }),
      themeStore.subscribe((now, before) => {
        if (now.version === before.version) return;
        takeColoursBack();
        takeColoursBack = inTurn(recolour);
      }),
    ];
    // After uPlot's own listeners, which lie deeper.
    element.addEventListener('mousemove', onMove);
    element.addEventListener('mouseleave', onLeave);
    drawTimed();
    return () => {
      for (const end of unsubscribe) end();
      observer.disconnect();
      if (timer !== null) clearTimeout(timer);
      takeBack();
      takeColoursBack();
      cancelAnimationFrame(next);
      if (hovered) pointAt(null);
      element.removeEventListener('mousemove', onMove);
      element.removeEventListener('mouseleave', onLeave);
      plot.destroy();
      chart.current = null;
    };
  }, [spec, logLoss]);

  function onKey(event: KeyboardEvent): void {
    const plot = chart.current;
    if (plot === null) return;
    if (event.key === 'Escape') {
      setRange(null);
      pointAt(null);
    }
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const index = (plot.cursor.idx ?? last) + (event.key === 'ArrowLeft' ? -1 : 1);
    const step = plot.data[0][Math.min(last, Math.max(0, index))];
    if (step !== undefined) {
      plot.setCursor({ left: plot.valToPos(step, 'x'), top: 10 });
      pointAt(step);
    }
  }

  return (
    <figure className={cx(styles.chart, spec.main && styles.main)}>
      <figcaption className={styles.caption}>
        <h3 id={id}>{spec.title}</h3>
        <span className={styles.step} ref={stepText} />
        <span className={styles.readout} ref={readout} />
      </figcaption>
      <div
        ref={box}
        className={styles.plot}
        role="img"
        aria-labelledby={id}
        tabIndex={0}
        onKeyDown={onKey}
        onBlur={() => pointAt(null)}
        data-testid={`chart-${spec.column}`}
      />
    </figure>
  );
}
