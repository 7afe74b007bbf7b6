// How many images are prepared for the open model, and what of their pixels is kept on this machine.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useData, type DataState } from '../../state/data-store.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { countText, wholeText } from '../parts/words.ts';
import styles from './ImagesCard.module.css';

/** One line from the start, so that nothing moves when it fills. */
function preparedWords(pixels: DataState['pixels']): string {
  if (pixels === null) return 'Prepared when a run starts.';
  const { ready, failed, total } = pixels;
  const unread = failed === 0 ? '' : `, ${wholeText(failed)} cannot be read`;
  if (ready + failed < total)
    return `Preparing for this model: ${wholeText(ready)} of ${wholeText(total)}${unread}`;
  return `Prepared for this model: ${countText(ready, 'image')}${unread}`;
}

export function PreparedImages({ disabled }: { readonly disabled: boolean }) {
  const pixels = useData((state) => state.pixels);
  const storedBytes = useData((state) => state.storedBytes);
  const isFull = useData((state) => state.isStoreFull);
  const trainer = useTrainer();
  return (
    <>
      <p
        className={styles.soft}
        data-testid="prepared"
        data-ready={pixels?.ready ?? ''}
        data-total={pixels?.total ?? ''}
        data-decoded={pixels?.decoded ?? ''}
      >
        {preparedWords(pixels)}
      </p>
      {isFull && (
        <p className={styles.soft} data-testid="pixels-full">
          There is no room to keep more prepared images, since runs that are not finished need those that are
          kept: other images are decoded anew each time, and a run with them asks for its images after a
          reload. Finish or delete such runs to make room.
        </p>
      )}
      {storedBytes > 0 && (
        <details className={styles.more} data-testid="stored-pixels">
          <summary>On this machine: prepared images, {bytesInWords(storedBytes)}</summary>
          <p className={styles.soft}>
            Kept in this browser, so that no image is decoded twice. The oldest go first, but never those of
            runs that are not finished: without them such a run asks for its images.
          </p>
          <div className={styles.actions}>
            <Button variant="quiet" disabled={disabled} onClick={() => void trainer.deletePixels()}>
              Delete prepared images
            </Button>
          </div>
        </details>
      )}
    </>
  );
}
