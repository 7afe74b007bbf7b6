// What is known of the module that is pointed at; without one, how to read the picture.
import { useRun } from '../../state/run-store.ts';
import type { DropRecord, ModuleView } from '../../worker/protocol.ts';
import { moduleText, signedText } from '../parts/words.ts';
import styles from './BranchCard.module.css';

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
            <path className={styles.trunk} d="M18 22L20.5 0H24L26.5 22z" />
          </svg>
          the frozen weights
        </li>
      </ul>
      <p className={styles.soft}>Point at a layer, or walk with the arrow keys, to see its numbers.</p>
    </div>
  );
}

/** What the loss did when it was dropped, with all that dropped at that step. */
function jumpWords(drops: readonly DropRecord[], module: string, branch: number): string {
  const drop = drops.find((one) => one.module === module && one.branch === branch);
  return drop === undefined ? '' : `, loss ${signedText(drop.lossAfter - drop.lossBefore)}`;
}

export function BranchDetails({
  module,
  preview,
}: {
  readonly module: ModuleView | null;
  readonly preview: boolean;
}) {
  const drops = useRun((state) => state.drops);
  if (module === null) return <Key />;
  return (
    <div className={styles.details}>
      <h3>{moduleText(module.module)}</h3>
      <p className={styles.soft}>
        <code>{module.module}</code>
      </p>
      <p>
        Scalar <strong>{module.scalar.toFixed(3)}</strong>
      </p>
      <ul className={styles.branchList}>
        {module.branches.map(({ index, droppedAt, strength }) => (
          <li key={index}>
            <span>Branch {index}</span>
            <span className={droppedAt === null ? undefined : styles.gone}>
              {droppedAt === null
                ? preview
                  ? 'not yet grown'
                  : `strength ${strength.toPrecision(3)}`
                : `dropped at ${droppedAt}${jumpWords(drops, module.module, index)}`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
