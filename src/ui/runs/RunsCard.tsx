// The runs that are kept on this machine: opened, exported, named, taken away and in as files, deleted and
// brought back; and what everything that is kept takes, with one button that removes all of it.
import { useRef, useState, type SyntheticEvent } from 'react';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useData } from '../../state/data-store.ts';
import { useHub } from '../../state/hub-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import type { ListedRun } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { cx } from '../parts/cx.ts';
import dialog from '../parts/Dialog.module.css';
import { download, safeName } from '../parts/download.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { addressOf, goTo } from '../place.ts';
import { countText } from '../parts/words.ts';
import { ageText, imagesText, recipeText, resultText } from './run-words.ts';
import styles from './Runs.module.css';

/** More are listed when they are asked for. */
const most = 6;

export default function RunsCard() {
  const runs = useSavedRuns((state) => state.runs) ?? [];
  const [all, setAll] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const shown = all || runs.length <= most + 1 ? runs : runs.slice(0, most);
  const listFault = useSavedRuns((state) => state.listFault);
  const trainer = useTrainer();
  const several = runs.filter(({ finished, deleted }) => finished && !deleted).length > 1;
  return (
    <Card title="Runs" id="runs" aside="saved on this machine as they train">
      {listFault !== null && <FaultBox fault={listFault} />}
      {runs.length === 0 && <p className={styles.soft}>A run appears here when it has begun.</p>}
      <ul className={styles.runs} data-testid="runs" ref={list} tabIndex={-1}>
        {shown.map((run) =>
          run.deleted ? <Deleted key={run.id} run={run} /> : <Run key={run.id} run={run} />,
        )}
      </ul>
      <div className={styles.foot}>
        {shown.length < runs.length && (
          <Button
            variant="quiet"
            onClick={() => {
              setAll(true);
              list.current?.focus();
            }}
          >
            Show all {countText(runs.length, 'run')}
          </Button>
        )}
        {several && <a href={addressOf('understand', 'compare')}>Compare runs side by side</a>}
        <FilePick
          label="Open a run from a file"
          accept=".safetensors"
          testId="pick-run"
          variant="quiet"
          onFiles={([file]) => {
            if (file !== undefined) void trainer.takeRunFile(file.blob, file.path);
          }}
        />
        <Kept runs={runs} />
      </div>
    </Card>
  );
}

function Run({ run }: { readonly run: ListedRun }) {
  const [naming, setNaming] = useState(false);
  const isOpen = useSavedRuns(({ saved }) => saved?.id === run.id);
  const opening = useSavedRuns((state) => state.opening !== null);
  const listedAt = useSavedRuns((state) => state.listedAt);
  const { edit } = useControls();
  const trainer = useTrainer();
  const { id, name, finished } = run;
  const canOpen = edit && !opening;
  async function save(): Promise<void> {
    const file = await trainer.runFile(id);
    if (file !== null) download(file, `${safeName(name)}.safetensors`);
  }
  return (
    <li className={styles.run} data-testid="run" data-run={id} data-step={run.step} data-finished={finished}>
      {naming ? (
        <Naming run={run} onDone={() => setNaming(false)} />
      ) : (
        <span className={styles.name}>
          <bdi>{name}</bdi>
        </span>
      )}
      <span className={styles.soft}>{`${bytesInWords(run.bytes)}, ${ageText(run.savedAt, listedAt)}`}</span>
      <p className={styles.about}>
        {resultText(run)}. <bdi>{run.model}</bdi>, {imagesText(run)} from <bdi>{run.images}</bdi>.{' '}
        {recipeText(run)}.
      </p>
      <div className={styles.actions}>
        <Button
          disabled={!canOpen}
          aria-label={`${finished ? 'Open' : 'Continue'} ${name}`}
          onClick={() => {
            if (!finished) goTo('train');
            void trainer.openRun(id);
          }}
        >
          {finished ? 'Open' : 'Continue'}
        </Button>
        {!finished && (
          <Button
            variant="quiet"
            disabled={!canOpen}
            aria-label={`Export ${name} as it is`}
            onClick={() => void trainer.openRun(id, 'end')}
          >
            Export as it is
          </Button>
        )}
        <Button variant="quiet" aria-label={`Rename ${name}`} onClick={() => setNaming(true)}>
          Rename
        </Button>
        <Button variant="quiet" aria-label={`Save ${name} as file`} onClick={() => void save()}>
          Save as file
        </Button>
        <Button
          variant="quiet"
          disabled={isOpen && !edit}
          aria-label={`Delete ${name}`}
          onClick={() => void trainer.deleteRun(id)}
        >
          Delete
        </Button>
      </div>
    </li>
  );
}

function Deleted({ run: { id, name } }: { readonly run: ListedRun }) {
  const trainer = useTrainer();
  return (
    <li className={styles.deleted} data-testid="deleted-run">
      <span className={styles.soft}>
        <bdi>{name}</bdi> is deleted, and gone when the page is opened again.
      </span>
      <Button
        variant="quiet"
        aria-label={`Bring ${name} back`}
        onClick={() => void trainer.deleteRun(id, true)}
      >
        Undo
      </Button>
    </li>
  );
}

function Naming({ run: { id, name }, onDone }: { readonly run: ListedRun; readonly onDone: () => void }) {
  const [text, setText] = useState(name);
  const trainer = useTrainer();
  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (text.trim() !== '') void trainer.renameRun(id, text.trim());
    onDone();
  }
  return (
    <form className={styles.naming} onSubmit={submit}>
      <input
        className={styles.input}
        aria-label="Name of the run"
        value={text}
        maxLength={120}
        autoFocus
        onChange={({ currentTarget }) => setText(currentTarget.value)}
      />
      <Button type="submit">Keep this name</Button>
    </form>
  );
}

/** What all that is kept takes, and the way to be rid of it. */
function Kept({ runs }: { readonly runs: readonly ListedRun[] }) {
  const copies = useSavedRuns((state) => state.modelBytes);
  const cached = useHub((state) => state.cached);
  const pixels = useData((state) => state.storedBytes);
  const { edit } = useControls();
  const trainer = useTrainer();
  const question = useRef<HTMLDialogElement>(null);
  const runBytes = runs.reduce((sum, { bytes }) => sum + bytes, 0);
  const modelBytes = cached.reduce((sum, { bytes }) => sum + bytes, copies);
  const total = runBytes + modelBytes + pixels;
  if (total === 0) return null;
  const parts = `${countText(runs.length, 'run')} ${bytesInWords(runBytes)}, models ${bytesInWords(modelBytes)}, prepared images ${bytesInWords(pixels)}`;
  return (
    <>
      <span className={styles.soft} data-testid="stored" data-bytes={total}>
        On this machine: {bytesInWords(total)} ({parts}).
      </span>
      <Button variant="quiet" disabled={!edit} onClick={() => question.current?.showModal()}>
        Remove everything
      </Button>
      <dialog ref={question} className={cx(dialog.dialog, dialog.question)} aria-labelledby="remove-all">
        <h3 id="remove-all">Remove everything?</h3>
        <p>
          All runs, models and prepared images are removed from this machine, for good: {parts}. What you have
          saved as files stays. The page then opens anew.
        </p>
        <div className={dialog.answers}>
          <Button
            variant="primary"
            onClick={() => {
              question.current?.close();
              void trainer.clearStorage().then((done) => {
                if (done) location.reload();
              });
            }}
          >
            Remove everything
          </Button>
          <Button onClick={() => question.current?.close()}>Keep it</Button>
        </div>
      </dialog>
    </>
  );
}
