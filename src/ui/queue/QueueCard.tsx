// Several runs for one question: how good a model of this recipe is, when there are few images. Offers to
// check it by folds and says what that takes, shows how far it is, and what came out. Loaded behind the rest.
import { useEffect, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { isActive } from '../../state/controls.ts';
import { splitSize, useData } from '../../state/data-store.ts';
import { useForecast } from '../../state/forecast-store.ts';
import { nextItem, useQueue, type Queue, type QueueItem } from '../../state/queue-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun } from '../../state/run-store.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { aboutText, countText, durationText, percentText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { FoldsResult } from './FoldsResult.tsx';
import styles from './Queue.module.css';

/** Fewer validation images than these leave an accuracy open by more than ten points or so. */
const fewToValidate = 100;
const offered = [3, 5, 10] as const;

export default function QueueCard() {
  const queue = useQueue((state) => state.queue);
  return (
    <Card title="Check it by folds" id="folds" aside="several runs, each image validated once">
      {queue === null ? <Offer /> : <Progress queue={queue} />}
    </Card>
  );
}

function Offer() {
  const [folds, setFolds] = useState(5);
  const held = useData(({ data }) => (data === null ? 0 : splitSize(data, 'validation')));
  const dealt = useData(({ data }) =>
    data === null ? 0 : splitSize(data, 'train') + splitSize(data, 'validation'),
  );
  const seconds = useForecast(({ forecast }) => (forecast?.kind === 'known' ? forecast.seconds : null));
  const isLimited = useRecipe(({ recipe }) => recipe !== null && recipe.split.trainPerClass !== null);
  const trainer = useTrainer();
  const { start } = useControls();
  return (
    <>
      <p>
        {held > 0 && held < fewToValidate
          ? `One run is validated on ${countText(held, 'image')}: few, so its accuracy says little. `
          : 'One split may be lucky or unlucky. '}
        Here your images are dealt into {folds} parts, and {folds} models are trained, each without one of
        them. {dealt > 0 && !isLimited ? `So all ${wholeText(dealt)} images are` : 'So every image is'}{' '}
        answered once, by a model that has not learned from it. What is kept for a test stays apart.
      </p>
      <div className={styles.actions}>
        <label className={styles.count}>
          <span>Folds</span>
          <select value={folds} onChange={({ currentTarget }) => setFolds(Number(currentTarget.value))}>
            {offered.map((count) => (
              <option key={count}>{count}</option>
            ))}
          </select>
        </label>
        <Button icon="play" held={!start} onClick={() => void trainer.checkByFolds(folds)}>
          Check it by {folds} folds
        </Button>
        {seconds !== null && (
          <span className={styles.soft} data-testid="folds-forecast">
            {`takes about ${aboutText(folds * seconds)}, ${folds} times as long as one run`}
          </span>
        )}
      </div>
    </>
  );
}

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

function Progress({ queue }: { readonly queue: Queue }) {
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
      {done > 0 && <FoldsResult queue={queue} />}
    </>
  );
}
