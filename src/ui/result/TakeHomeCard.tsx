// The way out of an ended run: one button that opens the export dialogue, and what has been written so far.
import { useState } from 'react';
import { learnsInstead } from '../../recipe/what-learns.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useExport } from '../../state/export-store.ts';
import { useRun } from '../../state/run-store.ts';
import { accuracyWords } from '../../understand/interval.ts';
import { ExportDialog } from '../export/ExportDialog.tsx';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { recallText } from '../parts/words.ts';
import { addressOf } from '../place.ts';
import { useControls } from '../use-controls.ts';
import styles from './ResultCard.module.css';

export default function TakeHomeCard() {
  const [open, setOpen] = useState(false);
  const exporting = useExport((state) => state.status === 'exporting');
  const saved = useExport((state) => state.saved);
  const result = useRun(({ phase, result }) => (phase.kind === 'finished' ? result : null));
  const learned = useRun(({ summary }) => learnsInstead(summary?.recipe));
  const { exportModel } = useControls();
  if (result === null)
    return (
      <Card title="Nothing to take home yet">
        <p>
          When a run has ended, its model leaves from here as ordinary files: for transformers, timm, PEFT or
          ONNX. A run that was saved can be opened beside this. Start one under{' '}
          <a href={addressOf('train')}>Train</a>.
        </p>
      </Card>
    );
  return (
    <Card title="Take the model home" aside={<bdi>{plainText(result.model, 120)}</bdi>}>
      <p>
        {accuracyWords(
          result.validation.accuracy,
          result.validationImages,
          'validation images',
          result.learnedValidation,
        )}
        {recallText(result.validation)}.
      </p>
      <p>
        {learned === null
          ? 'Merging adds the branches into the weights: the same'
          : `There are no branches to merge: what learned is ${learned}. The same`}{' '}
        architecture, the same speed, files that any tool for vision transformers opens.
      </p>
      <div>
        <Button
          variant="primary"
          icon="merge"
          aria-haspopup="dialog"
          disabled={!exportModel && !exporting}
          onClick={() => setOpen(true)}
        >
          {learned === null ? 'Merge & export' : 'Export'}
        </Button>
      </div>
      {saved && <p className={styles.soft}>Saved to the downloads.</p>}
      <ExportDialog open={open} onClose={() => setOpen(false)} />
    </Card>
  );
}
