// The images that are open: where they come from, how they are split, what is wrong with them; and the ways
// to open others.
import { Suspense, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { splitSize, useData } from '../../state/data-store.ts';
import { useGallery } from '../../state/gallery-store.ts';
import { useDevice } from '../../state/device-store.ts';
import { setField, useRecipe } from '../../state/recipe-store.ts';
import type { DataSummary } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { useOpenFiles } from '../use-open-files.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { cx } from '../parts/cx.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { Icon } from '../parts/Icon.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { CheckCard } from './CheckCard.tsx';
import { ClassList } from './ClassList.tsx';
import { DataChoices } from './DataChoices.tsx';
import { FileLists } from './FileLists.tsx';
import { PreparedImages } from './PreparedImages.tsx';
import { lazyPart } from '../parts/lazy-part.tsx';
import { ReadingNote } from './ReadingNote.tsx';
import styles from './ImagesCard.module.css';

const OwnPictures = lazyPart(() => import('./OwnPictures.tsx'));
const HubImages = lazyPart(() => import('./HubImages.tsx'));

/** What the file pickers let through; the import looks at the bytes. */
const archives = '.zip,application/zip,.tar,.tgz,.gz,application/x-tar,application/gzip,.parquet';

const splitWords = {
  folders: 'Split as the folders are named.',
  seed: 'Those to validate on are drawn by lot from each class; the same seed draws the same ones.',
  hand: 'Split as folders are named or by a seeded draw, with your edits.',
} as const;

/** That the images are not as their files have them: edits are kept, and come back with the images. */
function OwnEdits({ edits }: { readonly edits: DataSummary['edits'] }) {
  const isEditing = useGallery((state) => state.isEditing);
  const trainer = useTrainer();
  if (edits.undo === null && edits.redo === null) return null;
  return (
    <p className={styles.edits} data-testid="own-edits">
      <span>
        {edits.undo === null ? (
          'Your changes to these images are taken back.'
        ) : (
          <>
            {countText(edits.inForce, 'change')} of yours {edits.inForce === 1 ? 'holds' : 'hold'}, and{' '}
            {edits.inForce === 1 ? 'is' : 'are'} kept for these images. The last:{' '}
            <bdi>{plainText(edits.undo, 120)}</bdi>.
          </>
        )}
      </span>
      <Button
        variant="quiet"
        held={edits.undo === null || isEditing}
        onClick={() => void trainer.editImages('undo-all')}
      >
        Take them all back
      </Button>
    </p>
  );
}

function Split({ data }: { readonly data: DataSummary }) {
  const validationTitle = useData((state) => state.validationTitle);
  const sizes = (['train', 'validation', 'test'] as const).map((name) => ({
    name,
    size: splitSize(data, name),
  }));
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  let x = 0;
  return (
    <div className={styles.split}>
      <svg className={styles.splitBar} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        {sizes.map(({ name, size }) => {
          const width = total === 0 ? 0 : (100 * size) / total;
          const from = x;
          x += width;
          return <rect key={name} className={styles[name]} x={from} y="0" width={width} height="6" />;
        })}
      </svg>
      <ul className={styles.splitWords} data-testid="split">
        {sizes
          .filter(({ name, size }) => size > 0 || name !== 'test')
          .map(({ name, size }) => (
            <li key={name}>
              <span className={styles[`${name}Dot`]} aria-hidden="true" />
              {wholeText(size)}{' '}
              {name === 'train' ? 'to learn from' : name === 'test' ? 'kept for a test' : 'to validate'}
            </li>
          ))}
      </ul>
      <p className={styles.soft}>
        {total < data.images && `${wholeText(total)} of ${wholeText(data.images)} images are used. `}
        {validationTitle !== null ? (
          <>
            Validation set: <bdi>{plainText(validationTitle, 120)}</bdi>.
          </>
        ) : (
          splitWords[data.splitBy]
        )}
      </p>
      {data.together !== null && <DrawnTogether together={data.together} />}
    </div>
  );
}

const togetherWords = {
  name: 'with names that begin alike',
  folder: 'with a folder of their own',
  look: 'that look alike',
} as const;

/** What the recipe, or an edit, kept on one side, with an example, so that a wrong guess of names shows. */
function DrawnTogether({ together }: { readonly together: NonNullable<DataSummary['together']> }) {
  const { by, origins, images, largest, example, whole } = together;
  const alike = by.map((one) => togetherWords[one]).join(' or ');
  return (
    <p className={styles.soft} data-testid="together">
      {origins === 0 ? (
        `There are no pictures ${alike}: each is drawn by itself.`
      ) : (
        <>
          Drawn together are pictures {alike}: {wholeText(images)} in {countText(origins, 'group')}, the
          largest of {wholeText(largest)}, such as{' '}
          <bdi>{example.map((path) => plainText(path, 80)).join(', ')}</bdi>.
        </>
      )}
      {whole.length > 0 &&
        ` Nothing can be held out of ${whole
          .slice(0, 5)
          .map((name) => plainText(name, 40))
          .join(
            ', ',
          )}${whole.length > 5 ? ` and ${wholeText(whole.length - 5)} more` : ''}: all pictures of a class are one group.`}
    </p>
  );
}

/** What can be done about it, in the recipe. */
function Imbalance({ disabled }: { readonly disabled: boolean }) {
  const balance = useRecipe((state) => state.recipe?.classBalance ?? null);
  if (balance === null) return null;
  if (balance !== 'none') return ' The recipe evens that out.';
  return (
    <>
      {' '}
      <Button variant="quiet" disabled={disabled} onClick={() => setField('classBalance', 'weights')}>
        Let all classes count as much
      </Button>
    </>
  );
}

export function ImagesCard() {
  const { status, data, refused, fault } = useData((state) => state);
  // Remarks without a file are about the images as a whole.
  const remarks = data?.warnings.filter(({ path }) => path === '') ?? [];
  const waiting = useDevice((state) => state.hello === null && state.fault === null);
  const { edit } = useControls();
  const { openImages, openImageFolder, openValidation, openValidationFolder } = useOpenFiles();
  const trainer = useTrainer();
  const opens = status === 'opening';
  const [own, setOwn] = useState(false);
  const [hub, setHub] = useState(false);
  return (
    <div className={styles.place}>
      <Card
        title="Choose images"
        aside={
          <span className={styles.private}>
            <Icon name="lock" /> stay on this machine
          </span>
        }
      >
        {(opens || (waiting && data === null)) && (
          <div className={styles.opening}>
            <div className={styles.progress}>
              <ProgressLine fallback="Opening the images" />
            </div>
            {opens && <Button onClick={() => trainer.cancelOpening()}>Cancel</Button>}
          </div>
        )}
        {fault !== null && <FaultBox fault={fault} onClose={() => trainer.closeImageFault()} />}
        {refused !== null && refused.fault !== null && (
          <div className={styles.refused}>
            <FaultBox fault={refused.fault} onClose={() => trainer.closeImageFault()} />
            <p className={styles.soft}>
              This is about <bdi>{plainText(refused.title, 120)}</bdi>. The images that were open stay open.
            </p>
            <ReadingNote data={refused} which="refused" disabled={!edit || opens} />
            <FileLists data={refused} />
          </div>
        )}
        <div className={styles.own}>
          <p>
            Your own: a folder with one folder a class, a zip or tar of it, or a data set in Parquet files. Or
            drop it anywhere on this window.
          </p>
          <div className={styles.actions}>
            <FilePick
              folder
              label="Open an image folder"
              testId="pick-images-folder"
              disabled={!edit}
              onFiles={openImages}
              onFolder={openImageFolder}
              otherwise="A folder that the browser refuses, such as Downloads, Documents or your home folder, can be dropped onto this window."
            />
            <FilePick
              multiple
              label="Open a zip, tar or Parquet"
              testId="pick-images-zip"
              accept={archives}
              disabled={!edit}
              onFiles={openImages}
            />
          </div>
        </div>
        <details className={styles.more} onToggle={({ currentTarget }) => setOwn(currentTarget.open)}>
          <summary>Make classes of your own, with the camera, by pasting or from pictures</summary>
          {own && (
            <Suspense fallback={null}>
              <OwnPictures />
            </Suspense>
          )}
        </details>
        <details className={styles.more} onToggle={({ currentTarget }) => setHub(currentTarget.open)}>
          <summary>Open a data set of the Hugging Face Hub by its name</summary>
          {hub && (
            <Suspense fallback={null}>
              <HubImages />
            </Suspense>
          )}
        </details>
        <p className={styles.soft}>Or, to see how it goes, images that come with Graft:</p>
        <DataChoices disabled={!edit} />
        {data !== null && (
          <details className={styles.more}>
            <summary>Add images of your own to validate on</summary>
            <p className={styles.soft}>
              The same classes, in folders of the same names. They replace the part that was held out.
            </p>
            <div className={styles.actions}>
              <FilePick
                folder
                label="Add a validation folder"
                testId="pick-validation-folder"
                disabled={!edit}
                onFiles={openValidation}
                onFolder={openValidationFolder}
                otherwise="A folder that the browser refuses, such as Downloads, can be added as a zip."
              />
              <FilePick
                multiple
                label="Add a validation zip, tar or Parquet"
                testId="pick-validation-zip"
                accept={archives}
                disabled={!edit}
                onFiles={openValidation}
              />
            </div>
          </details>
        )}
      </Card>
      {data !== null && (
        <div className={cx(styles.open, opens && styles.former)}>
          <Card title="Open images">
            <p>
              <strong>
                <bdi>{plainText(data.title, 120)}</bdi>
              </strong>
              : {countText(data.images, 'image')} in {countText(data.classes.length, 'class', 'classes')}
            </p>
            {data.fault !== null && <FaultBox fault={data.fault} />}
            {remarks.length > 0 && (
              <ul className={styles.remarks}>
                {remarks.map(({ code, reason }) => (
                  <li key={`${code} ${reason}`}>
                    <bdi>{plainText(reason, 1000)}</bdi>
                    {code === 'imbalanced' && <Imbalance disabled={!edit} />}
                  </li>
                ))}
              </ul>
            )}
            <ReadingNote data={data} which="open" disabled={!edit || opens} />
            <Split data={data} />
            <OwnEdits edits={data.edits} />
            <ClassList key={`${data.title} ${data.reading.sentence}`} data={data} />
            <FileLists data={data} />
            <PreparedImages disabled={!edit || opens} />
          </Card>
          {data.fault === null && <CheckCard />}
        </div>
      )}
    </div>
  );
}
