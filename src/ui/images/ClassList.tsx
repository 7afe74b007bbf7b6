// Every class with its count and a few of its images. Long lists start short; thumbnails are asked for as
// classes are shown. Names are the user's text: never markup, isolated in their direction.
import { useEffect, useMemo, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import type { DataSummary } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { wholeText } from '../parts/words.ts';
import styles from './ImagesCard.module.css';

const few = 8;
const thumbnailsPerClass = 4;

function Thumb({ url }: { readonly url: string | undefined }) {
  return url === undefined ? (
    <i className={styles.thumb} />
  ) : (
    <img className={styles.thumb} src={url} alt="" />
  );
}

export function ClassList({ data }: { readonly data: DataSummary }) {
  const [all, setAll] = useState(data.classes.length <= few + 2);
  const thumbnails = useData((state) => state.thumbnails);
  const trainer = useTrainer();
  const shown = useMemo(() => (all ? data.classes : data.classes.slice(0, few)), [all, data]);
  useEffect(() => {
    void trainer.loadThumbnails(shown.flatMap(({ samples }) => samples.slice(0, thumbnailsPerClass)));
  }, [trainer, shown]);
  return (
    <div>
      <ul className={styles.classes} aria-label="Classes">
        {shown.map(({ name, counts, samples }) => {
          const total = counts.train + counts.validation + counts.test;
          return (
            <li key={name} className={styles.class}>
              <bdi className={styles.className} title={plainText(name, 500)}>
                {plainText(name, 80)}
              </bdi>
              <span className={styles.thumbs}>
                {samples.slice(0, thumbnailsPerClass).map((image) => (
                  <Thumb key={image} url={thumbnails.get(image)} />
                ))}
              </span>
              <span
                className={styles.count}
                title={`${counts.train} to learn from, ${counts.validation} to validate, ${counts.test} to test`}
              >
                {wholeText(total)}
              </span>
            </li>
          );
        })}
      </ul>
      {data.classes.length > shown.length && (
        <Button variant="quiet" onClick={() => setAll(true)}>
          Show all {wholeText(data.classes.length)} classes
        </Button>
      )}
    </div>
  );
}
