// The data sets that come with the app, to choose from.
import { useData } from '../../state/data-store.ts';
import { useTrainer } from '../trainer-context.ts';
import { countText } from '../parts/words.ts';
import styles from './ImagesCard.module.css';

export function DataChoices({ disabled }: { readonly disabled: boolean }) {
  const bundled = useData((state) => state.bundled);
  const bundledId = useData((state) => state.bundledId);
  const chosen = bundled.find(({ id }) => id === bundledId);
  const trainer = useTrainer();
  if (bundled.length === 0) return null;
  return (
    <>
      <div className={styles.choices} role="group" aria-label="Images that come with Graft">
        {bundled.map((set) => (
          <button
            key={set.id}
            type="button"
            className={styles.choice}
            aria-pressed={set.id === bundledId}
            disabled={disabled}
            onClick={() => void trainer.openBundledData(set)}
          >
            <strong>{set.title}</strong>
            <span>
              {countText(set.classes.length, 'class', 'classes')},{' '}
              {countText(set.trainImages + set.testImages, 'image')}
            </span>
          </button>
        ))}
      </div>
      {chosen !== undefined && (
        <p className={styles.soft}>
          {chosen.description} {chosen.licence}.
        </p>
      )}
    </>
  );
}
