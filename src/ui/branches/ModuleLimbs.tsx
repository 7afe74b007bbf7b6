// The branches of one module: living ones as long as they are strong and as thick as their share of the
// layer's update, dropped ones as a cut stub with the step and what the loss did. A branch that has just been
// dropped falls, unless less motion is wanted.
import { memo, useEffect, useRef, useState } from 'react';
import type { BranchView, ModuleView } from '../../worker/protocol.ts';
import { cx } from '../parts/cx.ts';
import { moduleText, signedText, lossChangeText } from '../parts/words.ts';
import {
  branchPlace,
  growth,
  limbPath,
  shareOf,
  thickness,
  type Place,
  type TreeLayout,
} from './tree-geometry.ts';
import styles from './BranchCard.module.css';

interface LimbProps {
  readonly branch: BranchView;
  readonly layout: TreeLayout;
  readonly strongest: number;
  /** Of the layer's update, from 0 to 1. */
  readonly share: number;
  readonly latestDrop: number;
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  readonly preview: boolean;
}

/** A change that is drawn out, in pixels: for half a second such a branch is a layer of its own in the browser. */
const seenToGrow = 3;

interface LivingProps extends Omit<LimbProps, 'latestDrop' | 'jumps'> {
  /** Given for a branch that has just been dropped: it falls, and this is called when it has. */
  readonly onFallen?: () => void;
}

function Living({ branch, layout, strongest, share, preview, onFallen }: LivingProps) {
  const grown = useRef<SVGGElement>(null);
  // Buds differ a little, by nothing but their number, so that the plan looks alive.
  const length = preview ? 0.42 + 0.04 * ((branch.index * 5 + 2) % 4) : growth(branch.strength, strongest);
  useEffect(() => {
    const limb = grown.current;
    if (limb === null) return;
    const change = Math.abs(length - Number(limb.style.getPropertyValue('--grown')));
    limb.toggleAttribute('data-grows', change * layout.reach >= seenToGrow);
    limb.style.setProperty('--grown', length.toFixed(3));
  }, [length, layout]);
  return (
    <g
      ref={grown}
      className={cx(styles.grown, onFallen !== undefined && styles.falling)}
      onAnimationEnd={onFallen}
    >
      <path
        className={cx(styles.limb, preview && styles.bud)}
        d={limbPath(layout)}
        strokeWidth={preview ? 1.3 + 3 * length : thickness(share)}
        vectorEffect="non-scaling-stroke"
      />
      <circle
        className={cx(styles.leaf, preview && styles.budLeaf)}
        cx={layout.reach}
        cy={-layout.rise}
        r={Math.min(6.5, layout.reach * 0.16)}
      />
    </g>
  );
}

function Limb({ branch, layout, strongest, share, latestDrop, jumps, preview }: LimbProps) {
  const { y, side } = branchPlace(layout, branch.index);
  const dropped = branch.droppedAt;
  const [fallen, setFallen] = useState(false);
  const labelled = layout.reach >= 34 && layout.levelGap >= 10.5;
  const told = dropped === null ? undefined : jumps.get(dropped);
  const jump = told === undefined || Math.abs(told) < leastJump ? undefined : told;
  const harm = jump !== undefined && jump > 0;
  return (
    <>
      <g transform={`translate(0 ${y}) scale(${side} 1)`}>
        {dropped === null ? (
          <Living branch={branch} layout={layout} strongest={strongest} share={share} preview={preview} />
        ) : (
          <>
            {dropped === latestDrop && !fallen && (
              <Living
                branch={branch}
                layout={layout}
                strongest={strongest}
                share={share}
                preview={false}
                onFallen={() => setFallen(true)}
              />
            )}
            <path className={styles.stub} d="M0 0L9 -2" />
            <path className={cx(styles.cut, harm && styles.harm)} d="M8 -5.5L10.4 1.5" />
          </>
        )}
      </g>
      {dropped !== null && labelled && (
        <text
          className={cx(styles.stubStep, harm && styles.harm)}
          x={side * 14}
          y={y + 1.5}
          textAnchor={side === 1 ? 'start' : 'end'}
        >
          {layout.reach >= roomForJump && jump !== undefined ? `${dropped} ${signedText(jump, 2)}` : dropped}
        </text>
      )}
    </>
  );
}

/** A jump of the loss that two digits show; a smaller one has neither figure nor colour. */
const leastJump = 0.005;

/** Pixels in which a step and a loss can stand. */
const roomForJump = 78;

interface ModuleLimbsProps extends Omit<LimbProps, 'branch' | 'share'> {
  readonly module: ModuleView;
  readonly place: Place;
  readonly chosen: boolean;
  readonly focusable: boolean;
  readonly onChoose: (module: string) => void;
}

function Limbs({ module, place, chosen, focusable, onChoose, ...rest }: ModuleLimbsProps) {
  const { layout, preview, jumps } = rest;
  const live = module.branches.filter(({ droppedAt }) => droppedAt === null).length;
  const gone = module.branches.flatMap(({ index, droppedAt }) => {
    if (droppedAt === null) return [];
    const jump = jumps.get(droppedAt);
    const loss = jump === undefined ? '' : ` with the loss ${lossChangeText(jump)}`;
    return [`branch ${index} dropped at step ${droppedAt}${loss}`];
  });
  const label = [
    moduleText(module.module),
    `${live} of ${module.branches.length} branches ${preview ? 'planned' : 'growing'}`,
    ...gone,
    `scalar ${module.scalar.toFixed(3)}`,
  ].join(', ');
  return (
    <g
      transform={`translate(${place.x} ${place.y})`}
      className={cx(styles.module, chosen && styles.chosen)}
      role="img"
      aria-label={label}
      tabIndex={focusable ? 0 : -1}
      data-module={module.module}
      onPointerEnter={() => onChoose(module.module)}
      onFocus={() => onChoose(module.module)}
    >
      <rect
        className={styles.hit}
        x={-layout.cellWidth / 2 + 2}
        y={5 - layout.rowHeight}
        width={layout.cellWidth - 4}
        height={layout.rowHeight}
        rx="6"
      />
      {module.branches.map((branch) => (
        <Limb key={branch.index} branch={branch} share={shareOf(module, branch)} {...rest} />
      ))}
    </g>
  );
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

const facts = (props: ModuleLimbsProps): readonly unknown[] => [
  props.layout,
  props.place.x,
  props.place.y,
  props.strongest,
  props.latestDrop,
  props.jumps,
  props.chosen,
  props.focusable,
  props.preview,
  props.onChoose,
  props.module,
];

/** Drawn anew only when something of this module changed: a large map has a thousand branches. */
export const ModuleLimbs = memo(Limbs, (before, after) => same(facts(before), facts(after)));
