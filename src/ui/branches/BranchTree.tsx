// The picture of the branch map: trunks from bottom to top, one for each adapted linear, and at each block
// its branches. Arrow keys walk from module to module.
import { memo, useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import type { ModuleView } from '../../worker/protocol.ts';
import { moduleName } from '../parts/words.ts';
import { ModuleLimbs } from './ModuleLimbs.tsx';
import { modulePlace, treeLayout } from './tree-geometry.ts';
import styles from './BranchCard.module.css';

interface BranchTreeProps {
  readonly modules: readonly ModuleView[];
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  /** Strength of a branch of full length. */
  readonly strongest: number;
  readonly chosen: string | null;
  readonly onChoose: (module: string | null) => void;
  /** Before a run: buds without strength. */
  readonly preview: boolean;
  /** Branches stand at once where they are to stand, without frames in between. */
  readonly still: boolean;
}

function useWidth(): [(element: HTMLElement | null) => (() => void) | undefined, number] {
  const [width, setWidth] = useState(0);
  const observe = (element: HTMLElement | null): (() => void) | undefined => {
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.floor(entry.contentRect.width));
    });
    observer.observe(element);
    return () => observer.disconnect();
  };
  const [stable] = useState(() => observe);
  return [stable, width];
}

/** What the picture of these modules has to hold. */
function shapeOf(modules: readonly ModuleView[]) {
  const names = modules.map(({ module }) => moduleName(module));
  return {
    names,
    linears: [...new Map(names.map(({ linear, words }) => [linear, words]))],
    blocks: Math.max(0, ...names.map(({ block }) => block)) + 1,
    branches: Math.max(1, ...modules.map((module) => module.branches.length)),
    latestDrop: Math.max(
      -1,
      ...modules.flatMap((module) => module.branches.map(({ droppedAt }) => droppedAt ?? -1)),
    ),
  };
}

/** Whether the modules that are shown now stand there at once: to a moment of the run, and back from it. */
function useLeap(modules: readonly ModuleView[], still: boolean): boolean {
  const [last, setLast] = useState({ modules, still, isLeap: still });
  const isSame = last.modules === modules;
  if (isSame && last.still === still) return last.isLeap;
  const next = { modules, still, isLeap: still || (!isSame && last.still) };
  setLast(next);
  return next.isLeap;
}

function Tree({ modules, jumps, strongest, chosen, onChoose, preview, still }: BranchTreeProps) {
  const [observe, width] = useWidth();
  const picture = useRef<SVGSVGElement>(null);
  const { names, linears, blocks, branches, latestDrop } = useMemo(() => shapeOf(modules), [modules]);
  const isLeap = useLeap(modules, still);
  const columns = linears.length;
  const layout = useMemo(
    () => treeLayout({ blocks, linears: columns, branches, width }),
    [blocks, columns, branches, width],
  );
  const ground = layout.top + blocks * layout.rowHeight;
  const everyBlock = layout.rowHeight >= 15 ? 1 : 2;
  const focusable = chosen ?? modules[0]?.module ?? null;

  const limbsOf = (module: string): SVGGElement | null | undefined =>
    picture.current?.querySelector<SVGGElement>(`[data-module="${CSS.escape(module)}"]`);

  // Where the pointer chooses, a focus that is in the picture follows.
  useEffect(() => {
    const focused = document.activeElement;
    if (chosen === null || focused === null || picture.current?.contains(focused) !== true) return;
    if (focused.getAttribute('data-module') !== chosen) limbsOf(chosen)?.focus();
  }, [chosen]);

  function onKey(event: KeyboardEvent): void {
    const moves = new Map([
      ['ArrowUp', [1, 0]],
      ['ArrowDown', [-1, 0]],
      ['ArrowRight', [0, 1]],
      ['ArrowLeft', [0, -1]],
    ]);
    const [up = 0, right = 0] = moves.get(event.key) ?? [];
    const here = names[modules.findIndex(({ module }) => module === focusable)];
    if (here === undefined || (up === 0 && right === 0)) return;
    event.preventDefault();
    const column = linears.findIndex(([linear]) => linear === here.linear) + right;
    const next = `blocks.${here.block + up}.${linears[column]?.[0] ?? ''}`;
    // The focus tells what is chosen; it goes there while the page is laid out, which it needs.
    limbsOf(next)?.focus();
  }

  return (
    <div className={styles.tree} ref={observe} data-still={isLeap}>
      {width > 0 && (
        <svg
          ref={picture}
          width={layout.width}
          height={layout.height}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          role="group"
          aria-label="Branch map. Arrow keys move from layer to layer."
          onKeyDown={onKey}
          onPointerLeave={() => onChoose(null)}
        >
          {Array.from({ length: blocks }, (_, block) => {
            const { y } = modulePlace(layout, blocks, block, 0);
            return (
              <g key={block}>
                <line className={styles.rowLine} x1="34" x2={layout.width} y1={y + 5} y2={y + 5} />
                {block % everyBlock === 0 && (
                  <text className={styles.blockNumber} x="26" y={y - layout.rowHeight / 2 + 9}>
                    {block}
                  </text>
                )}
              </g>
            );
          })}
          <text className={styles.axisWord} x="0" y={ground + 26}>
            Block
          </text>
          {linears.map(([linear, words], column) => {
            const { x } = modulePlace(layout, blocks, 0, column);
            return (
              <g key={linear}>
                <path
                  className={styles.trunk}
                  d={`M${x - 6} ${ground + 4}C${x - 3} ${ground - 14} ${x - 2.6} ${ground - 30} ${x - 1.6} ${layout.top - 8}H${x + 1.6}C${x + 2.6} ${ground - 30} ${x + 3} ${ground - 14} ${x + 6} ${ground + 4}z`}
                />
                <text className={styles.linear} x={x} y={ground + 26}>
                  {layout.cellWidth > 80 ? words : linear}
                </text>
              </g>
            );
          })}
          <line className={styles.ground} x1="34" x2={layout.width} y1={ground + 4} y2={ground + 4} />
          {modules.map((module, i) => {
            const { block = 0, linear = '' } = names[i] ?? {};
            const column = linears.findIndex(([name]) => name === linear);
            return (
              <ModuleLimbs
                key={module.module}
                module={module}
                layout={layout}
                place={modulePlace(layout, blocks, block, column)}
                strongest={strongest}
                latestDrop={latestDrop}
                jumps={jumps}
                chosen={module.module === chosen}
                focusable={module.module === focusable}
                preview={preview}
                onChoose={onChoose}
              />
            );
          })}
        </svg>
      )}
    </div>
  );
}

/** Drawn anew only when something in it changed. */
export const BranchTree = memo(Tree);
