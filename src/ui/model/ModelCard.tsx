// The model that is open: what it is, how images reach it, what was assumed; and the ways to open another.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useDevice } from '../../state/device-store.ts';
import { useModel } from '../../state/model-store.ts';
import { useControls } from '../use-controls.ts';
import { useOpenFiles } from '../use-open-files.ts';
import { useTrainer } from '../trainer-context.ts';
import { AdapterChoice } from './AdapterChoice.tsx';
import { ImageSize } from './ImageSize.tsx';
import { ModelChoice } from './ModelChoice.tsx';
import { Button } from '../parts/Button.tsx';
import type { ModelSummary } from '../../worker/protocol.ts';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { countText, parametersText } from '../parts/words.ts';
import styles from './ModelCard.module.css';

export function ModelCard() {
  const { status, model, bundled, bundledId, fault, question, adapter } = useModel((state) => state);
  const waiting = useDevice((state) => state.hello === null && state.fault === null);
  const { edit } = useControls();
  const trainer = useTrainer();
  const { openModel } = useOpenFiles();
  const shipped = bundled.find(({ id }) => id === bundledId);
  const others = bundled.filter(({ id }) => id !== bundledId);
  return (
    <Card title="Open model" aside={shipped === undefined ? undefined : 'comes with Graft'}>
      {model !== null && (
        <div className={styles.model}>
          <p className={styles.name}>
            <bdi>{plainText(model.title, 120)}</bdi>
          </p>
          <p className={styles.facts}>
            {factsOf(model).map(([fact, meaning]) => (
              <span key={fact} title={meaning}>
                {fact}
              </span>
            ))}
          </p>
          {model.imageSizes.length > 1 && (
            <ImageSize model={model} disabled={!edit || status === 'opening'} />
          )}
          {shipped !== undefined && <p>{shipped.goodFor}</p>}
          <details className={styles.more}>
            <summary>How images reach it, what the numbers mean, and notes</summary>
            <ul className={styles.notes}>
              {factsOf(model).map(([fact, meaning]) => (
                <li key={fact}>
                  {fact}: {meaning}.
                </li>
              ))}
              <li>{model.preprocessing}</li>
              {model.labels.length > 0 && (
                <li>It knows {countText(model.labels.length, 'class', 'classes')}.</li>
              )}
              {model.notes.map((note) => (
                <li key={note}>
                  <bdi>{plainText(note, 1000)}</bdi>
                </li>
              ))}
              {shipped !== undefined && <li>{`${shipped.description} Licence: ${shipped.licence}.`}</li>}
            </ul>
          </details>
        </div>
      )}
      {(status === 'opening' || (waiting && model === null)) && <ProgressLine fallback="Opening the model" />}
      {fault !== null && (
        <FaultBox fault={fault} onClose={() => trainer.closeModelFault()}>
          {adapter !== null && model !== null && fault.kind === 'adapter-alone' && (
            <AdapterChoice
              base={adapter.base}
              offer={adapter.offer}
              disabled={!edit || status === 'opening'}
            />
          )}
        </FaultBox>
      )}
      {question !== null && <ModelChoice question={question} disabled={!edit || status === 'opening'} />}
      <div className={styles.actions}>
        <FilePick
          folder
          label="Open a model folder"
          testId="pick-model-folder"
          disabled={!edit}
          onFiles={openModel}
        />
        <FilePick
          multiple
          variant="quiet"
          label="or its files"
          testId="pick-model-files"
          accept=".safetensors,.json,.bin,.pt,.pth,.zip,.tar,.tgz,.gz"
          disabled={!edit}
          onFiles={openModel}
        />
      </div>
      {others.length > 0 && (
        <div className={styles.actions}>
          {others.map((other) => (
            <Button
              key={other.id}
              variant="quiet"
              disabled={!edit}
              onClick={() => void trainer.openBundledModel(other)}
            >
              Use {other.title}
            </Button>
          ))}
        </div>
      )}
    </Card>
  );
}

/** What is said of a model, each with what it means to whoever does not know the word. */
function factsOf(model: ModelSummary): readonly (readonly [string, string])[] {
  const { depth, dim, heads, imageSize, patchSize } = model.config;
  return [
    [`${depth} blocks`, 'layers one after the other; more see more, and take longer'],
    [`width ${dim}`, 'numbers that stand for each part of an image inside the model'],
    [countText(heads, 'head'), 'ways in which a block compares the parts of an image'],
    [
      `${imageSize} px, patches of ${patchSize}`,
      'the size that images get, and that of the squares they are cut into',
    ],
    [`${parametersText(model.parameters)} parameters`, 'numbers that the model is made of'],
    [bytesInWords(model.bytes), 'the size of its file'],
    [model.dtype, 'how each number is stored: float32 in 4 bytes, float16 and bfloat16 in 2'],
    [model.family, 'the kind of model, and whose names its file uses'],
  ];
}
