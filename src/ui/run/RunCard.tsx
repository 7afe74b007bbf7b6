// The run: what it will take, how far it is, and the small numbers.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useRun } from '../../state/run-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import { accuracyWords } from '../../understand/interval.ts';
import { useControls } from '../use-controls.ts';
import { useMayEndEarly } from '../use-length.ts';
import { DeviceNotice } from '../bar/DeviceBadge.tsx';
import { Card } from '../parts/Card.tsx';
import { Stats } from '../parts/Stats.tsx';
import { durationText, countOfText, recallText, wholeText } from '../parts/words.ts';
import { Forecast } from './Forecast.tsx';
import { NotifyWhenDone } from './NotifyWhenDone.tsx';
import { memorySentence } from './memory-sentence.ts';
import { recoveredSentence } from '../bar/status-sentence.ts';
import { Timeline } from './Timeline.tsx';
import styles from './RunCard.module.css';

function Numbers() {
  const speed = useRun((state) => state.speed);
  const validation = useRun(({ result, evaluations }) => (result ?? evaluations.at(-1))?.validation);
  const areLearned = useRun(({ result }) => result?.learnedValidation);
  const images = useRun(({ result, summary }) => (result ?? summary)?.validationImages);
  const ended = useRun((state) => state.phase.kind === 'finished' || state.phase.kind === 'failed');
  const atMost = useMayEndEarly() ? 'at most' : 'about';
  if (speed === null && validation === undefined) return null;
  const left = speed?.secondsLeft ?? null;
  return (
    <Stats
      stats={[
        ...(ended
          ? []
          : [
              {
                name: 'Time left',
                value: left === null ? 'estimating' : `${atMost} ${durationText(left)}`,
                testId: 'time-left',
              },
            ]),
        {
          name: 'Validation',
          value:
            validation === undefined || images === undefined
              ? '–'
              : `${accuracyWords(validation.accuracy, images, undefined, areLearned)}${recallText(validation)}`,
        },
        { name: 'Images a second', value: speed === null ? '–' : countOfText(speed.imagesPerSecond) },
        { name: 'A step', value: speed === null ? '–' : durationText(speed.secondsPerStep) },
        {
          name: 'Memory peak',
          value: speed === null ? '–' : bytesInWords(speed.memory.peakBufferBytes),
          testId: 'memory-peak',
        },
      ]}
    />
  );
}

/** How far the run is safe, whatever happens to the page. */
function Saved() {
  const saved = useSavedRuns((state) => state.saved);
  if (saved === null) return null;
  return (
    <p className={styles.soft} data-testid="saved" data-run={saved.id} data-step={saved.step}>
      Saved on this machine at step {wholeText(saved.step)}: it goes on from there after a reload or a crash.
    </p>
  );
}

export function RunCard() {
  const plan = useRun((state) => state.summary?.memoryPlan ?? null);
  const recovered = useRun((state) => state.recovered);
  const { edit } = useControls();
  return (
    <Card title="Run" className={styles.card}>
      <DeviceNotice />
      {edit && <Forecast />}
      <Timeline />
      {plan !== null && (
        <p className={styles.soft} data-testid="memory-plan">
          {memorySentence(plan)}
        </p>
      )}
      {recovered !== null && (
        <p className={styles.soft} data-testid="recovered">
          {recoveredSentence(recovered)}
        </p>
      )}
      <Saved />
      <div className={styles.numbers}>
        <Numbers />
        <NotifyWhenDone />
      </div>
    </Card>
  );
}
