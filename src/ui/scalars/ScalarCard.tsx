// The learning scalar of every layer as it is learned: a dot for each module over its block, with the start
// value as a line. One small picture for each kind of linear. Where stage 2 was not kept, rings show what it
// had learned.
import { useMemo } from 'react';
import { useShallow } from 'zustand/react/shallow';
import { useRun } from '../../state/run-store.ts';
import type { ModuleView, RunResult, RunSummary } from '../../worker/protocol.ts';
import { Card } from '../parts/Card.tsx';
import { moduleName, moduleText } from '../parts/words.ts';
import { drawsScalars } from '../run/drawn-parts.ts';
import styles from './ScalarCard.module.css';

/** A layer and its scalar. */
type Scalar = Pick<ModuleView, 'module' | 'scalar'>;

interface ScalarPlotProps {
  readonly words: string;
  readonly modules: readonly Scalar[];
  /** What stage 2 learned and validation refused; null where nothing was refused. */
  readonly refused: RunResult['learnedScalars'];
  readonly start: number;
  readonly low: number;
  readonly high: number;
}

const plot = { width: 440, height: 150, left: 44, right: 10, top: 10, bottom: 26 };

function ScalarPlot({ words, modules, refused, start, low, high }: ScalarPlotProps) {
  const inner = plot.width - plot.left - plot.right;
  const x = (i: number): number => plot.left + (inner * (i + 0.5)) / modules.length;
  const y = (value: number): number =>
    plot.top + ((plot.height - plot.top - plot.bottom) * (high - value)) / (high - low);
  const everyBlock = modules.length > 12 ? 2 : 1;
  return (
    <figure className={styles.figure}>
      <figcaption className={styles.caption}>{words}</figcaption>
      <svg
        viewBox={`0 0 ${plot.width} ${plot.height}`}
        className={styles.plot}
        role="group"
        aria-label={`Scalars, ${words}`}
      >
        {[low, start, high].map((value) => (
          <g key={value}>
            <line
              className={value === start ? styles.start : styles.grid}
              x1={plot.left}
              x2={plot.width - plot.right}
              y1={y(value)}
              y2={y(value)}
            />
            <text className={styles.tick} x={plot.left - 6} y={y(value) + 4} textAnchor="end">
              {value.toFixed(2)}
            </text>
          </g>
        ))}
        {modules.map(({ module, scalar }, i) => {
          const learned = refused?.[module];
          const text =
            `${moduleText(module)}: ${scalar.toFixed(4)}` +
            (learned === undefined ? '' : `, ${learned.toFixed(4)} was learned and not kept`);
          return (
            <g key={module} role="img" aria-label={text}>
              <title>{text}</title>
              {learned !== undefined && (
                <>
                  <line className={styles.refusedStem} x1={x(i)} x2={x(i)} y1={y(scalar)} y2={y(learned)} />
                  <circle className={styles.refused} cx={x(i)} cy={y(learned)} r="3.5" />
                </>
              )}
              <line className={styles.stem} x1={x(i)} x2={x(i)} y1={y(start)} y2={y(scalar)} />
              <circle className={styles.dot} cx={x(i)} cy={y(scalar)} r="4" />
              {i % everyBlock === 0 && (
                <text className={styles.tick} x={x(i)} y={plot.height - 8} textAnchor="middle">
                  {moduleName(module).block}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

function leadOf({ recipe, stage2Step }: RunSummary, reached: boolean, kept: boolean | null): string {
  const what = 'How strongly each layer uses its branches.';
  switch (recipe.dmlora.scalars) {
    case 'scale-then-retrain':
      if (!reached)
        return `${what} They learn beside them until step ${stage2Step}, where branches begin afresh.`;
      return kept === false
        ? 'The result is a state from before the branches began afresh: it was better on the validation images.'
        : 'They are learned and stay: branches and head began afresh beside them.';
    case 'train-then-scale':
      if (!reached) return `${what} They begin to learn in stage 2, at step ${stage2Step}.`;
      if (kept === null) return `${what} They are learning now.`;
      return kept
        ? 'The result has the learned scalars: they are kept.'
        : 'The result is a state from before they learned (the rings show what): it was better on the validation images.';
    case 'joint':
    case 'off':
      return `${what} They learn beside them, from the first step on.`;
  }
}

/** All scalars of the run: the same list until one of them is another. */
function useScalars(): readonly Scalar[] {
  const modules = useRun(useShallow((state) => state.modules.map(({ module }) => module)));
  const scalars = useRun(useShallow((state) => state.modules.map(({ scalar }) => scalar)));
  return useMemo(() => modules.map((module, i) => ({ module, scalar: scalars[i] ?? 0 })), [modules, scalars]);
}

export function ScalarCard() {
  const modules = useScalars();
  const summary = useRun((state) => state.summary);
  const isDrawn = useRun(drawsScalars);
  const reached = useRun(
    (state) =>
      state.summary !== null && 'step' in state.phase && state.phase.step >= state.summary.stage2Step,
  );
  const result = useRun((state) => state.result);
  if (summary === null || !isDrawn) return null;
  const { scalarStart: start } = summary.recipe.dmlora;
  const kept = result?.scalarsKept ?? null;
  const refused = kept === false ? (result?.learnedScalars ?? null) : null;
  const shown = [...modules.map(({ scalar }) => scalar), ...Object.values(refused ?? {})];
  const furthest = Math.max(...shown.map((scalar) => Math.abs(scalar - start)));
  // Whole twentieths of the start, so that the axis is still while the scalars move.
  const widest = (start * Math.max(1, Math.ceil((furthest / start) * 20 + 0.2))) / 20;
  const linears = [
    ...new Map(modules.map(({ module }) => [moduleName(module).linear, moduleName(module).words])),
  ];
  return (
    <Card title="Scalars" aside={`start ${start.toFixed(2)}, by block`}>
      <p className={styles.lead} data-testid="scalars" data-kept={kept ?? undefined}>
        {leadOf(summary, reached, kept)}
      </p>
      <div className={styles.plots}>
        {linears.map(([linear, words]) => (
          <ScalarPlot
            key={linear}
            words={words}
            modules={modules.filter(({ module }) => moduleName(module).linear === linear)}
            refused={refused}
            start={start}
            low={Math.max(0, start - widest)}
            high={start + widest}
          />
        ))}
      </div>
    </Card>
  );
}
