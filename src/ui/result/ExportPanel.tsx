// The way out of an ended run: one button that opens the export dialogue, and what has been written so far.
import { useState } from 'react';
import { useExport } from '../../state/export-store.ts';
import { ExportDialog } from '../export/ExportDialog.tsx';
import { Button } from '../parts/Button.tsx';
import { useControls } from '../use-controls.ts';
import styles from './ResultCard.module.css';

export function ExportPanel() {
  const [open, setOpen] = useState(false);
  const exporting = useExport((state) => state.status === 'exporting');
  const saved = useExport((state) => state.saved);
  const { exportModel } = useControls();
  return (
    <div className={styles.export}>
      <p>
        Merging adds the branches into the weights: the same architecture, the same speed, files that any tool
        for vision transformers opens.
      </p>
      <div>
        <Button
          variant="primary"
          icon="merge"
          aria-haspopup="dialog"
          disabled={!exportModel && !exporting}
          onClick={() => setOpen(true)}
        >
          Merge &amp; export
        </Button>
      </div>
      {saved && <p className={styles.soft}>Saved to the downloads.</p>}
      <ExportDialog open={open} onClose={() => setOpen(false)} />
    </div>
  );
}
