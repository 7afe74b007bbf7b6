// The one dialogue of every way out: formats, names and type above, below them what was written and proved,
// and the downloads. A native modal dialog, so that focus, Escape and the inert page behind it are the
// browser's.
import { useEffect, useId, useRef } from 'react';
import { chosenFormats, useExport } from '../../state/export-store.ts';
import { useRun } from '../../state/run-store.ts';
import { useControls } from '../use-controls.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { cx } from '../parts/cx.ts';
import dialog from '../parts/Dialog.module.css';
import { FaultBox } from '../parts/FaultBox.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { ExportChoices } from './ExportChoices.tsx';
import styles from './ExportDialog.module.css';
import { ExportResults } from './ExportResults.tsx';

interface ExportDialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
}

export function ExportDialog({ open, onClose }: ExportDialogProps) {
  const trainer = useTrainer();
  const sheet = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const element = sheet.current;
    if (element === null || element.open === open) return;
    if (open) element.showModal();
    else element.close();
  }, [open]);
  function close(): void {
    void trainer.cancelExport();
    onClose();
  }
  return (
    <dialog
      ref={sheet}
      className={cx(dialog.dialog, styles.dialog)}
      aria-labelledby={titleId}
      onClose={close}
    >
      <div className={styles.body}>
        <header className={styles.head}>
          <h2 id={titleId}>Export</h2>
          <Button variant="quiet" onClick={close}>
            Close
          </Button>
        </header>
        {open && <ExportBody />}
      </div>
    </dialog>
  );
}

function ExportBody() {
  const { status, choice, result, fault } = useExport((state) => state);
  const recipe = useRun(({ summary }) => summary?.recipe);
  const { exportModel } = useControls();
  const trainer = useTrainer();
  const exporting = status === 'exporting';
  const none = chosenFormats(choice, recipe).length === 0;
  return (
    <>
      <ExportChoices disabled={exporting} />
      {!exporting && result === null && (
        <div className={styles.actions}>
          <Button
            variant="primary"
            icon="merge"
            disabled={none || !exportModel}
            onClick={() => void trainer.exportModel()}
          >
            Write and prove
          </Button>
          <p className={styles.soft}>
            {none
              ? 'Choose at least one format.'
              : 'Every format is read back and compared with the trained model on up to 64 validation images before it is offered.'}
          </p>
        </div>
      )}
      {exporting && (
        <div className={styles.exporting}>
          <ProgressLine fallback="Merging, writing and reading back" />
          <Button onClick={() => void trainer.cancelExport()}>Cancel</Button>
        </div>
      )}
      {fault !== null && <FaultBox fault={fault} />}
      {result !== null && <ExportResults result={result} />}
    </>
  );
}
