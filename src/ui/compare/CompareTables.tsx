// The tables beside the curves: in what the runs differ, what each reached, and how each differs from one of them on
// the same images, first as sentences.
import type { ReactNode } from 'react';
import { pairOf, pairSentence, reachedBy, type Figure } from '../../state/compare-runs.ts';
import { chooseBase } from '../../state/compare-store.ts';
import { intervalWords, isSure, tellsNothing } from '../../understand/interval.ts';
import type { PairedChange } from '../../understand/paired.ts';
import { Button } from '../parts/Button.tsx';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import {
  durationText,
  lossText,
  percentText,
  signedText,
  lossChangeText,
  wholeText,
} from '../parts/words.ts';
import { lossInterval, rightInterval } from '../understand/change-words.ts';
import shared from '../understand/Understand.module.css';
import styles from './Compare.module.css';
import { differencesOf, pairsCsv, resultsCsv, settingsCsv, type PlacedRun } from './curve-data.ts';
import { letterOf } from './curves.ts';

interface RunsProps {
  readonly runs: readonly PlacedRun[];
}

interface PartProps {
  readonly id: string;
  readonly title: string;
  readonly csv: string;
  readonly onSave: () => void;
  readonly children: ReactNode;
}

function Part({ id, title, csv, onSave, children }: PartProps) {
  return (
    <section className={shared.part} aria-labelledby={id}>
      <div className={shared.bar}>
        <h3 id={id} className={shared.subtitle}>
          {title}
        </h3>
        <Button variant="quiet" icon="download" onClick={onSave}>
          {csv}
        </Button>
      </div>
      {children}
    </section>
  );
}

function Name({ run: { place, name } }: { readonly run: PlacedRun }) {
  return (
    <span className={styles.head} title={name}>
      {letterOf(place)} <bdi>{name}</bdi>
    </span>
  );
}

