// What went wrong with the run, and what to do: told in every place.
import { runStore, useRun } from '../../state/run-store.ts';
import { savedRunsStore, useSavedRuns } from '../../state/saved-runs-store.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { useOpenFiles } from '../use-open-files.ts';

export function RunFaults() {
  const fault = useRun((state) => state.fault);
  const diverging = useRun((state) => state.diverging);
  const finished = useRun((state) => state.phase.kind === 'finished');
  const failed = useRun((state) => state.phase.kind === 'failed');
  const ofSaved = useSavedRuns((state) => state.fault);
  const notSaved = useSavedRuns((state) => state.notSaved);
  const { openMoved } = useOpenFiles();
  return (
    <>
      {/* After the end the result says it, with what was kept. */}
      {diverging !== null && !finished && <FaultBox fault={diverging} />}
      {fault !== null && (
        <FaultBox fault={fault} {...(failed ? {} : { onClose: () => runStore.setState({ fault: null }) })}>
          {fault.kind === 'images-changed' && (
            <FilePick folder label="Open the folder again" testId="pick-moved-folder" onFiles={openMoved} />
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
