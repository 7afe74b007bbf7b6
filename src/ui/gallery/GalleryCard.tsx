// All open images: filtered, selected, put right. Every edit can be undone; a run keeps the images that it
// began with.
import { useDeferredValue, useEffect, useEffectEvent, useMemo, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import { anyImage, galleryStore, useGallery, type GalleryFilter } from '../../state/gallery-store.ts';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import type { DataSummary, Gallery } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { placeWords } from './gallery-rows.ts';
import { GalleryGrid } from './GalleryGrid.tsx';
import { ClassTools, SelectedTools, TakeSet } from './GalleryTools.tsx';
import { noSelection, reached, shownOtherwise, type Selection } from './selection.ts';
import {
  changedCode,
  findingsOf,
  mistakenCode,
  mistakesOf,
  shownImages,
  type Findings,
  type Mistake,
} from './shown-images.ts';
import styles from './Gallery.module.css';

const findingWords: Readonly<Record<string, string>> = {
  sniffed: 'named as another format',
  backslash: 'with a backslash in the name',
  'converted-colour': 'of CMYK colours',
  'reduced-depth': 'of more than 8 bits',
  flattened: 'with transparent parts',
  'first-frame': 'of which the first frame is used',
  tiny: 'tiny',
  'extreme-aspect': 'very long or high',
  'small-class': 'alone in their class',
  'near-leak': 'nearly the same, learned from and held out',
  'near-conflict': 'nearly the same, under two classes',
  'near-copies': 'nearly the same',
  'one-shade': 'of one shade',
  blurred: 'much softer than the others',
};

export default function GalleryCard() {
  const data = useData((state) => state.data);
  const finished = useRun(({ phase }) => phase.kind === 'finished');
  const gallery = useGallery((state) => state.gallery);
  const trainer = useTrainer();
  useEffect(() => {
    if (data !== null) void trainer.loadGallery();
  }, [trainer, data, finished]);
  if (data === null) return null;
  return (
    <Card
      title="All images"
      aside={
        <>
          {countText(data.images, 'image')} in {countText(data.classes.length, 'class', 'classes')}
        </>
      }
    >
      {gallery === null || gallery.set !== data.edits.set ? (
        <p className={styles.soft}>Looking through the images …</p>
      ) : (
        <Opened key={gallery.set} data={data} gallery={gallery} />
      )}
    </Card>
  );
}

function Opened({ data, gallery }: { readonly data: DataSummary; readonly gallery: Gallery }) {
  const filter = useGallery((state) => state.filter);
  const fault = useGallery((state) => state.fault);
  const answers = useUnderstanding((state) => state.answers);
  const [selection, setSelection] = useState<Selection>(noSelection);
  const trainer = useTrainer();
  const checked = useData((state) => state.check);
  // What was found holds for the images, also when one of them is edited because of it.
  const [check, setCheck] = useState(checked);
  if (typeof checked === 'object' && checked !== check) setCheck(checked);
  const mistakes = useMemo(() => mistakesOf(gallery, Object.values(answers)), [gallery, answers]);
  const findings = useMemo(() => findingsOf(gallery, check), [gallery, check]);
  const wanted = useMemo(
    () => shownImages(gallery, filter, findings, mistakes),
    [gallery, filter, findings, mistakes],
  );
  const shown = useDeferredValue(wanted);
  const [last, setLast] = useState(shown);
  if (shown !== last) {
    setLast(shown);
    setSelection(shownOtherwise(selection, shown));
  }
  const selected = useMemo(() => shown.filter((image) => selection.images.has(image)), [shown, selection]);
  const selectAll = (): void => setSelection({ ...selection, images: new Set(shown) });
  const selectNone = (): void => setSelection({ ...selection, images: new Set() });
  useUndoKeys();
  return (
    <>
      <div className={styles.tools}>
        <Filters {...{ gallery, filter, findings, mistakes }} />
        <span className={styles.count} data-testid="shown">
          {wholeText(shown.length)} of {countText(gallery.classOf.length, 'image')}
        </span>
        <UndoButtons data={data} />
      </div>
      {fault !== null && <FaultBox fault={fault} onClose={() => galleryStore.setState({ fault: null })} />}
      {data.fault !== null && <FaultBox fault={data.fault} />}
      <SelectedTools gallery={gallery} images={selected} onSelectAll={selectAll} onSelectNone={selectNone} />
      {shown.length === 0 && <p className={styles.soft}>No image is like that.</p>}
      <GalleryGrid
        {...{ gallery, shown, selection, mistakes }}
        onReach={(place, reach) => setSelection((now) => reached(now, shown, place, reach))}
        onSelectAll={selectAll}
        onSelectNone={selectNone}
        onExclude={() => void trainer.editImages({ kind: 'exclude', images: selected })}
      />
      <ClassTools gallery={gallery} />
      <TakeSet title={data.title} />
      <p className={styles.soft}>
        Files on the disk stay as they are. Edits are kept in this browser and hold when the same images are
        opened again.
      </p>
    </>
  );
}

interface FiltersProps {
  readonly gallery: Gallery;
  readonly filter: GalleryFilter;
  readonly findings: Findings;
  readonly mistakes: ReadonlyMap<number, Mistake>;
}

function Filters({ gallery, filter, findings, mistakes }: FiltersProps) {
  const finished = useRun(({ phase }) => phase.kind === 'finished');
  const asked = useUnderstanding(({ answers }) => Object.keys(answers).length > 0);
  const asking = useUnderstanding((state) => state.asking);
  const trainer = useTrainer();
  const counts = useMemo(() => {
    const perClass = gallery.names.map(() => 0);
    for (const id of gallery.classOf) perClass[id] = (perClass[id] ?? 0) + 1;
    return perClass;
  }, [gallery]);
  const set = (change: Partial<GalleryFilter>): void =>
    galleryStore.setState({ filter: { ...filter, ...change } });
  const anyChanged = gallery.changed.includes(1);
  const canAsk = finished && gallery.inRun !== null;
  return (
    <>
      <select
        className={styles.input}
        aria-label="Class"
        value={filter.name === null ? -1 : gallery.names.indexOf(filter.name)}
        onChange={({ currentTarget: { value } }) => set({ name: gallery.names[Number(value)] ?? null })}
      >
        <option value={-1}>All classes</option>
        {gallery.names.map((name, id) => (
          <option key={name} value={id}>
            {plainText(name, 60)} ({counts[id]})
          </option>
        ))}
      </select>
      <select
        className={styles.input}
        aria-label="Split"
        value={filter.place ?? ''}
        onChange={({ currentTarget: { value } }) =>
          set({ place: gallery.places.find((place) => place === value) ?? null })
        }
      >
        <option value="">In any split</option>
        {gallery.places
          .filter((place, id) => place === filter.place || gallery.placeOf.includes(id))
          .map((place) => (
            <option key={place} value={place}>
              {placeWords[place]}
            </option>
          ))}
      </select>
      <select
        className={styles.input}
        aria-label="What there is to know"
        value={filter.finding ?? ''}
        onChange={({ currentTarget: { value } }) => {
          if (value === mistakenCode && !asked) void trainer.askAbout('validation');
          set({ finding: value === '' ? null : value });
        }}
      >
        <option value="">Marked or not</option>
        {(anyChanged || filter.finding === changedCode) && (
          <option value={changedCode}>edited by hand</option>
        )}
        {(canAsk || filter.finding === mistakenCode) && (
          <option value={mistakenCode}>
            answered otherwise by the last result{asked ? ` (${mistakes.size})` : ''}
          </option>
        )}
        {findings.map(({ code, images }) => (
          <option key={code} value={code}>
            {findingWords[code] ?? code} ({images.length})
          </option>
        ))}
      </select>
      {filter !== anyImage && Object.values(filter).some((one) => one !== null) && (
        <Button variant="quiet" onClick={() => galleryStore.setState({ filter: anyImage })}>
          Show all
        </Button>
      )}
      {asking !== null && <span className={styles.soft}>Asking the model …</span>}
    </>
  );
}

function UndoButtons({ data: { edits } }: { readonly data: DataSummary }) {
  const isEditing = useGallery((state) => state.isEditing);
  const trainer = useTrainer();
  const button = (words: string, what: string | null, change: 'undo' | 'redo') => (
    <Button
      held={what === null || isEditing}
      title={what === null ? undefined : `${words}: ${plainText(what, 200)}`}
      onClick={() => void trainer.editImages(change)}
    >
      <span className={styles.undo}>
        {words}
        {what !== null && (
          <>
            : <bdi>{plainText(what, 60)}</bdi>
          </>
        )}
      </span>
    </Button>
  );
  return (
    <div className={styles.undoButtons} role="group" aria-label="Edits">
      {button('Undo', edits.undo, 'undo')}
      {button('Redo', edits.redo, 'redo')}
    </div>
  );
}

/** Ctrl+Z, and with Shift or as Ctrl+Y what was undone; text in a field has its own. */
function useUndoKeys(): void {
  const trainer = useTrainer();
  const onKey = useEffectEvent((event: KeyboardEvent): void => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key !== 'z' && key !== 'y') return;
    if (event.target instanceof Element && event.target.closest('input, textarea') !== null) return;
    event.preventDefault();
    void trainer.editImages(key === 'y' || event.shiftKey ? 'redo' : 'undo');
  });
  useEffect(() => {
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
