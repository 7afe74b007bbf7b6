// Whether it is as often right as it says: the reliability diagram, its error beside what chance makes of it,
// and the temperature that fits the validation images best.
import { useEffect, useMemo, useState } from 'react';
import { useRun } from '../../state/run-store.ts';
import { answersOf } from '../../understand/answers.ts';
import { calibrationOf, type Calibration } from '../../understand/calibration.ts';
import { intervalWords } from '../../understand/interval.ts';
import { Stats } from '../parts/Stats.tsx';
import { Switch } from '../parts/Switch.tsx';
import table from '../parts/Table.module.css';
import { lossText, percentText, wholeText } from '../parts/words.ts';
import { addressOf } from '../place.ts';
import { useTrainer } from '../trainer-context.ts';
import type { Seen } from './seen.ts';
import styles from './Understand.module.css';
import { useTemperature } from './use-temperature.ts';

export function CalibrationView({ seen }: { readonly seen: Seen }) {
  const [shown, setShown] = useState<'plain' | 'tempered'>('plain');
  const isLearned = useRun(({ result }) => result?.learnedValidation === true);
  const { asked, given, answers } = seen;
  const fitted = useTemperature();
  const plain = useMemo(() => calibrationOf(asked, given), [asked, given]);
  const byChance = useChanceError(given.confidence);
  const tempered = useMemo(
    () => (fitted?.atLimit !== null ? null : calibrationOf(asked, answersOf(asked, fitted.temperature))),
    [asked, fitted],
  );
  const isTempered = shown === 'tempered' && tempered !== null;
  return (
    <div className={styles.calibration}>
      <Diagram calibration={isTempered ? tempered : plain} />
      <div className={styles.part}>
        <p className={styles.soft}>
          Answers by how sure they were, and how many of them were right. On the line it is as often right as
          it says; below it, it is too sure.
        </p>
        <Stats
          stats={[
            {
              name: 'Calibration error (ECE)',
              value: `${percentText(plain.error)}${byChance === null ? '' : `, by chance alone ${percentText(byChance)}`}`,
              testId: 'ece',
            },
            ...(fitted === null || tempered === null
              ? []
              : [
                  { name: 'Temperature', value: fitted.temperature.toFixed(2), testId: 'temperature' },
                  { name: 'Error with it', value: percentText(tempered.error), testId: 'ece-tempered' },
                  {
                    name: 'Validation loss with it',
                    value: `${lossText(fitted.before)} → ${lossText(fitted.after)}`,
                  },
                ]),
          ]}
        />
        {fitted === null ? (
          <p className={styles.soft}>
            {isLearned
              ? 'No temperature is fitted: the validation images were learned as well, and it is surer of them than of others.'
              : 'Look at the validation images too: they give the temperature.'}
          </p>
        ) : (
          <>
            <p className={styles.soft}>
              {temperatureWords(fitted)}
              {answers.set === 'validation' &&
                fitted.atLimit === null &&
                ' It was fitted on these very images: on others it helps a little less.'}
              {fitted.atLimit === null && (
                <>
                  {' '}
                  <a href={addressOf('take-home')}>Take home</a> can write it into the model.
                </>
              )}
            </p>
            {fitted.atLimit === null && (
              <div>
                <Switch
                  label="Probabilities of the diagram"
                  options={[
                    { value: 'plain', label: 'As it is' },
                    { value: 'tempered', label: 'With the temperature' },
                  ]}
                  value={shown}
                  onChange={setShown}
                />
              </div>
            )}
          </>
        )}
        <Bins calibration={isTempered ? tempered : plain} />
      </div>
    </div>
  );
}

/** Told by the worker: it draws thousands of answers. Null until it is there. */
function useChanceError(confidence: Float64Array): number | null {
  const trainer = useTrainer();
  const [told, setTold] = useState<{ readonly of: Float64Array; readonly error: number | null } | null>(null);
  useEffect(() => {
    let wanted = true;
    void trainer.chanceError(confidence).then((error) => {
      if (wanted) setTold({ of: confidence, error });
    });
    return () => {
      wanted = false;
    };
  }, [trainer, confidence]);
  return told?.of === confidence ? told.error : null;
}

