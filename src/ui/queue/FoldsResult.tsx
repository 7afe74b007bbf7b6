// What a check by folds came to: one accuracy of all images with its interval, what it is worth in words, each
// fold's own, and what was taken for what.
import { useQueue, type Queue } from '../../state/queue-store.ts';
import { countOf, mostConfused } from '../../understand/confusion.ts';
import { pooledFolds, type PooledFolds } from '../../understand/folds.ts';
import { accuracyWords, intervalWords, shareInterval } from '../../understand/interval.ts';
import type { RunFigures } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import { countText, percentText, wholeText } from '../parts/words.ts';
import styles from './Queue.module.css';

/** More classes make no table that is read. */
const mostClasses = 12;

export function FoldsResult({ queue }: { readonly queue: Queue }) {
  const figures = useQueue((state) => state.figures);
  const done = queue.items.flatMap((item) => {
    const known = item.state === 'done' ? figures.get(item.id) : undefined;
    return known === undefined ? [] : [known];
  });
  const [first] = done;
  const folds = done.flatMap(({ marks, recipe }) =>
    marks === null ? [] : [{ ...marks, fold: recipe.split.fold }],
  );
  if (first === undefined || folds.length === 0) return null;
  const { classes } = first.images;
  const pooled = pooledFolds(folds, classes.length);
  return (
    <section className={styles.result} aria-labelledby="folds-result" data-testid="folds-result">
      <h3 id="folds-result" className={styles.subtitle}>
        {accuracyWords(pooled.accuracy, pooled.of, 'images')}
      </h3>
      <Meaning pooled={pooled} of={queue.items.length} first={first} />
      <PerFold pooled={pooled} />
      <Confused pooled={pooled} classes={classes} />
    </section>
  );
}

interface MeaningProps {
  readonly pooled: PooledFolds;
  readonly of: number;
  readonly first: RunFigures;
}

function Meaning({ pooled, of, first }: MeaningProps) {
  const { counts } = first.images;
  const unasked = counts.train + counts.validation - pooled.of;
  const isWhole = pooled.folds.length === of;
  return (
    <>
      <p>
        {isWhole
          ? 'Each image was answered by the one model that had not learned from it.'
          : `So far, of ${pooled.folds.length} of ${of} folds: each image was answered by a model that had not learned from it.`}
        {isWhole &&
          unasked > 0 &&
          ` ${countText(unasked, 'image')} always trained: put there by hand, or all there is of a class.`}
        {counts.test > 0 && ` The ${countText(counts.test, 'test image')} stayed apart.`}
      </p>
      <p className={styles.soft}>
        The range holds the accuracy on such images in 19 of 20 cases if answers are independent. They are not
        wholly: folds share training images, so that the true range is a little wider. And each fold chose its
        best state by the images it is measured on: on others expect a little less.
      </p>
    </>
  );
}

function PerFold({ pooled: { folds } }: { readonly pooled: PooledFolds }) {
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="Each fold">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Fold</th>
            <th scope="col" className={table.number}>
              Right
            </th>
            <th scope="col" className={table.number}>
              Of
            </th>
            <th scope="col">Share</th>
          </tr>
        </thead>
        <tbody>
          {folds.map(({ fold, right, of }) => (
            <tr key={fold}>
              <th scope="row">{fold}</th>
              <td className={table.number}>{wholeText(right)}</td>
              <td className={table.number}>{wholeText(of)}</td>
              <td>
                {percentText(right / of)}{' '}
                <span className={styles.soft}>({intervalWords(shareInterval(right / of, of))})</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ConfusedProps {
  readonly pooled: PooledFolds;
  readonly classes: readonly string[];
}

function Confused({ pooled: { confusion }, classes }: ConfusedProps) {
  const shown = mostConfused(confusion, mostClasses);
  const all = classes.map((_, id) => id);
  const csv = (): Blob =>
    csvOf(
      ['is', ...classes],
      all.map((label) => [classes[label] ?? '', ...all.map((answer) => countOf(confusion, label, answer))]),
    );
  return (
    <>
      <div className={styles.actions}>
        <h4 className={styles.subtitle}>What was taken for what</h4>
        <Button variant="quiet" icon="download" onClick={() => download(csv(), 'folds-confusion.csv')}>
          Confusion as CSV
        </Button>
      </div>
      {shown.length < classes.length && (
        <p className={styles.soft}>
          The {shown.length} of {classes.length} classes with most mistakes.
        </p>
      )}
      <div className={table.scroll} tabIndex={0} role="region" aria-label="Confusion of all folds">
        <table className={table.table} data-testid="folds-confusion">
          <thead>
            <tr>
              <th scope="col">Is, below; taken for</th>
              {shown.map((id) => (
                <th key={id} scope="col" className={table.number}>
                  <bdi>{classes[id]}</bdi>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((label) => (
              <tr key={label}>
                <th scope="row">
                  <bdi>{classes[label]}</bdi>
                </th>
                {shown.map((answer) => (
                  <td key={answer} className={table.number}>
                    {label === answer ? (
                      <strong>{countOf(confusion, label, answer)}</strong>
                    ) : (
                      countOf(confusion, label, answer)
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
