// What went wrong with the run, and what to do: told in every place.
import { useRun } from '../../state/run-store.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { useOpenFiles } from '../use-open-files.ts';

export function RunFaults() {
  const fault = useRun((state) => state.fault);
  const diverging = useRun((state) => state.diverging);
  const finished = useRun((state) => state.phase.kind === 'finished');
  const { openMoved } = useOpenFiles();
  return (
    <>
      {/* After the end the result says it, with what was kept. */}
      {diverging !== null && !finished && <FaultBox fault={diverging} />}
      {fault !== null && (
        <FaultBox fault={fault}>
          {fault.kind === 'images-changed' && (
            <FilePick folder label="Open the folder again" testId="pick-moved-folder" onFiles={openMoved} />
          )}
        </FaultBox>
      )}
    </>
  );
}
