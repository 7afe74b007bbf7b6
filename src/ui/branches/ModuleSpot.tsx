// Where a module of the branch map is pointed at and walked to: its row of the trunk, with everything that is
// drawn there in words.
import { memo } from 'react';
import { useStore } from 'zustand';
import type { StoreApi } from 'zustand/vanilla';
import type { ModuleView } from '../../worker/protocol.ts';
import { cx } from '../parts/cx.ts';
import { lossChangeText, moduleText } from '../parts/words.ts';
import type { Place, TreeLayout } from './tree-geometry.ts';
import styles from './BranchCard.module.css';

/**
 * The layer that is pointed at or walked to, by its module's name. A store, so that a step of the hand renders the two
 * spots that are left and reached and nothing around them.
 */
export type Choice = StoreApi<string | null>;

interface ModuleSpotProps {
  readonly module: ModuleView;
  readonly layout: TreeLayout;
  readonly place: Place;
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  /** Before a run. */
  readonly preview: boolean;
  readonly choice: Choice;
  /** Where the Tab key leads while none is chosen. */
  readonly isFirst: boolean;
}

function label({ module, jumps, preview }: ModuleSpotProps): string {
  const live = module.branches.filter(({ droppedAt }) => droppedAt === null).length;
  const gone = module.branches.flatMap(({ index, droppedAt }) => {
    if (droppedAt === null) return [];
    const jump = jumps.get(droppedAt);
    const loss = jump === undefined ? '' : ` with the loss ${lossChangeText(jump)}`;
    return [`branch ${index} dropped at step ${droppedAt}${loss}`];
  });
  return [
    moduleText(module.module),
    `${live} of ${module.branches.length} branches ${preview ? 'planned' : 'growing'}`,
    ...gone,
    `scalar ${module.scalar.toFixed(3)}`,
  ].join(', ');
}

function Spot(props: ModuleSpotProps) {
  const { module, layout, place, choice, isFirst } = props;
  const isChosen = useStore(choice, (chosen) => chosen === module.module);
  const isFocusable = useStore(choice, (chosen) => (chosen === null ? isFirst : chosen === module.module));
  const choose = (): void => choice.setState(module.module);
  return (
    <div
      className={cx(styles.spot, isChosen && styles.chosen)}
      style={{
        left: place.x - layout.cellWidth / 2 + 2,
        top: place.y + 5 - layout.rowHeight,
        width: layout.cellWidth - 4,
        height: layout.rowHeight,
      }}
      role="img"
      aria-label={label(props)}
      tabIndex={isFocusable ? 0 : -1}
      data-module={module.module}
      onPointerEnter={choose}
      onFocus={choose}
    />
  );
}

export const ModuleSpot = memo(Spot);
