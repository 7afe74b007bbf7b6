// How far several runs are: each with its state, what begins or ends them, and below what they say together.
import { useEffect, type ReactNode } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { isActive } from '../../state/controls.ts';
import { nextItem, useQueue, type Queue, type QueueItem } from '../../state/queue-store.ts';
import { useRun } from '../../state/run-store.ts';
import { Button } from '../parts/Button.tsx';
import { durationText, percentText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import styles from './Queue.module.css';

function stateWords({ state, seconds, why }: QueueItem): string {
  switch (state) {
    case 'waiting':
      return 'waits';
    case 'going':
      return 'is under way';
    case 'done':
      return seconds === null ? 'done' : `done in ${durationText(seconds)}`;
    case 'stopped':
      return 'stopped, and not counted';
    case 'failed':
      return `failed: ${why ?? ''}`;
    default:
      return state satisfies never;
  }
}

interface ProgressProps {
  readonly queue: Queue;
  /** What its runs say together, from the first one on. */
  readonly children: ReactNode;
}

export function QueueProgress({ queue, children }: ProgressProps) {
  const going = useQueue((state) => state.going);
  const figures = useQueue((state) => state.figures);
  const trainer = useTrainer();
  const { start } = useControls();
  const active = useRun(({ phase }) => isActive(phase));
  const { items, images, model } = queue;
  const left = items.filter(({ state }) => state !== 'done').length;
  const done = items.length - left;
  useEffect(() => {
    if (!going && done > figures.size) void trainer.readQueue();
  }, [trainer, going, done, figures]);
  return (
    <>
      <p>
        <bdi>{plainText(images, 80)}</bdi> on <bdi>{plainText(model, 80)}</bdi>:{' '}
        {left === 0
          ? `all ${items.length} runs are done. `
          : `${done} of ${items.length} runs ${done === 1 ? 'is' : 'are'} done. `}
        Each is in the list of runs too, with its model.
      </p>
      <ol className={styles.items} data-testid="queue" data-going={going} data-done={done}>
        {items.map((item) => {
          const validation = figures.get(item.id)?.validation ?? null;
          return (
            <li key={item.id} data-state={item.state}>
              <span className={styles.label}>{item.label}</span>{' '}
              <span className={styles.soft}>
                {stateWords(item)}
                {validation !== null && `, ${percentText(validation.accuracy)} right`}
              </span>
            </li>
          );
        })}
      </ol>
      {!going && (
        <div className={styles.actions}>
          {left > 0 && (
            <Button
              variant="primary"
              icon="play"
              held={active || (!start && nextItem(queue)?.state !== 'going')}
              onClick={() => void trainer.continueQueue()}
            >
              {done === 0 ? 'Train them' : `Train the other ${left}`}
            </Button>
          )}
          <Button variant="quiet" onClick={() => trainer.leaveQueue()}>
            Put it away
          </Button>
        </div>
      )}
      {done > 0 && children}
    </>
  );
}