export function SettingsPart({ runs }: RunsProps) {
  const rows = differencesOf(runs);
  return (
    <Part
      id="settings-title"
      title="What differs"
      csv="Settings as CSV"
      onSave={() => download(settingsCsv(runs), 'runs-settings.csv')}
    >
      {rows.length === 0 ? (
        <p>Nothing: recipe, model, images and device are the same.</p>
      ) : (
        <div className={table.scroll} tabIndex={0} role="region" aria-label="What differs between the runs">
          <table className={table.table} data-testid="compare-settings">
            <thead>
              <tr>
                <th scope="col">Setting</th>
                {runs.map((run) => (
                  <th key={run.place} scope="col">
                    <Name run={run} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ what, values }) => (
                <tr key={what}>
                  <th scope="row">{what}</th>
                  {values.map((value, i) => (
                    <td key={i}>{value === null ? '–' : <bdi>{value}</bdi>}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Part>
  );
}

function shareCell(figure: Figure | null, isLearned = false): string {
  if (figure === null) return '–';
  const { value, interval } = figure;
  if (interval === null) return `${percentText(value)}${isLearned ? ' (learned)' : ''}`;
  return `${percentText(value)} (${intervalWords(interval)}${tellsNothing(interval) ? ', too few to tell' : ''})`;
}

function lossCell(figure: Figure | null): string {
  if (figure === null) return '–';
  const { value, interval } = figure;
  return interval === null
    ? lossText(value)
    : `${lossText(value)} (${lossText(Math.max(0, interval[0]))} to ${lossText(interval[1])})`;
}

export function ResultsPart({ runs }: RunsProps) {
  const reached = runs.map((run) => ({ run, ...reachedBy(run.figures) }));
  const byClass = reached.some(({ recall }) => recall !== null);
  const hasTest = reached.some(({ testRight }) => testRight !== null);
  return (
    <Part
      id="results-title"
      title="What each reached"
      csv="Results as CSV"
      onSave={() => download(resultsCsv(runs), 'runs-results.csv')}
    >
      <div className={table.scroll} tabIndex={0} role="region" aria-label="What each run reached">
        <table className={table.table} data-testid="compare-results">
          <thead>
            <tr>
              <th scope="col">Run</th>
              <th scope="col">Validation right</th>
              {byClass && <th scope="col">Mean recall</th>}
              <th scope="col">Validation loss</th>
              {hasTest && <th scope="col">Test right</th>}
              <th scope="col" className={table.number}>
                Steps
              </th>
              <th scope="col" className={table.number}>
                Kept
              </th>
              <th scope="col" className={table.number}>
                Time
              </th>
            </tr>
          </thead>
          <tbody>
            {reached.map(({ run, isLearned, right, recall, loss, testRight }) => (
              <tr key={run.place}>
                <th scope="row">
                  <Name run={run} />
                </th>
                <td>{shareCell(right, isLearned)}</td>
                {byClass && <td>{shareCell(recall, isLearned)}</td>}
                <td>{lossCell(loss)}</td>
                {hasTest && <td>{shareCell(testRight)}</td>}
                <td className={table.number}>{wholeText(run.figures.step)}</td>
                <td className={table.number}>{wholeText(run.figures.keptStep)}</td>
                <td className={table.number}>{durationText(run.figures.seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className={shared.soft}>
        In brackets: between what it may lie if it were asked of more such images (95&nbsp;%). Where the
        result is the best state, the validation images chose it: on others expect a little less.
        {reached.some(({ isLearned }) => isLearned) &&
          ' “Learned”: the run learned from its validation images as well, so they tell what it could hold, not what it knows.'}
      </p>
    </Part>
  );
}

export function PairsPart({ runs, base }: RunsProps & { readonly base: PlacedRun }) {
  const others = runs.filter((run) => run !== base);
  const pairs = others.map((run) => ({ run, pair: pairOf(base.figures, run.figures) }));
  const paired = pairs.flatMap(({ run, pair }) =>
    pair.kind === 'paired' ? [{ run, change: pair.change }] : [],
  );
  const letter = letterOf(base.place);
  return (
    <Part
      id="pairs-title"
      title="On the same images"
      csv="Differences as CSV"
      onSave={() => download(pairsCsv(base, others), 'runs-differences.csv')}
    >
      <label className={styles.base}>
        <span>Compared with</span>
        <select value={base.figures.id} onChange={({ currentTarget }) => chooseBase(currentTarget.value)}>
          {runs.map(({ place, name, figures }) => (
            <option key={place} value={figures.id}>
              {letterOf(place)} {name}
            </option>
          ))}
        </select>
      </label>
      <ul className={styles.sentences} data-testid="compare-sentences">
        {pairs.map(({ run: { place }, pair }) => (
          <li key={place}>
            {pair.kind === 'paired' ? (
              pairSentence(letter, letterOf(place), pair.change)
            ) : (
              <>
                {letter} and {letterOf(place)} have no paired difference. {pair.why}
              </>
            )}
          </li>
        ))}
      </ul>
      {paired.length > 0 && <PairTable letter={letter} paired={paired} />}
      {paired.length > 0 && runs.some(({ figures }) => reachedBy(figures).recall !== null) && (
        <p className={shared.soft}>
          Pairs count images. A run that counts all classes alike is judged by its mean recall, in the table
          below: it may be the better one there with fewer images right.
        </p>
      )}
      {paired.length > 1 && (
        <p className={shared.soft}>
          These are {paired.length} comparisons at once: of twenty between runs that are as good, one looks
          like a difference all the same.
        </p>
      )}
    </Part>
  );
}

interface PairTableProps {
  readonly letter: string;
  readonly paired: readonly { readonly run: PlacedRun; readonly change: PairedChange }[];
}

function PairTable({ letter, paired }: PairTableProps) {
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="Paired differences">
      <table className={table.table} data-testid="compare-pairs">
        <thead>
          <tr>
            <th scope="col">Against {letter}</th>
            {['Images right', 'Only it right', `Only ${letter} right`, 'Cross entropy'].map((label) => (
              <th key={label} scope="col" className={table.number}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {paired.map(({ run, change }) => (
            <tr key={run.place}>
              <th scope="row">
                <Name run={run} />
              </th>
              <td className={table.number}>
                {isSure(change.rightInterval) ? (
                  <strong>{signedText(change.right, 0)}</strong>
                ) : (
                  signedText(change.right, 0)
                )}{' '}
                <span className={shared.soft}>{rightInterval(change)}</span>
              </td>
              <td className={table.number}>{wholeText(change.gained)}</td>
              <td className={table.number}>{wholeText(change.lost)}</td>
              <td className={table.number}>
                {isSure(change.lossInterval) ? (
                  <strong>{lossChangeText(change.loss)}</strong>
                ) : (
                  lossChangeText(change.loss)
                )}{' '}
                <span className={shared.soft}>{lossInterval(change)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
