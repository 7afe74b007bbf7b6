// How far a long command is, in words and as a bar; a moving bar where it cannot be counted.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useDevice } from '../../state/device-store.ts';
import styles from './ProgressLine.module.css';
import { wholeText } from './words.ts';

export function ProgressLine({ fallback }: { readonly fallback: string }) {
  const progress = useDevice((state) => state.progress);
  const what = progress?.what ?? fallback;
  const text = progress?.unit === 'bytes' ? bytesInWords : wholeText;
  const counted = progress !== null && progress.total > 0;
  return (
    <div className={styles.line}>
      <span role="status">{what}…</span>
      {counted && progress.total > 1 && (
        <span className={styles.count}>
          {text(progress.done)} of {text(progress.total)}
        </span>
      )}
      {counted ? (
        <progress className={styles.bar} aria-label={what} value={progress.done} max={progress.total} />
      ) : (
        <progress className={styles.bar} aria-label={what} />
      )}
    </div>
  );
}
