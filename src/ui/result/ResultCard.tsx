// The end of a run: what it gained on images it has not learned from, and the way out as ordinary model
// files.
import { keptSentence, validationSentence } from '../../shared/kept-sentence.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import { useRun } from '../../state/run-store.ts';
import { accuracyWords, shareWords } from '../../understand/interval.ts';
import type { Metrics } from '../../worker/protocol.ts';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { Stats } from '../parts/Stats.tsx';
import { countText, durationText, lossText, percentText, signedText, wholeText } from '../parts/words.ts';
import { addressOf } from '../place.ts';
import styles from './ResultCard.module.css';

interface BarProps {
  readonly name: string;
  readonly metrics: Metrics;
  readonly variant: string | undefined;
}

function Track({ share, variant }: { readonly share: number; readonly variant: string | undefined }) {
  return (
    <svg className={styles.barTrack} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect className={styles.barBack} width="100" height="10" />
      <rect className={variant} width={100 * share} height="10" />
    </svg>
  );
}

function Bar({ name, metrics, variant }: BarProps) {
  return (
    <div className={styles.bar}>
      <span className={styles.barName}>{name}</span>
      <Track share={metrics.accuracy} variant={variant} />
      <strong className={styles.barValue}>{percentText(metrics.accuracy)}</strong>
      <span className={styles.soft}>loss {lossText(metrics.loss)}</span>
    </div>
  );
}

/** The bars of accuracy; of a run that counts all classes alike those of the mean recall too, which decided. */
function Bars({ bars }: { readonly bars: readonly BarProps[] }) {
  const recalls = bars.flatMap(({ name, metrics: { recall }, variant }) =>
    recall === undefined ? [] : [{ name, recall, variant }],
  );
  return (
    <>
      {recalls.length > 0 && <h3 className={styles.measure}>Images right</h3>}
      <div className={styles.bars}>
        {bars.map((bar) => (
          <Bar key={bar.name} {...bar} />
        ))}
      </div>
      {recalls.length > 0 && (
        <>
          <h3 className={styles.measure}>Mean recall of the classes, which decided</h3>
          <div className={styles.bars} data-testid="recall-bars">
            {recalls.map(({ name, recall, variant }) => (
              <div key={name} className={styles.bar}>
                <span className={styles.barName}>{name}</span>
                <Track share={recall} variant={variant} />
                <strong className={styles.barValue}>{percentText(recall)}</strong>
              </div>
            ))}
          </div>
        </>
      )}
    </>
  );
}

export function ResultCard() {
  const result = useRun((state) => state.result);
  const finished = useRun((state) => state.phase.kind === 'finished');
  const images = useRun((state) => state.images);
  const open = useData((state) => state.data?.title ?? null);
  const began = useRun((state) => state.summary?.images ?? null);
  const edits = useData((state) => state.data?.edits ?? null);
  const isEdited =
    began !== null && edits !== null && edits.set === began.set && edits.version !== began.version;
  if (!finished || result === null) return null;
  const { initialValidation, probe, validation, test, testImages, keptStep, diverged } = result;
  const { share, interval } = shareWords(validation.accuracy, result.validationImages);
  const gain = 100 * (validation.accuracy - initialValidation.accuracy);
  return (
    <Card
      title="Result"
      aside={
        <>
          <bdi>{plainText(result.model, 80)}</bdi>
          {images !== null && (
            <>
              {' on '}
              <bdi>{plainText(images, 80)}</bdi>
            </>
          )}
        </>
      }
      className={styles.card}
    >
      {images !== null && open !== null && open !== images && (
        <p className={styles.soft} data-testid="other-images">
          This is about <bdi>{plainText(images, 80)}</bdi>; <bdi>{plainText(open, 80)}</bdi> was opened since.
        </p>
      )}
      {isEdited && (
        <p className={styles.soft} data-testid="edited-since">
          Images have been edited since this run began: it is about them as they were.
        </p>
      )}
      {diverged !== null && <FaultBox fault={diverged} />}
      <p className={styles.headline} data-testid="result" data-accuracy={validation.accuracy}>
        <strong>{share}</strong> validation images right
        {result.learnedValidation === true ? (
          <>
            . {validationSentence(result)}{' '}
            {probe === null ? 'The start' : 'The linear probe below, the model before it was tuned,'} had not
            learned them: only images of a test tell which of the two is better.
          </>
        ) : (
          <>
            : {interval} on others like them, at 95 % confidence. That is {signedText(gain, 1)} points against{' '}
            {probe === null
              ? 'the start'
              : 'a linear probe: the model before it was tuned, with a new last layer'}
            .
          </>
        )}
      </p>
      <Bars
        bars={[
          {
            name: probe === null ? 'Before' : 'Probe',
            metrics: initialValidation,
            variant: styles.before,
          },
          {
            name: keptStep === result.steps ? 'After' : 'Result',
            metrics: validation,
            variant: styles.after,
          },
          ...(test === null ? [] : [{ name: 'Test', metrics: test, variant: styles.test }]),
        ]}
      />
      {test !== null && (
        <p className={styles.soft}>
          {probe?.test != null && `Test with the linear probe: ${percentText(probe.test.accuracy)}. `}
          {accuracyWords(test.accuracy, testImages, 'test images')}. Neither training nor any choice has seen
          them; they were measured once.
        </p>
      )}
      {diverged === null && (
        <p data-testid="kept" data-step={keptStep}>
          {keptSentence(result)}
          {test === null &&
            keptStep > 0 &&
            result.keep !== 'last' &&
            ' These images chose it: on others expect a little less.'}
        </p>
      )}
      <Stats
        stats={[
          { name: 'Steps', value: wholeText(result.steps) },
          { name: 'Time', value: durationText(result.seconds) },
          { name: 'A step', value: durationText(result.secondsPerStep) },
          { name: 'Learned from', value: countText(result.trainImages, 'image') },
          { name: 'Ran on', value: `${result.backend}, ${result.adapter}` },
        ]}
      />
      <p className={styles.ways}>
        <a href={addressOf('understand', 'mistakes')}>See what it gets wrong</a>
        <a href={addressOf('understand', 'try')}>Try it on an image</a>
        <a href={addressOf('take-home')}>Take it home</a>
      </p>
    </Card>
  );
}
