// Start, pause or resume, single step, stop: enabled by the phase alone. Starting over a finished run that
// was not saved asks first. Space pauses and resumes where no field or button has the focus.
import { useRef, type MouseEvent } from 'react';
import { exportStore } from '../../state/export-store.ts';
import { runStore, useRun } from '../../state/run-store.ts';
import { isKept, savedRunsStore } from '../../state/saved-runs-store.ts';
import { useControls } from '../use-controls.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import styles from './RunCard.module.css';
import { useSpaceKey } from './use-space-key.ts';

export function RunControls() {
  const { start, pause, resume, step, stop } = useControls();
  const trainer = useTrainer();
  const question = useRef<HTMLDialogElement>(null);
  const pending = useRun((state) => state.pending);
  // The second half of a double click is no second stop.
  const end = ({ detail }: MouseEvent): void => {
    if (pending !== 'stop' || detail < 2) void trainer.stop();
  };
  const toggle = resume ? () => void trainer.resume() : () => void trainer.pause();
  useSpaceKey(pause || resume, toggle);

  const begin = (): void => {
    const { phase } = runStore.getState();
    const kept = isKept(savedRunsStore.getState());
    const unsaved = phase.kind === 'finished' && !exportStore.getState().saved && !kept;
    const resumable = phase.kind === 'failed' && phase.resumable;
    if (unsaved || resumable) question.current?.showModal();
    else void trainer.start();
  };
  return (
    <div className={styles.controls} role="group" aria-label="Run controls">
      <Button variant="primary" icon="play" disabled={!start} onClick={begin}>
        Start
      </Button>
      <Button icon={resume ? 'play' : 'pause'} disabled={!pause && !resume} onClick={toggle}>
        {resume ? 'Resume' : 'Pause'}
      </Button>
      <Button icon="step" disabled={!step} onClick={() => void trainer.step()}>
        Step
      </Button>
      <Button icon="stop" disabled={!stop} onClick={end}>
        {stop && pending === 'stop' ? 'Stop now' : 'Stop'}
      </Button>
      {(pause || resume) && (
        <span className={styles.hint}>
          <kbd>Space</kbd> {resume ? 'resumes' : 'pauses'}
        </span>
      )}
      <dialog ref={question} className={styles.dialog} aria-labelledby="start-over">
        <h3 id="start-over">Start over?</h3>
        <p>The last run has not been saved. A new run replaces it.</p>
        <div className={styles.dialogActions}>
          <Button
            variant="primary"
            onClick={() => {
              question.current?.close();
              void trainer.start();
            }}
          >
            Start a new run
          </Button>
          <Button onClick={() => question.current?.close()}>Keep this one</Button>
        </div>
      </dialog>
    </div>
  );
}
