// What can be done with the selected images, and with classes. Nothing of it touches a file.
import { useId, useState, type SubmitEvent } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useGallery } from '../../state/gallery-store.ts';
import type { Gallery, ImageEdit } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { download, safeName } from '../parts/download.ts';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './Gallery.module.css';

const splits = [
  { name: 'train', words: 'training' },
  { name: 'validation', words: 'validation' },
  { name: 'test', words: 'test' },
] as const;

interface SelectedProps {
  readonly gallery: Gallery;
  /** Numbers of the selected images. */
  readonly images: readonly number[];
  readonly onSelectAll: () => void;
  readonly onSelectNone: () => void;
}

export function SelectedTools({ gallery, images, onSelectAll, onSelectNone }: SelectedProps) {
  const listId = useId();
  const [name, setName] = useState('');
  const [place, setPlace] = useState<string>('validation');
  const isEditing = useGallery((state) => state.isEditing);
  const trainer = useTrainer();
  const edit = (change: ImageEdit): void => void trainer.editImages(change);
  const isIn = (place: string): boolean =>
    images.some((image) => gallery.places[gallery.placeOf[image] ?? -1] === place);
  const someIn = images.some((image) => gallery.places[gallery.placeOf[image] ?? -1] !== 'excluded');
  const none = images.length === 0 || isEditing;
  return (
    <div className={styles.tools} role="group" aria-label="Selected images">
      <span className={styles.count} role="status" data-testid="selected">
        {images.length === 0 ? 'None selected' : `${wholeText(images.length)} selected`}
      </span>
      <Button variant="quiet" onClick={onSelectAll}>
        Select all
      </Button>
      <Button variant="quiet" disabled={images.length === 0} onClick={onSelectNone}>
        Select none
      </Button>
      <form
        className={styles.field}
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          if (!none && name.trim() !== '') edit({ kind: 'relabel', images, to: name });
        }}
      >
        <input
          className={styles.input}
          aria-label="Class for the selected images"
          placeholder="Class, known or new"
          list={listId}
          value={name}
          onChange={({ currentTarget }) => setName(currentTarget.value)}
        />
        <datalist id={listId}>
          {gallery.names.map((known) => (
            <option key={known} value={known} />
          ))}
        </datalist>
        <Button type="submit" held={none || name.trim() === ''}>
          Relabel
        </Button>
      </form>
      <form
        className={styles.field}
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          if (!none)
            edit({ kind: 'move', images, to: splits.find(({ name }) => name === place)?.name ?? null });
        }}
      >
        <select
          className={styles.input}
          aria-label="Place for the selected images"
          value={place}
          onChange={({ currentTarget: { value } }) => setPlace(value)}
        >
          {splits.map(({ name: split, words }) => (
            <option key={split} value={split}>
              {words}
            </option>
          ))}
          <option value="draw">where the split has them</option>
        </select>
        <Button type="submit" held={none}>
          Move
        </Button>
      </form>
      <Button held={none || !someIn} onClick={() => edit({ kind: 'exclude', images })}>
        Leave out
      </Button>
      <Button held={none || !isIn('excluded')} onClick={() => edit({ kind: 'include', images })}>
        Bring back
      </Button>
    </div>
  );
}

/** Rename one class, merge several, make one. */
export function ClassTools({ gallery }: { readonly gallery: Gallery }) {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [name, setName] = useState('');
  const isEditing = useGallery((state) => state.isEditing);
  const trainer = useTrainer();
  const chosen = gallery.names.filter((known) => ticked.has(known));
  const [only, second] = chosen;
  const to = name.trim();
  const isKnown = gallery.names.includes(to);
  const merges = second !== undefined || (only !== undefined && isKnown && to !== only);
  const change: ImageEdit | null =
    to === ''
      ? null
      : only === undefined
        ? isKnown
          ? null
          : { kind: 'make', name }
        : merges
          ? { kind: 'merge', from: chosen.includes(to) || !isKnown ? chosen : [...chosen, to], to: name }
          : only === to
            ? null
            : { kind: 'rename', from: only, to: name };
  return (
    <details className={styles.more}>
      <summary>Rename, merge or make classes</summary>
      <form
        className={styles.classTools}
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          if (change === null || isEditing) return;
          void trainer.editImages(change);
          setTicked(new Set());
          setName('');
        }}
      >
        <p className={styles.soft}>
          Tick one class to rename it, several to merge them, none to make a new one.
        </p>
        <ul className={styles.names} aria-label="Classes to change">
          {gallery.names.map((known) => (
            <li key={known}>
              <label>
                <input
                  type="checkbox"
                  checked={ticked.has(known)}
                  onChange={({ currentTarget: { checked } }) => {
                    const next = new Set(ticked);
                    if (checked) next.add(known);
                    else next.delete(known);
                    setTicked(next);
                  }}
                />
                <bdi>{plainText(known, 80)}</bdi>
              </label>
            </li>
          ))}
        </ul>
        <div className={styles.field}>
          <input
            className={styles.input}
            aria-label="Name of the class"
            placeholder="Name"
            value={name}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
          <Button type="submit" held={change === null || isEditing}>
            {only === undefined ? 'Make a class' : merges ? 'Merge' : 'Rename'}
          </Button>
        </div>
      </form>
    </details>
  );
}

/** The set as it is now, as files. */
export function TakeSet({ title }: { readonly title: string }) {
  const isWriting = useGallery((state) => state.isWriting);
  const trainer = useTrainer();
  const take = async (as: 'csv' | 'zip'): Promise<void> => {
    const file = await trainer.writeSet(as);
    if (file !== null) download(file, `${safeName(title)}${as === 'csv' ? '-labels.csv' : '.zip'}`);
  };
  return (
    <div className={styles.tools} role="group" aria-label="Take the images away as they are now">
      <Button icon="download" disabled={isWriting} onClick={() => void take('csv')}>
        Labels as CSV
      </Button>
      <Button icon="download" disabled={isWriting} onClick={() => void take('zip')}>
        Images as a zip
      </Button>
      {isWriting && (
        <>
          <div className={styles.progress}>
            <ProgressLine fallback="Writing" />
          </div>
          <Button onClick={() => trainer.stopWriting()}>Cancel</Button>
        </>
      )}
    </div>
  );
}
