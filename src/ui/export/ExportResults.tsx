// What was written: for each format the proof in numbers, or why it is not offered, and its files; all of it
// as one zip.
import { useState } from 'react';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { markSaved, useExport } from '../../state/export-store.ts';
import { zipBlob, zipLength, zipStream, type ZipEntry } from '../../state/zip-files.ts';
import { faultOfThrown } from '../../shared/describe-fault.ts';
import type { Fault } from '../../shared/fault.ts';
import type { ExportResult, FormatExport } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { download, downloadStream, safeName } from '../parts/download.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { intoSight } from '../parts/into-sight.ts';
import { countText, lossText, percentText } from '../parts/words.ts';
import { PushToHub } from '../result/PushToHub.tsx';
import styles from './ExportDialog.module.css';
import { formatTitles } from './format-titles.ts';
import { Usage } from './Usage.tsx';

type Proof = NonNullable<FormatExport['proof']>;

/** On what a format was compared with the trained model, and how its answers were. */
function comparedText({ images, of, sameAnswers, sameWeightsAs }: Proof): string {
  const sample =
    images < of ? `${images} of ${countText(of, 'validation image')}` : countText(of, 'validation image');
  const answers = `the same ${images === 1 ? 'answer' : 'answers'} on ${sameAnswers} of ${images}.`;
  return sameWeightsAs === null
    ? `Read back and compared on ${sample}: ${answers}`
    : `Read back: the same weights as ${formatTitles[sameWeightsAs]}, bit for bit, which were compared on ${sample}: ${answers}`;
}

/** On how many of these the file's own graph was computed, where it was not all. */
function graphText({ images, graphImages }: Proof): string {
  return graphImages > 0 && graphImages < images
    ? ` Its graph was also computed step by step on ${graphImages} of them.`
    : '';
}

function FormatResult({ format, files, proof, refused, note }: FormatExport) {
  if (refused !== null || proof === null)
    return (
      <li className={styles.refused} data-testid={`export-${format}`} data-offered="false">
        <h3>{formatTitles[format]}: not offered</h3>
        <p>{refused}</p>
      </li>
    );
  const card = files.find(({ name }) => name === 'README.md');
  const bytes = files.reduce((sum, { blob }) => sum + blob.size, 0);
  return (
    <li className={styles.proved} data-testid={`export-${format}`} data-offered="true">
      <h3>
        {formatTitles[format]} <span className={styles.soft}>{bytesInWords(bytes)}</span>
      </h3>
      <p>
        {comparedText(proof)} Largest difference of any logit{' '}
        <strong
          className={styles.figure}
          data-testid="merged-difference"
          data-value={proof.maxLogitDifference}
        >
          {proof.maxLogitDifference.toExponential(1)}
        </strong>{' '}
        (largest logit {proof.maxLogit.toFixed(1)}).
        {graphText(proof)}
      </p>
      {note !== null && <p>{note}</p>}
      {card !== undefined && <Usage card={card.blob} title={formatTitles[format]} />}
      <details>
        <summary>{countText(files.length, 'file')}</summary>
        <ul className={styles.files} aria-label={`Files of ${formatTitles[format]}`}>
          {files.map(({ name, blob }) => (
            <li key={name}>
              <code>{name}</code>
              <span className={styles.soft}>{bytesInWords(blob.size)}</span>
              <Button
                variant="quiet"
                icon="download"
                aria-label={`Download ${format}/${name}`}
                onClick={() => {
                  download(blob, name.slice(name.lastIndexOf('/') + 1));
                  markSaved();
                }}
              >
                Download
              </Button>
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

export function ExportResults({
  result: { formats, result, temperature },
}: {
  readonly result: ExportResult;
}) {
  const tempered = useExport(({ choice }) => choice.tempered);
  const isLearned = result.learnedValidation === true;
  const [zipping, setZipping] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const entries = formats.flatMap(({ format, files }) =>
    files.map(({ name, blob }): ZipEntry => ({ name: `${format}/${name}`, blob })),
  );
  async function saveZip(): Promise<void> {
    setZipping(true);
    setFault(null);
    try {
      const name = `${safeName(result.model)}-fine-tuned.zip`;
      const saved = await downloadStream(
        zipLength(entries),
        name,
        () => zipStream(entries),
        () => zipBlob(entries),
      );
      if (saved) markSaved();
    } catch (thrown) {
      setFault(faultOfThrown(thrown));
    }
    setZipping(false);
  }
  return (
    <section ref={intoSight} className={styles.results} aria-label="Written and proved" aria-live="polite">
      {tempered && (
        <p data-testid="export-temperature">
          {temperature === null && isLearned
            ? 'No temperature was applied: the validation images were learned as well, and it is surer of them than of others.'
            : temperature === null
              ? 'No temperature was applied: none fits the validation images best. Either none of them is clearly wrong, or how sure the model is says nothing about whether it is right.'
              : `Temperature ${temperature.temperature.toFixed(2)}, fitted on ${countText(temperature.images, 'validation image')}: calibration error ${percentText(temperature.calibrationError.before)} → ${percentText(temperature.calibrationError.after)}, loss ${lossText(temperature.loss.before)} → ${lossText(temperature.loss.after)}. The answers are the same.`}
        </p>
      )}
      <ul className={styles.list}>
        {formats.map((format) => (
          <FormatResult key={format.format} {...format} />
        ))}
      </ul>
      {entries.length > 0 && (
        <div className={styles.actions}>
          <Button variant="primary" icon="download" disabled={zipping} onClick={() => void saveZip()}>
            Download all as a zip
          </Button>
          <p className={styles.soft}>
            {bytesInWords(zipLength(entries))}, a folder for each format, each with its card, run.json and
            continue.py.
          </p>
        </div>
      )}
      {fault !== null && <FaultBox fault={fault} />}
      <PushToHub />
    </section>
  );
}
