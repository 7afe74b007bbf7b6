// The run: its controls, how far it is, and the small numbers. The fault of a run stands here too.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useRun } from '../../state/run-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import { accuracyWords } from '../../understand/interval.ts';
import { useControls } from '../use-controls.ts';
import { useMayEndEarly } from '../use-length.ts';
import { useOpenFiles } from '../use-open-files.ts';
import { DeviceNotice } from '../header/DeviceBadge.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { Stats } from '../parts/Stats.tsx';
import { durationText, countOfText, wholeText } from '../parts/words.ts';
import { Forecast } from './Forecast.tsx';
import { NotifyWhenDone } from './NotifyWhenDone.tsx';
import { OtherTab } from './OtherTab.tsx';
import { RunControls } from './RunControls.tsx';
import { memorySentence } from './memory-sentence.ts';
import { phaseWords, recoveredSentence, statusSentence } from './status-sentence.ts';
import { Timeline } from './Timeline.tsx';
import styles from './RunCard.module.css';

function PhaseChip() {
  const phase = useRun((state) => state.phase);
  const diverged = useRun((state) => state.diverging !== null);
  return (
    <span
      className={styles.phase}
      data-testid="phase"
      data-phase={phase.kind}
      data-stage={'stage' in phase ? phase.stage : undefined}
      data-diverged={diverged || undefined}
    >
      {phaseWords[phase.kind]}
      {'stage' in phase ? `, stage ${phase.stage}` : ''}
      {diverged && phase.kind === 'finished' && ', diverged'}
    </span>
  );
}

function Numbers() {
  const speed = useRun((state) => state.speed);
  const validation = useRun(({ result, evaluations }) => (result ?? evaluations.at(-1))?.validation);
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
              : accuracyWords(validation.accuracy, images),
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

/** How far the run is safe, whatever happens to the page; and why it is not. */
function Saved() {
  const saved = useSavedRuns((state) => state.saved);
  const notSaved = useSavedRuns((state) => state.notSaved);
  return (
    <>
      {saved !== null && (
        <p className={styles.soft} data-testid="saved" data-run={saved.id} data-step={saved.step}>
          Saved on this machine at step {wholeText(saved.step)}: it goes on from there after a reload or a
          crash.
        </p>
      )}
      {notSaved !== null && (
        <div data-testid="not-saved">
          <p>The run goes on, but it cannot be saved now:</p>
          <FaultBox fault={notSaved} />
        </div>
      )}
    </>
  );
}

export function RunCard() {
  const phase = useRun((state) => state.phase);
  const pending = useRun((state) => state.pending);
  const summary = useRun((state) => state.summary);
  const plan = useRun((state) => state.summary?.memoryPlan ?? null);
  const drops = useRun((state) => state.drops);
  const fault = useRun((state) => state.fault);
  const diverging = useRun((state) => state.diverging);
  const recovered = useRun((state) => state.recovered);
  const { whyNotStart, edit } = useControls();
  const { openMoved } = useOpenFiles();
  return (
    <Card title="Run" aside={<PhaseChip />} className={styles.card}>
      <RunControls />
      <DeviceNotice />
      <OtherTab />
      {edit && <Forecast />}
      <Timeline />
      <p className={styles.status} role="status" aria-live="polite" data-testid="status">
        {statusSentence({ phase, pending, summary, drops, diverging, whyNotStart })}
      </p>
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
      {/* After the end the result says it, with what was kept. */}
      {diverging !== null && phase.kind !== 'finished' && <FaultBox fault={diverging} />}
      {fault !== null && (
        <FaultBox fault={fault}>
          {fault.kind === 'images-changed' && (
            <FilePick folder label="Open the folder again" testId="pick-moved-folder" onFiles={openMoved} />
          )}
        </FaultBox>
      )}
      <Numbers />
      <NotifyWhenDone />
    </Card>
  );
}
