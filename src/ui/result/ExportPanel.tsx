// Merge & export: asks for the merged files, shows that the file that was read back computes the same, and hands the
// files over one by one or as a zip.
import { useState } from 'react';
import { markSaved, useExport } from '../../state/export-store.ts';
import { zipFiles } from '../../state/zip-files.ts';
import { faultOfThrown, type Fault } from '../../shared/fault.ts';
import type { ExportResult } from '../../worker/protocol.ts';
import { useControls } from '../use-controls.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { download, safeName } from '../parts/download.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { bytesText, lossText, percentText } from '../parts/words.ts';
import { PushToHub } from './PushToHub.tsx';
import styles from './ResultCard.module.css';

function save(blob: Blob, name: string): void {
  download(blob, name);
  markSaved();
}

function Files({ result }: { readonly result: ExportResult }) {
  const [zipping, setZipping] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const { files } = result;
  async function saveZip(): Promise<void> {
    setZipping(true);
    try {
      save(await zipFiles(files), `${safeName(result.result.model)}-merged.zip`);
      setFault(null);
    } catch (thrown) {
      setFault(faultOfThrown(thrown));
    }
    setZipping(false);
  }
  return (
    <>
      <ul className={styles.files} aria-label="Exported files">
        {files.map(({ name, blob }) => (
          <li key={name}>
            <code>{name}</code>
            <span className={styles.soft}>{bytesText(blob.size)}</span>
            <Button
              look="quiet"
              icon="download"
              aria-label={`Download ${name}`}
              onClick={() => save(blob, name)}
            >
              Download
            </Button>
          </li>
        ))}
      </ul>
      <div>
        <Button look="primary" icon="download" disabled={zipping} onClick={() => void saveZip()}>
          Download all as a zip
        </Button>
      </div>
      {fault !== null && <FaultBox fault={fault} />}
    </>
  );
}

export function ExportPanel() {
  const { status, result, fault } = useExport((state) => state);
  const { exportModel } = useControls();
  const trainer = useTrainer();
  return (
    <div className={styles.export}>
      {result === null && (
        <>
          <p>
            Merging adds the branches into the weights: the same architecture, the same speed, files that any
            tool for vision transformers opens.
          </p>
          <div>
            <Button
              look="primary"
              icon="merge"
              disabled={!exportModel || status === 'exporting'}
              onClick={() => void trainer.exportModel()}
            >
              Merge &amp; export
            </Button>
          </div>
        </>
      )}
      {status === 'exporting' && <ProgressLine fallback="Merging, writing and reading back" />}
      {fault !== null && <FaultBox fault={fault} />}
      {result !== null && (
        <>
          <p className={styles.check}>
            The file was read back and compared on the validation images. Largest difference of any logit:{' '}
            <strong data-testid="merged-difference" data-value={result.mergedMaxLogitDifference}>
              {result.mergedMaxLogitDifference.toExponential(1)}
            </strong>
            . It answers {percentText(result.validation.accuracy)} right, loss{' '}
            {lossText(result.validation.loss)}.
          </p>
          <Files result={result} />
          <PushToHub />
        </>
      )}
    </div>
  );
}
