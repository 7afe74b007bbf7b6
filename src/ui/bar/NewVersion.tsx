// Says that a newer build is there. The page is never reloaded by itself, and not at all while a run is under way or
// would be lost.
import { isActive } from '../../state/controls.ts';
import { useRun } from '../../state/run-store.ts';
import { takeNewer, useVersion } from '../../state/version-store.ts';
import { Button } from '../parts/Button.tsx';
import { useWouldLose } from '../use-leave-warning.ts';
import styles from './Bar.module.css';

export function NewVersion() {
  const newer = useVersion((state) => state.newer);
  const wouldLose = useWouldLose();
  const active = useRun((state) => isActive(state.phase));
  if (newer === 'none') return null;
  return (
    <div className={styles.version} role="status" data-testid="new-version">
      {active || wouldLose ? (
        'A new version is ready: reload when your run is done.'
      ) : (
        <>
          {newer === 'others-open'
            ? 'A new version is ready: close the other tabs of Graft, then reload.'
            : 'A new version is ready.'}
          <Button onClick={takeNewer}>Reload</Button>
        </>
      )}
    </div>
  );
}
