// Where a module of the branch map is pointed at and walked to: its row of the trunk, with everything that is
// drawn there in words.
import { memo } from 'react';
import type { ModuleView } from '../../worker/protocol.ts';
import { cx } from '../parts/cx.ts';
import { lossChangeText, moduleText } from '../parts/words.ts';
import type { Place, TreeLayout } from './tree-geometry.ts';
import styles from './BranchCard.module.css';

interface ModuleSpotProps {
  readonly module: ModuleView;
  readonly layout: TreeLayout;
  readonly place: Place;
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  /** Before a run. */
  readonly preview: boolean;
  readonly chosen: boolean;
  readonly focusable: boolean;
  readonly onChoose: (module: string) => void;
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
  const { module, layout, place, chosen, focusable, onChoose } = props;
  return (
    <div
      className={cx(styles.spot, chosen && styles.chosen)}
      style={{
        left: place.x - layout.cellWidth / 2 + 2,
        top: place.y + 5 - layout.rowHeight,
        width: layout.cellWidth - 4,
        height: layout.rowHeight,
      }}
      role="img"
      aria-label={label(props)}
      tabIndex={focusable ? 0 : -1}
      data-module={module.module}
      onPointerEnter={() => onChoose(module.module)}
      onFocus={() => onChoose(module.module)}
    />
  );
}

/** Pointing and walking render only the spots that are left and reached. */
export const ModuleSpot = memo(Spot);
