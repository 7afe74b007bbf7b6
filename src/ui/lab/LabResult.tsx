// What the runs of a comparison say together: verdicts as sentences, a picture, means and paired differences, and all
// of it as files. The figures are those of `npm run ablate` (src/lab).
import { useMemo } from 'react';
import { analyse, type Analysis } from '../../lab/analysis.ts';
import { probeArm } from '../../lab/arms.ts';
import { pictureOf } from '../../lab/picture.ts';
import { pointsText, pText, rangeText, runRows, verdictSentence } from '../../lab/report.ts';
import type { TrialRecord } from '../../lab/trial-record.ts';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useQueue, type Queue } from '../../state/queue-store.ts';
import { trialOf } from '../../state/trial-of.ts';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import { durationText, percentText } from '../parts/words.ts';
import styles from './Lab.module.css';

export function LabResult({ queue }: { readonly queue: Queue }) {
  const figures = useQueue((state) => state.figures);
  const records = queue.items.flatMap((item): TrialRecord[] => {
    const known = item.state === 'done' ? figures.get(item.id) : undefined;
    const record = known === undefined ? null : trialOf(item, known);
    return record === null ? [] : [record];
  });
  const arms = [...new Set(queue.items.flatMap(({ trial }) => (trial === null ? [] : [trial.arm])))];
  if (records.length === 0) return null;
  const analysis = analyse(records, arms);
  return (
    <section className={styles.result} aria-labelledby="lab-result" data-testid="lab-result">
      <h3 id="lab-result" className={styles.subtitle}>
        What they say{records.length < queue.items.length ? ' so far' : ''}
      </h3>
      <ul className={styles.verdicts} data-testid="lab-verdicts">
        {analysis.comparisons.map((one) => (
          <li key={one.arm} data-verdict={one.all.verdict}>
            {verdictSentence(one, analysis.reference)}
          </li>
        ))}
      </ul>
      <p className={styles.soft}>
        {analysis.judge === 'test'
          ? 'Accuracies are of the images kept apart, asked once at the end of each run.'
          : 'No images were kept apart: validation images judge here, and chose the states that are the best ones, so accuracies flatter. Keep some apart in a folder “test”.'}{' '}
        Inconclusive is not “the same”: with few pairs only large differences are seen. These images are the
        same for all seeds, so the ranges are of other seeds and splits, not of other images.
      </p>
      <Picture analysis={analysis} />
      <Means analysis={analysis} />
      <Differences analysis={analysis} />
      <Files analysis={analysis} records={records} queue={queue} />
      {analysis.notes.map((note) => (
        <p key={note} className={styles.soft}>
          {note}
        </p>
      ))}
    </section>
  );
}

interface AnalysisProps {
  readonly analysis: Analysis;
}

const svgBlob = (svg: string): Blob => new Blob([svg], { type: 'image/svg+xml' });

function Picture({ analysis }: AnalysisProps) {
  const svg = useMemo(() => pictureOf(analysis), [analysis]);
  return svg === null ? null : (
    <div className={styles.picture} tabIndex={0} role="region" aria-label="Picture of the differences">
      <img
        src={`data:image/svg+xml,${encodeURIComponent(svg)}`}
        alt="Paired differences with their 95 % intervals; the table below has the figures"
      />
    </div>
  );
}

function Means({ analysis: { arms, cells } }: AnalysisProps) {
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="What each recipe reached">
      <table className={table.table} data-testid="lab-means">
        <thead>
          <tr>
            <th scope="col">Recipe</th>
            <th scope="col" className={table.number}>
              Runs
            </th>
            <th scope="col">Right, mean and 95 % range</th>
            <th scope="col" className={table.number}>
              A run took
            </th>
            <th scope="col" className={table.number}>
              Most memory
            </th>
            <th scope="col" className={table.number}>
              Diverged
            </th>
          </tr>
        </thead>
        <tbody>
          {arms.map((arm) => {
            const cell = cells.find((one) => one.arm === arm);
            if (cell === undefined) return null;
            const { runs, mean, interval, seconds, peakBytes, diverged } = cell;
            const [low, high] = interval;
            return (
              <tr key={arm}>
                <th scope="row">
                  <bdi>{arm}</bdi>
                </th>
                <td className={table.number}>{runs}</td>
                <td>
                  {percentText(mean)}
                  {Number.isFinite(low) && ` (${percentText(low)} to ${percentText(high)})`}
                </td>
                <td className={table.number}>{seconds === null ? '–' : durationText(seconds)}</td>
                <td className={table.number}>{peakBytes === null ? '–' : bytesInWords(peakBytes)}</td>
                <td className={table.number}>{arm === probeArm ? '–' : diverged}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Differences({ analysis: { comparisons, reference } }: AnalysisProps) {
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label={`Differences to ${reference}`}>
      <table className={table.table} data-testid="lab-differences">
        <thead>
          <tr>
            <th scope="col">Beside {reference}</th>
            <th scope="col" className={table.number}>
              Pairs
            </th>
            <th scope="col" className={table.number}>
              Points
            </th>
            <th scope="col">95 % range</th>
            <th scope="col">Better, equal, worse</th>
            <th scope="col" className={table.number}>
              p
            </th>
            <th scope="col" className={table.number}>
              p by Holm
            </th>
          </tr>
        </thead>
        <tbody>
          {comparisons.map(({ arm, all: { pairs, mean, interval, wins, ties, losses, test, holm } }) => (
            <tr key={arm}>
              <th scope="row">
                <bdi>{arm}</bdi>
              </th>
              <td className={table.number}>{pairs}</td>
              <td className={table.number}>{pairs === 0 ? '–' : pointsText(mean)}</td>
              <td>{rangeText(interval) ?? '–'}</td>
              <td>
                {wins}, {ties}, {losses}
              </td>
              <td className={table.number}>{pText(test?.p ?? null)}</td>
              <td className={table.number}>{pText(holm)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface FilesProps extends AnalysisProps {
  readonly records: readonly TrialRecord[];
  readonly queue: Queue;
}

function Files({ analysis, records, queue }: FilesProps) {
  function saveCsv(): void {
    const { fields, rows } = runRows(records);
    download(csvOf(fields, rows), 'comparison-runs.csv');
  }
  function saveJson(): void {
    const { model, images } = queue;
    const verdicts = analysis.comparisons.map((one) => verdictSentence(one, analysis.reference));
    const all = { model, images, verdicts, ...analysis, runs: records };
    download(
      new Blob([`${JSON.stringify(all, null, 2)}\n`], { type: 'application/json' }),
      'comparison.json',
    );
  }
  const svg = pictureOf(analysis);
  return (
    <div className={styles.actions}>
      <Button variant="quiet" icon="download" onClick={saveCsv}>
        Runs as CSV
      </Button>
      <Button variant="quiet" icon="download" onClick={saveJson}>
        All as JSON
      </Button>
      {svg !== null && (
        <Button
          variant="quiet"
          icon="download"
          onClick={() => download(svgBlob(svg), 'comparison-differences.svg')}
        >
          Picture as SVG
        </Button>
      )}
    </div>
  );
}
