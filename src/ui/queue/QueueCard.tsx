// Several runs for one question: how good a model of this recipe is, when there are few images. Offers to
// check it by folds and says what that takes, shows how far it is, and what came out. Loaded behind the rest.
import { useState } from 'react';
import { splitSize, useData } from '../../state/data-store.ts';
import { useForecast } from '../../state/forecast-store.ts';
import { useQueue } from '../../state/queue-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { aboutText, countText, wholeText } from '../parts/words.ts';
import { addressOf } from '../place.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { FoldsResult } from './FoldsResult.tsx';
import styles from './Queue.module.css';
import { QueueProgress } from './QueueProgress.tsx';

/** Fewer validation images than these leave an accuracy open by more than ten points or so. */
const fewToValidate = 100;
const offered = [3, 5, 10] as const;

export default function QueueCard() {
  const queue = useQueue((state) => state.queue);
  return (
    <Card title="Check it by folds" id="folds" aside="several runs, each image validated once">
      {queue === null && <Offer />}
      {queue?.kind === 'folds' && (
        <QueueProgress queue={queue}>
          <FoldsResult queue={queue} />
        </QueueProgress>
      )}
      {queue?.kind === 'arms' && (
        <p>
          A comparison of recipes is there, under{' '}
          <a href={addressOf('understand', 'recipes')}>Compare recipes</a>. When it is put away, folds can be
          trained.
        </p>
      )}
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
