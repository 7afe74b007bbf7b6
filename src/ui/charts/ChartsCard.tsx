// The curves of the run and how they are looked at: smoothing, logarithm, zoom, and the numbers as a file or
// a table.
import { setLogLoss, setRange, setSmoothing, useChart } from '../../state/chart-store.ts';
import { runCsv } from '../../state/run-csv.ts';
import { runStore, useRun } from '../../state/run-store.ts';
import { stepLog } from '../../state/step-log.ts';
import { intervalWords, shareInterval } from '../../understand/interval.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import { lossText, percentText } from '../parts/words.ts';
import { drawsDrops } from '../run/drawn-parts.ts';
import { charts } from './chart-spec.ts';
import styles from './Charts.module.css';
import { LineChart } from './LineChart.tsx';

function saveCsv(): void {
  download(new Blob([runCsv(stepLog, runStore.getState().evaluations)], { type: 'text/csv' }), 'run.csv');
}

function Settings({ empty }: { readonly empty: boolean }) {
  const smoothing = useChart((state) => state.smoothing);
  const logLoss = useChart((state) => state.logLoss);
  const zoomed = useChart((state) => state.range !== null);
  return (
    <div className={styles.settings}>
      <label className={styles.setting}>
        Smoothing
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing}
          onChange={({ currentTarget }) => setSmoothing(Number(currentTarget.value))}
        />
        <output className={styles.value}>{smoothing.toFixed(2)}</output>
      </label>
      <label className={styles.setting}>
        <input
          type="checkbox"
          checked={logLoss}
          onChange={({ currentTarget }) => setLogLoss(currentTarget.checked)}
        />
        Logarithmic loss
      </label>
      {zoomed && (
        <Button variant="quiet" onClick={() => setRange(null)}>
          Follow the run
        </Button>
      )}
      <Button variant="quiet" icon="download" disabled={empty} onClick={saveCsv}>
        CSV
      </Button>
    </div>
  );
}

function Evaluations() {
  const evaluations = useRun((state) => state.evaluations);
  const images = useRun((state) => state.summary?.validationImages ?? 0);
  const byClass = evaluations.some(({ validation }) => validation.recall !== undefined);
  if (evaluations.length === 0) return null;
  return (
    <details className={styles.more}>
      <summary>Validation as a table</summary>
      <div className={table.scroll} tabIndex={0} role="region" aria-label="Validation as a table">
        <table className={table.table}>
          <thead>
            <tr>
              <th scope="col">Epoch</th>
              <th scope="col" className={table.number}>
                Step
              </th>
              <th scope="col" className={table.number}>
                Loss
              </th>
              <th scope="col" className={table.number}>
                Accuracy
              </th>
              <th scope="col" className={table.number}>
                Between (95&nbsp;%)
              </th>
              {byClass && (
                <th scope="col" className={table.number}>
                  Mean recall
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {evaluations.map(({ step, epoch, validation }) => (
              <tr key={step}>
                <th scope="row">{Number(epoch.toFixed(2))}</th>
                <td className={table.number}>{step}</td>
                <td className={table.number}>{lossText(validation.loss)}</td>
                <td className={table.number}>{percentText(validation.accuracy)}</td>
                <td className={table.number}>{intervalWords(shareInterval(validation.accuracy, images))}</td>
                {byClass && <td className={table.number}>{percentText(validation.recall ?? NaN)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function ChartsCard() {
  const empty = useRun((state) => state.evaluations.length === 0 && state.speed === null);
  const byClass = useRun(({ evaluations }) => evaluations.at(-1)?.validation.recall !== undefined);
  const drops = useRun(drawsDrops);
  const staged = useRun(({ summary }) => summary !== null && summary.stage2Step < summary.steps);
  return (
    <Card title="Curves" aside={<Settings empty={empty} />}>
      {empty ? (
        <p className={styles.empty}>
          Loss, accuracy, learning rate and speed appear here with the first step. Drag over a chart to zoom,
          double-click to follow again.
        </p>
      ) : (
        <>
          <ul className={styles.legend} aria-hidden="true">
            <li>
              <i className={styles.train} /> training
            </li>
            <li>
              <i className={styles.validation} /> validation
            </li>
            {byClass && (
              <li>
                <i className={styles.deciding} /> validation, mean recall of the classes
              </li>
            )}
            {drops && (
              <li>
                <i className={styles.drop} /> branches drop
              </li>
            )}
            {staged && (
              <li>
                <i className={styles.stage2} /> stage 2
              </li>
            )}
          </ul>
          <div className={styles.grid}>
            {charts.map((spec) => (
              <LineChart key={spec.column} spec={spec} />
            ))}
          </div>
          <Evaluations />
        </>
      )}
    </Card>
  );
}
