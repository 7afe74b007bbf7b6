// What just happened, told in every place: a newer build, faults of the worker and of the run, the run of another
// tab, a run that was not finished.
import { Suspense } from 'react';
import { useDevice } from '../state/device-store.ts';
import { runStore, useRun } from '../state/run-store.ts';
import { savedRunsStore, useSavedRuns } from '../state/saved-runs-store.ts';
import styles from './App.module.css';
import { NewVersion } from './bar/NewVersion.tsx';
import { CrashGuard } from './CrashGuard.tsx';
import { Button } from './parts/Button.tsx';
import { FaultBox } from './parts/FaultBox.tsx';
import { FilePick } from './parts/FilePick.tsx';
import { lazyPart } from './parts/lazy-part.tsx';
import { OtherTab } from './run/OtherTab.tsx';
import { useOpenFiles } from './use-open-files.ts';

const ContinueRun = lazyPart(() => import('./runs/ContinueRun.tsx'));

/** What just happened, wherever one looks. */
export function Notices() {
  const fault = useDevice((state) => state.fault);
  return (
    <div className={styles.notices}>
      <NewVersion />
      {fault !== null && (
        <FaultBox fault={fault}>
          <Button onClick={() => location.reload()}>Reload the page</Button>
        </FaultBox>
      )}
      <RunFaults />
      <OtherTab />
      <CrashGuard>
        <Suspense fallback={null}>
          <ContinueRun />
        </Suspense>
      </CrashGuard>
    </div>
  );
}

/** What went wrong with the run, and what to do. */
function RunFaults() {
  const fault = useRun((state) => state.fault);
  const diverging = useRun((state) => state.diverging);
  const finished = useRun((state) => state.phase.kind === 'finished');
  const failed = useRun((state) => state.phase.kind === 'failed');
  const ofSaved = useSavedRuns((state) => state.fault);
  const notSaved = useSavedRuns((state) => state.notSaved);
  const { openMoved, openMovedFolder } = useOpenFiles();
  return (
    <>
      {/* After the end the result says it, with what was kept. */}
      {diverging !== null && !finished && <FaultBox fault={diverging} />}
      {fault !== null && (
        <FaultBox fault={fault} {...(failed ? {} : { onClose: () => runStore.setState({ fault: null }) })}>
          {fault.kind === 'images-changed' && (
            <FilePick
              folder
              label="Open the folder again"
              testId="pick-moved-folder"
              onFiles={openMoved}
              onFolder={openMovedFolder}
            />
          )}
        </FaultBox>
      )}
      {ofSaved !== null && (
        <FaultBox fault={ofSaved} onClose={() => savedRunsStore.setState({ fault: null })} />
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
