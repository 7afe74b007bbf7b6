// What a page opens with where a run was not finished: one button that goes on with it. And what is not as it
// was, once it goes on.
import { useRun } from '../../state/run-store.ts';
import { nextItem, useQueue, type Queue } from '../../state/queue-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { goTo, useAddress } from '../place.ts';
import { wholeText } from '../parts/words.ts';
import { ageText } from './run-words.ts';
import styles from './Runs.module.css';

export default function ContinueRun() {
  const idle = useRun(
    ({ phase, pending }) =>
      pending === null && (phase.kind === 'idle' || (phase.kind === 'failed' && !phase.resumable)),
  );
  const opening = useSavedRuns((state) => state.opening);
  const opened = useSavedRuns((state) => state.opened);
  const run = useSavedRuns((state) => state.runs?.find(({ finished, deleted }) => !finished && !deleted));
  const queue = useQueue((state) => state.queue);
  const isQueued = useQueue((state) => state.going);
  const listedAt = useSavedRuns((state) => state.listedAt);
  const trainer = useTrainer();
  const { place } = useAddress();
  if (opened !== null && opened.notes.length > 0)
    return place !== 'train' ? null : (
      <Card title="Gone on with">
        <ul className={styles.notes} data-testid="run-notes">
          {opened.notes.map((note) => (
            <li key={note}>
              <bdi>{note}</bdi>
            </li>
          ))}
        </ul>
      </Card>
    );
  if (isQueued) return null;
  if (queue !== null && !queue.stopped && nextItem(queue) !== undefined && idle)
    return <ContinueQueue queue={queue} />;
  if (run === undefined || opened !== null || !(idle || opening !== null)) return null;
  return (
    <Card title="A run was not finished" aside={`saved ${ageText(run.savedAt, listedAt)}`}>
      <div className={styles.continue} data-testid="unfinished" data-run={run.id} data-step={run.step}>
        <Button
          variant="primary"
          icon="play"
          disabled={opening !== null}
          onClick={() => {
            goTo('train');
            void trainer.openRun(run.id);
          }}
        >
          <span>
            Continue <bdi>{run.name}</bdi> at step {wholeText(run.step)} of {wholeText(run.steps)}
          </span>
        </Button>
        {opening !== null && <span className={styles.soft}>Opening its model and its images.</span>}
      </div>
    </Card>
  );
}

function ContinueQueue({ queue: { items, images } }: { readonly queue: Queue }) {
  const trainer = useTrainer();
  const done = items.filter(({ state }) => state === 'done').length;
  return (
    <Card title="Several runs were not finished" aside={`${done} of ${items.length} are done`}>
      <div className={styles.continue} data-testid="unfinished-queue">
        <Button
          variant="primary"
          icon="play"
          onClick={() => {
            goTo('train');
            void trainer.continueQueue();
          }}
        >
          <span>
            Continue with the {items.length - done} others of <bdi>{images}</bdi>
          </span>
        </Button>
        <Button variant="quiet" onClick={() => trainer.leaveQueue()}>
          Put them away
        </Button>
      </div>
    </Card>
  );
}
