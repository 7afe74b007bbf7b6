// Precision, recall and F1 of every class, each with its interval.
import type { Measured } from '../../understand/confusion.ts';
import { intervalWords } from '../../understand/interval.ts';
import { percentText, wholeText } from '../parts/words.ts';
import table from '../parts/Table.module.css';
import { className, type Seen } from './seen.ts';
import styles from './Understand.module.css';

function Figure({ name, figure: { value, interval } }: { readonly name: string; readonly figure: Measured }) {
  return (
    <td className={table.number} data-figure={name} data-value={value ?? ''}>
      {value === null ? (
        <span className={styles.soft}>none</span>
      ) : (
        <>
          {percentText(value)} <span className={styles.soft}>{intervalWords(interval)}</span>
        </>
      )}
    </td>
  );
}

export function ClassesView({ seen }: { readonly seen: Seen }) {
  return (
    <>
      <p className={styles.soft}>
        Recall: of the images of a class, those that were answered so. Precision: of the answers of a class,
        those that were right. F1: the harmonic mean of both. Beside each, between what it may lie
        (95&nbsp;%).
      </p>
      <div className={table.scroll} tabIndex={0} role="region" aria-label="Figures of each class">
        <table className={table.table} data-testid="class-figures">
          <thead>
            <tr>
              <th scope="col">Class</th>
              {['Images', 'Recall', 'Precision', 'F1'].map((name) => (
                <th key={name} scope="col" className={table.number}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {seen.figures.map(({ images, recall, precision, f1 }, id) => (
              <tr key={id} data-class={seen.answers.classes[id]}>
                <th scope="row" className={styles.named}>
                  <bdi>{className(seen, id)}</bdi>
                </th>
                <td className={table.number}>{wholeText(images)}</td>
                <Figure name="recall" figure={recall} />
                <Figure name="precision" figure={precision} />
                <Figure name="f1" figure={f1} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
