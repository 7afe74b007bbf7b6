// What the model answers with the switches as they are: how many images are right, how that differs from the
// run, which images answer otherwise, one that is followed, and the confusion matrix.
import { useMemo, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useBranches } from '../../state/branch-store.ts';
import { probabilitiesOf, rowOf } from '../../understand/answers.ts';
import { shareWords } from '../../understand/interval.ts';
import { pairedChange } from '../../understand/paired.ts';
import { cx } from '../parts/cx.ts';
import table from '../parts/Table.module.css';
import { countText, percentText } from '../parts/words.ts';
import styles from './Branches.module.css';
import { changeWords, lossWords } from './change-words.ts';
import { ConfusionView } from './ConfusionView.tsx';
import { ImageGrid } from './ImageGrid.tsx';
import { className, seenOf, type Seen } from './seen.ts';
import shared from './Understand.module.css';

export function ImaginedView({ base }: { readonly base: Seen }) {
  const answer = useBranches((state) => state.answer);
  const isAsking = useBranches((state) => state.isAsking);
  const seen = useMemo(
    () => (answer === null ? base : seenOf({ ...base.answers, logits: answer.logits })),
    [answer, base],
  );
  const change = useMemo(() => pairedChange(base.asked, seen.asked), [base, seen]);
  const changed = useMemo(() => changedRows(base, seen), [base, seen]);
  const { images, right } = change;
  const { share, interval } = shareWords(seen.given.right / images, images);
  const own = shareWords(base.given.right / images, images);
  return (
    <div className={cx(shared.part, isAsking && styles.stale)}>
      <h3 className={shared.subtitle}>What it answers then</h3>
      <div
        role="status"
        className={shared.part}
        data-testid="imagined"
        data-right={seen.given.right}
        data-change={right}
        data-asking={isAsking}
      >
        <p>
          <strong>{share}</strong> validation images right: {interval}.
          {answer !== null && <span className={shared.soft}> The run: {own.share}.</span>}
        </p>
        {answer === null ? (
          <p className={shared.soft}>{isAsking ? 'Asking…' : 'This is the run as it is.'}</p>
        ) : (
          <p>
            {changeWords(change)}: {change.lost} lost, {change.gained} gained. Cross entropy{' '}
            {lossWords(change)}.
          </p>
        )}
      </div>
      {answer !== null && (
        <>
          <p className={shared.soft}>
            In brackets: between what the change may lie if the same were asked of more such images
            (95&nbsp;%). Cross entropy is low where the right class is thought likely.
          </p>
          <h4 className={styles.small}>{countText(changed.length, 'image')} with another answer</h4>
          {changed.length > 0 && (
            <ImageGrid seen={seen} rows={changed} before={base} label="Images with another answer" />
          )}
        </>
      )}
      <Followed base={base} seen={seen} />
      <details className={shared.more}>
        <summary>Confusion matrix with these switches</summary>
        <div className={shared.part}>
          <ConfusionView seen={seen} />
        </div>
      </details>
    </div>
  );
}

/** Images whose answer is another: first those that were right, then those that are. */
function changedRows({ given: before, asked: { labels } }: Seen, { given: after }: Seen): number[] {
  const rank = (i: number): number =>
    before.answer[i] === labels[i] ? 0 : after.answer[i] === labels[i] ? 1 : 2;
  return [...labels.keys()]
    .filter((i) => before.answer[i] !== after.answer[i])
    .sort((a, b) => rank(a) - rank(b) || a - b);
}

/** More are not in the list. */
const most = 1000;
const few = 4;

function Followed({ base, seen }: { readonly base: Seen; readonly seen: Seen }) {
  const [row, setRow] = useState(-1);
  const { paths } = base.answers;
  const was = row < 0 ? null : probabilitiesOf(rowOf(base.asked, row));
  const is = row < 0 ? null : probabilitiesOf(rowOf(seen.asked, row));
  const likely = (of: Float64Array): number[] =>
    [...of.keys()].sort((a, b) => (of[b] ?? 0) - (of[a] ?? 0) || a - b).slice(0, few);
  const ids = was === null || is === null ? [] : [...new Set([...likely(was), ...likely(is)])];
  return (
    <>
      <label className={styles.follow}>
        <span>Follow an image</span>
        <select value={row} onChange={({ target }) => setRow(Number(target.value))}>
          <option value={-1}>none</option>
          {paths.slice(0, most).map((path, i) => (
            <option key={path} value={i}>
              {plainText(path, 80)}
            </option>
          ))}
        </select>
      </label>
      {was !== null && is !== null && (
        <div className={table.scroll} tabIndex={0} role="region" aria-label="Classes of the followed image">
          <table className={table.table} data-testid="followed">
            <thead>
              <tr>
                <th scope="col">Class</th>
                <th scope="col" className={table.number}>
                  Run
                </th>
                <th scope="col" className={table.number}>
                  With these switches
                </th>
              </tr>
            </thead>
            <tbody>
              {ids.map((id) => (
                <tr key={id}>
                  <th scope="row" className={shared.named}>
                    <bdi>{className(seen, id)}</bdi>
                    {base.answers.labels[row] === id && ' (its own)'}
                  </th>
                  <td className={table.number}>{percentText(was[id] ?? 0)}</td>
                  <td className={table.number}>{percentText(is[id] ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
