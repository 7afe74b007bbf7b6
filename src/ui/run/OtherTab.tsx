// The run of another tab, to be watched: which it is, how far, how well. Nothing without one.
import { plainText } from '../../shared/plain-text.ts';
import { useTabs } from '../../state/other-tabs.ts';
import { durationText, percentText, wholeText } from '../parts/words.ts';
import { phaseWords } from '../bar/status-sentence.ts';
import styles from './RunCard.module.css';

export function OtherTab() {
  const run = useTabs((state) => state.run);
  if (run === null) return null;
  const { model, images, phase, step, steps, accuracy, secondsLeft } = run;
  return (
    <div className={styles.other} data-testid="other-tab" data-phase={phase} data-step={step ?? undefined}>
      <p>
        <strong>Another tab is at work</strong>: <bdi>{plainText(model, 80)}</bdi> on{' '}
        <bdi>{plainText(images, 80)}</bdi>. {phaseWords[phase]}
        {step !== null && steps !== null && `, step ${wholeText(step)} of ${wholeText(steps)}`}
        {accuracy !== null && `, ${percentText(accuracy)} of the validation images right`}
        {secondsLeft !== null && `, about ${durationText(secondsLeft)} left`}.
      </p>
      <progress
        className={styles.preparing}
        aria-label="The other tab’s steps"
        {...(step !== null && steps !== null ? { value: step, max: steps } : {})}
      />
    </div>
  );
}
