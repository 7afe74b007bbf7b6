// What can be done with the run: the action that comes next (start, pause or resume: one button, so that the
// focus stays where it is), a single step (a new run too can begin with one), stop. Enabled by the phase alone.
// Starting over a finished run that was not saved asks first. Space pauses and resumes where no field or button
// has the focus.
import { useRef, type MouseEvent } from 'react';
import { isActive } from '../../state/controls.ts';
import { exportStore } from '../../state/export-store.ts';
import { runStore, useRun } from '../../state/run-store.ts';
import { isKept, savedRunsStore } from '../../state/saved-runs-store.ts';
import { Button } from '../parts/Button.tsx';
import { cx } from '../parts/cx.ts';
import dialog from '../parts/Dialog.module.css';
import { goTo } from '../place.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import styles from './Bar.module.css';
import { useSpaceKey } from './use-space-key.ts';

export function RunControls() {
  const { start, pause, resume, step, stop } = useControls();
  const trainer = useTrainer();
  const question = useRef<HTMLDialogElement>(null);
  const pending = useRun((state) => state.pending);
  const active = useRun(({ phase }) => isActive(phase));
  /** It waits, and its next action is to go on. */
  const waits = useRun(
    ({ phase }) => phase.kind === 'paused' || (phase.kind === 'failed' && phase.resumable),
  );
  const toggle = resume ? () => void trainer.resume() : () => void trainer.pause();
  useSpaceKey(pause || resume, toggle);

  const begin = (then: 'train' | 'step' = 'train'): void => {
    goTo('train');
    void trainer.start(then);
  };
  const askOrBegin = (): void => {
    const kept = isKept(savedRunsStore.getState());
    const unsaved = runStore.getState().phase.kind === 'finished' && !exportStore.getState().saved && !kept;
    if (unsaved) question.current?.showModal();
    else begin();
  };
  const next = waits
    ? ({ name: 'Resume', icon: 'play', can: resume } as const)
    : active || pending === 'start'
      ? ({ name: 'Pause', icon: 'pause', can: pause } as const)
      : ({ name: 'Start', icon: 'play', can: start } as const);
  // The second half of a double click on Start is no pause, and on Stop no second stop.
  const press = ({ detail }: MouseEvent): void => {
    if (detail > 1) return;
    if (next.name === 'Start') askOrBegin();
    else toggle();
  };
  const end = ({ detail }: MouseEvent): void => {
    if (pending !== 'stop' || detail < 2) void trainer.stop();
  };
  return (
    <div className={styles.controls} role="group" aria-label="Run controls">
      <Button
        variant="primary"
        icon={next.icon}
        held={!next.can}
        title={pause || resume ? 'Space does the same' : undefined}
        onClick={press}
      >
        {next.name}
      </Button>
      <Button
        icon="step"
        held={!step}
        title={step && start ? 'Starts, and waits after the first step' : undefined}
        onClick={() => (start ? begin('step') : void trainer.step())}
      >
        Step
      </Button>
      <Button icon="stop" held={!stop} onClick={end}>
        {stop && pending === 'stop' ? 'Stop now' : 'Stop'}
      </Button>
      <dialog ref={question} className={cx(dialog.dialog, dialog.question)} aria-labelledby="start-over">
        <h3 id="start-over">Start over?</h3>
        <p>The last run has not been saved. A new run replaces it.</p>
        <div className={dialog.answers}>
          <Button variant="primary" onClick={() => question.current?.close()}>
            Keep this one
          </Button>
          <Button
            onClick={() => {
              question.current?.close();
              begin();
            }}
          >
            Start a new run
          </Button>
        </div>
      </dialog>
    </div>
  );
}
