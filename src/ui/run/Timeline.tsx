// The run as one bar: what is done, where branches drop, where stage 2 begins; with steps and epochs in
// words.
import { useRun } from '../../state/run-store.ts';
import { useLength, useMayEndEarly } from '../use-length.ts';
import { aboutText, epochsText, wholeText } from '../parts/words.ts';
import styles from './RunCard.module.css';

export function Timeline() {
  const phase = useRun((state) => state.phase);
  const summary = useRun((state) => state.summary);
  const preview = useLength();
  const mayEnd = useMayEndEarly();
  const steps = summary?.steps ?? preview?.steps ?? 0;
  const stepsPerEpoch = summary?.stepsPerEpoch ?? preview?.stepsPerEpoch ?? 1;
  if (phase.kind === 'preparing')
    return (
      <div className={styles.timeline}>
        <progress
          className={styles.preparing}
          aria-label="Preparing"
          data-testid="preparing"
          {...(phase.share === undefined ? {} : { value: phase.share, max: 1 })}
        />
        <p className={styles.counts}>
          <span>{phase.total > 1 && `${wholeText(phase.done)} of ${wholeText(phase.total)}`}</span>
          <span className={styles.soft}>
            {phase.secondsLeft != null && `about ${aboutText(phase.secondsLeft)} until the first step`}
          </span>
        </p>
      </div>
    );
  const done = 'step' in phase ? phase.step : 0;
  if (steps === 0) return null;
  const scale = 1000 / steps;
  const stage2 = summary?.stage2Step ?? steps;
  const firstPart = Math.min(done, stage2);
  return (
    <div className={styles.timeline}>
      <div className={styles.counts}>
        <span>
          Step{' '}
          <strong data-testid="step" data-step={done} data-steps={steps}>
            {wholeText(done)}
          </strong>{' '}
          of {mayEnd && 'at most '}
          {wholeText(steps)}
        </span>
        <span className={styles.soft}>
          epoch {epochsText(done, stepsPerEpoch)} of {mayEnd && 'at most '}
          {epochsText(steps, stepsPerEpoch)}
        </span>
      </div>
      <div
        role="progressbar"
        aria-label="Steps done"
        aria-valuemin={0}
        aria-valuemax={steps}
        aria-valuenow={done}
      >
        <svg className={styles.track} viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true">
          <rect className={styles.trackBack} x="0" y="6" width="1000" height="8" />
          {stage2 < steps && (
            <rect
              className={styles.trackStage2}
              x={stage2 * scale}
              y="6"
              width={(steps - stage2) * scale}
              height="8"
            />
          )}
          <rect className={styles.trackDone} x="0" y="6" width={firstPart * scale} height="8" />
          {done > stage2 && (
            <rect
              className={styles.trackDone2}
              x={stage2 * scale}
              y="6"
              width={(done - stage2) * scale}
              height="8"
            />
          )}
          {[...new Set(summary?.dropSteps)].map((step) => (
            <line
              key={step}
              className={styles.trackDrop}
              vectorEffect="non-scaling-stroke"
              x1={step * scale}
              x2={step * scale}
              y1="1"
              y2="19"
            />
          ))}
        </svg>
      </div>
      {summary !== null && (
        <p className={styles.key}>
          {summary.dropSteps.length > 0 && (
            <span>
              <i className={styles.keyDrop} aria-hidden="true" /> branches drop
            </span>
          )}
          {stage2 < steps && (
            <span>
              <i className={styles.keyStage2} aria-hidden="true" /> stage 2: scalars learn
            </span>
          )}
        </p>
      )}
    </div>
  );
}
