// The grid of images: a list of which only the rows in sight are in the page, whatever its length. Selected
// by mouse, touch and keyboard; the focus is the list's, so that no row that leaves takes it along.
import { useEffectEvent, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { galleryStore, useGallery } from '../../state/gallery-store.ts';
import type { Gallery } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { cellWidth, gap, GalleryRows, rowHeight, type RowsLook } from './gallery-rows.ts';
import { placeOfKey, type Reach, type Selection } from './selection.ts';
import type { Mistake } from './shown-images.ts';
import styles from './Gallery.module.css';

interface GridProps {
  readonly gallery: Gallery;
  /** Numbers of the images. */
  readonly shown: readonly number[];
  readonly selection: Selection;
  readonly mistakes: ReadonlyMap<number, Mistake>;
  readonly onReach: (place: number, reach: Reach) => void;
  readonly onSelectAll: () => void;
  readonly onSelectNone: () => void;
  readonly onExclude: () => void;
}

export function GalleryGrid(props: GridProps) {
  const { gallery, shown, selection, mistakes, onReach, onSelectAll, onSelectNone, onExclude } = props;
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const drawn = useRef<GalleryRows>(null);
  const pointer = useRef('mouse');
  const paths = useGallery((state) => state.paths);
  const trainer = useTrainer();
  const names = useMemo(() => gallery.names.map((name) => plainText(name, 60)), [gallery]);
  const [{ width, height }, setSize] = useState({ width: 0, height: 0 });
  const columns = Math.max(1, Math.floor((width + gap) / (cellWidth + gap)));
  const rows = Math.ceil(shown.length / columns);
  const look = useMemo<RowsLook>(
    () => ({ gallery, shown, selection, mistakes, paths, names, columns, height }),
    [gallery, shown, selection, mistakes, paths, names, columns, height],
  );

  useLayoutEffect(() => {
    const element = list.current;
    if (element === null) return;
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = useEffectEvent((): void => {
    drawn.current?.scrolled();
    trainer.scrolling();
  });
  useLayoutEffect(() => {
    if (list.current === null || canvas.current === null) return;
    const element = list.current;
    const made = new GalleryRows({
      list: element,
      canvas: canvas.current,
      id,
      onImages: (images) => trainer.showImages(images),
    });
    drawn.current = made;
    const unsubscribe = galleryStore.subscribe(({ thumbnails }, before) => {
      if (thumbnails !== before.thumbnails) made.showPictures(thumbnails);
    });
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      element.removeEventListener('scroll', onScroll);
      unsubscribe();
      made.clear();
      trainer.showImages([]);
    };
  }, [id, trainer]);
  const isMeasured = width > 0;
  useLayoutEffect(() => {
    if (isMeasured) drawn.current?.show(look, galleryStore.getState().thumbnails);
  }, [look, isMeasured]);

  /** Scrolls as little as brings a place into the window. */
  function reveal(place: number): void {
    const element = list.current;
    if (element === null || element.clientHeight === 0) return;
    const begin = Math.floor(place / columns) * rowHeight;
    if (begin < element.scrollTop) element.scrollTop = begin;
    else if (begin + rowHeight > element.scrollTop + element.clientHeight)
      element.scrollTop = begin + rowHeight - element.clientHeight;
  }

  function onKeyDown(event: KeyboardEvent): void {
    const { key, shiftKey, altKey } = event;
    const ctrlKey = event.ctrlKey || event.metaKey;
    if (altKey) return;
    const place = placeOfKey(key, selection.at, {
      columns,
      rows: Math.max(1, Math.ceil(height / rowHeight) - 1),
      count: shown.length,
    });
    if (place !== null) {
      onReach(place, shiftKey ? 'range' : ctrlKey ? 'move' : 'one');
      reveal(place);
    } else if (key === ' ') onReach(selection.at, shiftKey ? 'range' : 'toggle');
    else if (key === 'a' && ctrlKey) onSelectAll();
    else if (key === 'Escape') onSelectNone();
    else if (key === 'Delete' && selection.images.size > 0) onExclude();
    else return;
    event.preventDefault();
  }

  return (
    <div
      ref={list}
      role="listbox"
      aria-label="Images"
      aria-multiselectable="true"
      tabIndex={0}
      className={styles.list}
      data-testid="gallery"
      onKeyDown={onKeyDown}
      onPointerDown={({ pointerType }) => {
        pointer.current = pointerType;
      }}
      onClick={({ target, shiftKey, ctrlKey, metaKey }) => {
        const place = target instanceof Element ? target.closest<HTMLElement>('[data-place]') : null;
        if (place === null) return;
        const isTouch = pointer.current === 'touch' || pointer.current === 'pen';
        onReach(
          Number(place.dataset['place']),
          shiftKey ? 'range' : ctrlKey || metaKey || isTouch ? 'toggle' : 'one',
        );
      }}
    >
      <div
        ref={canvas}
        role="presentation"
        className={styles.canvas}
        style={{ height: Math.max(0, rows * rowHeight - gap) }}
      />
    </div>
  );
}
