// Images of the run as small pictures with what was answered: the first few, and more when asked for.
import { useEffect, useMemo, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import { Button } from '../parts/Button.tsx';
import { percentText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { className, type Seen } from './seen.ts';
import styles from './Understand.module.css';

const atOnce = 24;

interface ImageGridProps {
  readonly seen: Seen;
  /** Rows of the answers. */
  readonly rows: readonly number[];
  readonly label: string;
  /** What was answered before, where that is of interest. */
  readonly before?: Seen;
  /** Images at first. */
  readonly first?: number;
  /** Where an image can be chosen, by its row; the row that is. */
  readonly onChoose?: (row: number) => void;
  readonly chosen?: number | null;
}

export function ImageGrid(props: ImageGridProps) {
  const { seen, rows, label, before, first = atOnce, onChoose, chosen } = props;
  const [most, setMost] = useState(first);
  const trainer = useTrainer();
  const { images } = seen.answers;
  const shown = useMemo(() => rows.slice(0, most), [rows, most]);
  useEffect(() => {
    void trainer.loadRunThumbnails(shown.flatMap((row) => images[row] ?? []));
  }, [trainer, shown, images]);
  return (
    <>
      <ul className={styles.grid} aria-label={label}>
        {shown.map((row) => (
          <ImageItem key={row} {...{ seen, row, before, onChoose }} isChosen={row === chosen} />
        ))}
      </ul>
      {rows.length > most && (
        <div>
          <Button variant="quiet" onClick={() => setMost(most + 4 * atOnce)}>
            Show more of {wholeText(rows.length)}
          </Button>
        </div>
      )}
    </>
  );
}

interface ImageItemProps {
  readonly seen: Seen;
  readonly row: number;
  readonly before: Seen | undefined;
  readonly onChoose: ImageGridProps['onChoose'];
  readonly isChosen: boolean;
}

function ImageItem({ seen, row, before, onChoose, isChosen }: ImageItemProps) {
  const { answers, given } = seen;
  const image = answers.images[row] ?? -1;
  const url = useUnderstanding((state) => state.thumbnails.get(image));
  const path = plainText(answers.paths[row] ?? '', 200);
  const label = answers.labels[row] ?? 0;
  const answer = given.answer[row] ?? 0;
  const picture =
    url == null ? (
      <span className={styles.picture} role="img" aria-label={url === null ? `${path}, no picture` : path} />
    ) : (
      <img className={styles.picture} src={url} alt={path} title={path} />
    );
  return (
    <li className={styles.item} data-testid="answered-image" data-image={answers.paths[row]}>
      {onChoose === undefined ? (
        picture
      ) : (
        <button type="button" className={styles.choose} aria-pressed={isChosen} onClick={() => onChoose(row)}>
          {picture}
          <span className={styles.question}>Where did it look?</span>
        </button>
      )}
      <span className={styles.caption}>
        <bdi>{className(seen, label)}</bdi> {percentText(given.own[row] ?? 0, 0)}
        {answer !== label && (
          <span className={styles.wrong}>
            answered <bdi>{className(seen, answer)}</bdi> {percentText(given.confidence[row] ?? 0, 0)}
          </span>
        )}
        {answer !== label && <bdi className={styles.file}>{path.slice(path.lastIndexOf('/') + 1)}</bdi>}
        {before !== undefined && (
          <span className={styles.before}>
            before: <bdi>{className(before, before.given.answer[row] ?? 0)}</bdi>{' '}
            {percentText(before.given.confidence[row] ?? 0, 0)}
          </span>
        )}
      </span>
    </li>
  );
}
