// The picture of the branch map: a canvas with the trunks and branches, and over it a spot for each module,
// from one to the next of which the arrow keys walk.
import { memo, useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import type { ModuleView } from '../../worker/protocol.ts';
import { moduleName } from '../parts/words.ts';
import { ModuleSpot, type Choice } from './ModuleSpot.tsx';
import { TreeCanvas } from './TreeCanvas.tsx';
import type { TreeScene } from './tree-drawing.ts';
import { modulePlace, treeLayout } from './tree-geometry.ts';
import type { Motion } from './tree-motion.ts';
import styles from './BranchCard.module.css';

interface BranchTreeProps {
  readonly modules: readonly ModuleView[];
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  /** Strength of a branch of full length. */
  readonly strongest: number;
  readonly choice: Choice;
  /** Before a run: buds without strength. */
  readonly preview: boolean;
  readonly motion: Motion;
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
    linears: [...new Map(names.map(({ linear, words }) => [linear, words] as const))],
    blocks: Math.max(0, ...names.map(({ block }) => block)) + 1,
    branches: Math.max(1, ...modules.map((module) => module.branches.length)),
  };
}

function Tree({ modules, jumps, strongest, choice, preview, motion }: BranchTreeProps) {
  const [observe, width] = useWidth();
  const picture = useRef<HTMLDivElement>(null);
  const { names, linears, blocks, branches } = useMemo(() => shapeOf(modules), [modules]);
  const columns = linears.length;
  const layout = useMemo(
    () => treeLayout({ blocks, linears: columns, branches, width }),
    [blocks, columns, branches, width],
  );
  const scene = useMemo<TreeScene>(
    () => ({
      ...{ layout, blocks, linears, strongest, jumps, preview },
      modules: modules.map((view, i) => {
        const { block = 0, linear = '' } = names[i] ?? {};
        const column = linears.findIndex(([name]) => name === linear);
        return { view, place: modulePlace(layout, blocks, block, column) };
      }),
    }),
    [modules, names, layout, blocks, linears, strongest, jumps, preview],
  );
  const spotOf = (module: string): HTMLElement | null | undefined =>
    picture.current?.querySelector<HTMLElement>(`[data-module="${CSS.escape(module)}"]`);

  // What is no longer there is chosen no more: the first layer is where the Tab key leads then.
  useEffect(() => {
    if (!modules.some(({ module }) => module === choice.getState())) choice.setState(null);
  }, [modules, choice]);

  // Where the pointer chooses, a focus that is in the picture follows.
  useEffect(
    () =>
      choice.subscribe((chosen) => {
        const focused = document.activeElement;
        if (chosen === null || focused === null || picture.current?.contains(focused) !== true) return;
        if (focused.getAttribute('data-module') !== chosen) spotOf(chosen)?.focus();
      }),
    [choice],
  );

  function onKey(event: KeyboardEvent): void {
    const moves = new Map([
      ['ArrowUp', [1, 0]],
      ['ArrowDown', [-1, 0]],
      ['ArrowRight', [0, 1]],
      ['ArrowLeft', [0, -1]],
    ]);
    const [up = 0, right = 0] = moves.get(event.key) ?? [];
    const here =
      names[
        Math.max(
          0,
          modules.findIndex(({ module }) => module === choice.getState()),
        )
      ];
    if (here === undefined || (up === 0 && right === 0)) return;
    event.preventDefault();
    const column = linears.findIndex(([linear]) => linear === here.linear) + right;
    const next = `blocks.${here.block + up}.${linears[column]?.[0] ?? ''}`;
    // The focus tells what is chosen; it goes there while the page is laid out, which it needs.
    spotOf(next)?.focus();
  }

  return (
    <div className={styles.tree} ref={observe}>
      {width > 0 && (
        <div
          ref={picture}
          className={styles.map}
          style={{ width: layout.width, height: layout.height }}
          role="group"
          aria-label="Branch map. Arrow keys move from layer to layer."
          onKeyDown={onKey}
          onPointerLeave={() => choice.setState(null)}
        >
          {scene.modules.map(({ view, place }, i) => (
            <ModuleSpot
              key={view.module}
              {...{ module: view, layout, place, jumps, preview, choice, isFirst: i === 0 }}
            />
          ))}
          <TreeCanvas scene={scene} motion={motion} />
        </div>
      )}
    </div>
  );
}

/** Rendered anew only when something in it changed. */
export const BranchTree = memo(Tree);
