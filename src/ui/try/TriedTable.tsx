// Several tried images as a table, and as CSV with the probability of every class.
import { useMemo } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { probabilitiesOf } from '../../understand/answers.ts';
import type { TriedImage } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import { countText, percentText } from '../parts/words.ts';
import styles from './Try.module.css';

interface TriedTableProps {
  readonly images: readonly TriedImage[];
  readonly classes: readonly string[];
  readonly temperature: number;
}

/** Rows that are drawn; the CSV has all. */
const most = 500;

export function TriedTable({ images, classes, temperature }: TriedTableProps) {
  const rows = useMemo(
    () =>
      images.map(({ path, logits, probe, why }) => ({
        path,
        why,
        tuned: logits === null ? null : probabilitiesOf(logits, temperature),
        probed: probe === null ? null : probabilitiesOf(probe),
      })),
    [images, temperature],
  );
  function save(): void {
    const fields = [
      'image',
      'answer',
      'confidence',
      'temperature',
      'probe answer',
      ...classes.map((name) => `p(${name})`),
      'why not',
    ];
    const data = rows.map(({ path, tuned, probed, why }) => [
      path,
      tuned === null ? '' : nameOf(classes, tuned),
      tuned === null ? '' : Math.max(...tuned),
      temperature,
      probed === null ? '' : nameOf(classes, probed),
      ...(tuned === null ? classes.map(() => '') : tuned),
      why ?? '',
    ]);
    download(csvOf(fields, data), 'tried-images.csv');
  }
  return (
    <>
      <div className={styles.actions}>
        <span className={styles.soft}>
          {countText(rows.length, 'image')}
          {rows.length > most && `, the first ${most} shown`}
        </span>
        <Button variant="quiet" icon="download" onClick={save}>
          Tried images as CSV
        </Button>
      </div>
      <div className={table.scroll} tabIndex={0} role="region" aria-label="Tried images">
        <table className={table.table} data-testid="tried-table">
          <thead>
            <tr>
              <th scope="col">Image</th>
              <th scope="col">Answer</th>
              <th scope="col" className={table.number}>
                How sure
              </th>
              <th scope="col">Linear probe</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, most).map(({ path, tuned, probed, why }, i) => (
              <tr key={`${i} ${path}`}>
                <th scope="row" className={styles.path}>
                  <bdi>{plainText(path, 120)}</bdi>
                </th>
                {tuned === null ? (
                  <td colSpan={3}>{why}</td>
                ) : (
                  <>
                    <td>
                      <bdi>{plainText(nameOf(classes, tuned), 80)}</bdi>
                    </td>
                    <td className={table.number}>{percentText(Math.max(...tuned))}</td>
                    <td>{probed === null ? 'none' : <bdi>{plainText(nameOf(classes, probed), 80)}</bdi>}</td>
                  </>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

const nameOf = (classes: readonly string[], probabilities: Float64Array): string =>
  classes[probabilities.indexOf(probabilities.reduce((a, b) => Math.max(a, b), 0))] ?? '';
