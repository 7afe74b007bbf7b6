// What is known of the module that is pointed at; without one, how to read the picture.
import { memo, useDeferredValue } from 'react';
import { useStore } from 'zustand';
import type { BranchView, ModuleView } from '../../worker/protocol.ts';
import { moduleText, percentText, lossChangeText } from '../parts/words.ts';
import { cx } from '../parts/cx.ts';
import styles from './BranchCard.module.css';
import type { Choice } from './ModuleSpot.tsx';
import { shareOf } from './tree-geometry.ts';

interface Props {
  readonly modules: readonly ModuleView[];
  readonly choice: Choice;
  /** What the loss did at each drop, by its step: with all that dropped then. */
  readonly jumps: ReadonlyMap<number, number>;
  readonly preview: boolean;
}

function Key() {
  return (
    <div className={styles.details}>
      <h3>How to read it</h3>
      <ul className={styles.key}>
        <li>
          <svg width="46" height="22" aria-hidden="true">
            <path className={styles.limb} d="M2 18C14 17 26 14 36 8" strokeWidth="3.4" />
            <circle className={styles.leaf} cx="37" cy="7.5" r="5" />
          </svg>
          a branch that grows
        </li>
        <li>
          <svg width="46" height="22" aria-hidden="true">
            <path className={styles.stub} d="M2 14L13 11" />
            <path className={styles.cut} d="M12 7L15 15" />
            <text className={styles.stubStep} x="20" y="15">
              62
            </text>
          </svg>
          dropped, at which step
        </li>
        <li>
          <svg width="46" height="22" aria-hidden="true">
            <path className={styles.stub} d="M2 14L13 11" />
            <path className={cx(styles.cut, styles.harm)} d="M12 7L15 15" />
            <text className={cx(styles.stubStep, styles.harm)} x="20" y="15">
              62
            </text>
          </svg>
          dropped, and the loss rose
        </li>
        <li>
          <svg width="46" height="22" aria-hidden="true">
            <path className={styles.trunk} d="M18 22L20.5 0H24L26.5 22z" />
          </svg>
          the frozen weights
        </li>
      </ul>
      <p className={styles.soft}>Point at a layer, or walk with the arrow keys, to see its numbers.</p>
    </div>
  );
}

/** What is said of one of its branches, and whether it did harm. */
function branchWords(
  module: ModuleView,
  branch: BranchView,
  jumps: Props['jumps'],
  preview: boolean,
): { readonly words: string; readonly harm: boolean } {
  const { droppedAt, strength } = branch;
  if (preview) return { words: 'not yet grown', harm: false };
  if (droppedAt === null)
    return {
      words: `strength ${strength.toPrecision(3)}, ${percentText(shareOf(module, branch), 0)}`,
      harm: false,
    };
  const jump = jumps.get(droppedAt);
  return {
    words: `dropped at ${droppedAt}${jump === undefined ? '' : `, loss ${lossChangeText(jump)}`}`,
    harm: jump !== undefined && jump > 0,
  };
}

function Details({ modules, choice, jumps, preview }: Props) {
  // The picture answers a hand first.
  const told = useDeferredValue(useStore(choice, (chosen) => chosen));
  const module = modules.find((one) => one.module === told);
  if (module === undefined) return <Key />;
  return (
    <div className={styles.details}>
      <h3>{moduleText(module.module)}</h3>
      <p className={styles.soft}>
        <code>{module.module}</code>
      </p>
      <p>
        Scalar <strong>{module.scalar.toFixed(3)}</strong>
        {module.rank !== undefined && (
          <>
            , effective rank <strong>{module.rank.toFixed(1)}</strong>
          </>
        )}
      </p>
      <ul className={styles.branchList}>
        {module.branches.map((branch) => {
          const { words, harm } = branchWords(module, branch, jumps, preview);
          return (
            <li key={branch.index}>
              <span>Branch {branch.index}</span>
              <span className={harm ? styles.gone : undefined}>{words}</span>
            </li>
          );
        })}
      </ul>
      {!preview && <p className={styles.soft}>In percent: its share of what the layer’s branches add.</p>}
    </div>
  );
}

export const BranchDetails = memo(Details);