function temperatureWords({
  temperature,
  atLimit,
}: {
  readonly temperature: number;
  readonly atLimit: 'coldest' | 'hottest' | null;
}): string {
  if (atLimit === 'coldest')
    return 'Without a clear mistake no answer can be too sure: these images are too few, or too easy, for a temperature.';
  if (atLimit === 'hottest') return 'Its sureness says nothing about whether it is right.';
  return `Logits divided by ${temperature.toFixed(2)} fit best: it is ${temperature > 1 ? 'surer than it should be' : 'less sure than it could be'}. Which class is answered does not change.`;
}

/** Units of the drawing a side, and the margin for the words. */
const [side, margin] = [260, 34];
const x = (share: number): number => margin + share * side;
const y = (share: number): number => 8 + (1 - share) * side;

function Diagram({ calibration: { bins, error } }: { readonly calibration: Calibration }) {
  const most = bins.reduce((a, { images }) => Math.max(a, images), 1);
  return (
    <svg
      className={styles.diagram}
      viewBox={`0 0 ${side + margin + 10} ${side + 46}`}
      role="img"
      aria-label={`Reliability diagram; calibration error ${percentText(error)}. The table beside it has its numbers.`}
      data-testid="reliability"
    >
      <rect className={styles.frame} x={x(0)} y={y(1)} width={side} height={side} />
      {bins.map(({ low, high, images, accuracy, interval, confidence }) =>
        images === 0 ? null : (
          <g key={low}>
            <rect
              className={accuracy < confidence ? styles.below : styles.above}
              x={x(low) + 1}
              y={y(accuracy)}
              width={side * (high - low) - 2}
              height={side * accuracy}
              opacity={0.35 + (0.65 * images) / most}
            />
            <line
              className={styles.whisker}
              x1={x((low + high) / 2)}
              x2={x((low + high) / 2)}
              y1={y(interval[0])}
              y2={y(interval[1])}
            />
          </g>
        ),
      )}
      <line className={styles.diagonal} x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
      {[0, 0.5, 1].map((share) => (
        <g key={share} className={styles.tick}>
          <text
            x={x(share)}
            y={y(0) + 15}
            textAnchor={share === 0 ? 'start' : share === 1 ? 'end' : 'middle'}
          >
            {100 * share}
          </text>
          <text x={x(0) - 5} y={y(share) + (share === 1 ? 9 : share === 0 ? 0 : 4)} textAnchor="end">
            {100 * share}
          </text>
        </g>
      ))}
      <text className={styles.tick} x={x(0.5)} y={y(0) + 32} textAnchor="middle">
        how sure it was, %
      </text>
      <text
        className={styles.tick}
        transform={`rotate(-90 9 ${y(0.5)})`}
        x={9}
        y={y(0.5)}
        textAnchor="middle"
      >
        right, %
      </text>
    </svg>
  );
}

function Bins({ calibration: { bins } }: { readonly calibration: Calibration }) {
  return (
    <details className={styles.more}>
      <summary>The diagram as a table</summary>
      <div className={table.scroll} tabIndex={0} role="region" aria-label="The diagram as a table">
        <table className={table.table}>
          <thead>
            <tr>
              <th scope="col">How sure</th>
              {['Images', 'Mean', 'Right', 'Between'].map((name) => (
                <th key={name} scope="col" className={table.number}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {bins
              .filter(({ images }) => images > 0)
              .map(({ low, high, images, confidence, accuracy, interval }) => (
                <tr key={low}>
                  <th scope="row">{intervalWords([low, high])}</th>
                  <td className={table.number}>{wholeText(images)}</td>
                  <td className={table.number}>{percentText(confidence)}</td>
                  <td className={table.number}>{percentText(accuracy)}</td>
                  <td className={table.number}>{intervalWords(interval)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
