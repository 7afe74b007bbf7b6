// The grid of images: a list of which only the rows in sight are in the page, whatever its length. Selected by
// mouse, touch and keyboard; the focus is the list's, so that no row that leaves takes it along.
import {
  memo,
  useDeferredValue,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
} from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useGallery } from '../../state/gallery-store.ts';
import type { Gallery, ImagePlace } from '../../worker/protocol.ts';
import { cx } from '../parts/cx.ts';
import { percentText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { placeOfKey, type Reach, type Selection } from './selection.ts';
import type { Mistake } from './shown-images.ts';
import styles from './Gallery.module.css';

/** Pixels of CSS: the least width of a cell, the height of one, and what is between them. */
const [cellWidth, cellHeight, gap] = [96, 136, 8];
const rowHeight = cellHeight + gap;
/** Rows above and below the window that are in the page too. */
const spareRows = 2;

export const placeWords: Readonly<Record<ImagePlace, string>> = {
  train: 'to learn from',
  validation: 'to validate',
  test: 'kept for a test',
  unused: 'not used, by the limits of the recipe',
  excluded: 'left out',
};

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
  const pointer = useRef('mouse');
  const paths = useGallery((state) => state.paths);
  const trainer = useTrainer();
  const names = useMemo(() => gallery.names.map((name) => plainText(name, 60)), [gallery]);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [scrolledTo, setScrolledTo] = useState(0);
  // Rows are drawn piece by piece, and those that are scrolled past are given up.
  const row = useDeferredValue(scrolledTo);
  const columns = Math.max(1, Math.floor((size.width + gap) / (cellWidth + gap)));
  const rows = Math.ceil(shown.length / columns);
  const inSight = Math.ceil(size.height / rowHeight);
  const firstInSight = Math.min(row, Math.max(0, rows - 1));
  const firstRow = Math.max(0, firstInSight - spareRows);
  const lastRow = Math.min(rows, firstInSight + inSight + 1 + spareRows);
  const [first, last] = [firstRow * columns, Math.min(shown.length, lastRow * columns)];

  const slots = inSight + 2 + 2 * spareRows;

  useLayoutEffect(() => {
    const element = list.current;
    if (element === null) return;
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What is in sight is asked for before what is only near it.
  useEffect(() => {
    const middle = shown.slice(firstInSight * columns, (firstInSight + inSight + 1) * columns);
    trainer.showImages([...new Set([...middle, ...shown.slice(first, last)])]);
  }, [trainer, shown, first, last, firstInSight, inSight, columns]);
  useEffect(() => () => trainer.showImages([]), [trainer]);

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
      rows: Math.max(1, inSight - 1),
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
      aria-activedescendant={
        selection.at >= first && selection.at < last ? `${id}-${selection.at}` : undefined
      }
      tabIndex={0}
      className={styles.list}
      data-testid="gallery"
      onScroll={({ currentTarget }) => {
        setScrolledTo(Math.floor(currentTarget.scrollTop / rowHeight));
        trainer.scrolling();
      }}
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
        role="presentation"
        className={styles.canvas}
        style={{ height: Math.max(0, rows * rowHeight - gap) }}
      >
        {Array.from({ length: Math.max(0, lastRow - firstRow) }, (_, i) => firstRow + i).map((at) => (
          <Row
            // A row that leaves on one side comes back on the other with other images.
            key={at % slots}
            row={at}
            {...{ id, gallery, shown, selection, mistakes, paths, names, columns }}
          />
        ))}
      </div>
    </div>
  );
}

interface RowProps extends Pick<GridProps, 'gallery' | 'shown' | 'selection' | 'mistakes'> {
  /** Of the list. */
  readonly id: string;
  readonly row: number;
  readonly columns: number;
  readonly paths: readonly string[];
  readonly names: readonly string[];
}

/** One row of cells: scrolling draws the rows that come into the page, and no other. */
const Row = memo(function Row(props: RowProps) {
  const { id, row, columns, gallery, shown, selection, mistakes, paths, names } = props;
  const first = row * columns;
  return shown.slice(first, first + columns).map((image, column) => {
    const place = first + column;
    const mistake = mistakes.get(image);
    return (
      <Cell
        key={column}
        id={`${id}-${place}`}
        {...{ image, place }}
        where={gallery.places[gallery.placeOf[image] ?? 0] ?? 'unused'}
        count={shown.length}
        path={paths[image] ?? ''}
        name={names[gallery.classOf[image] ?? -1] ?? ''}
        isChanged={gallery.changed[image] === 1}
        isSelected={selection.images.has(image)}
        isActive={place === selection.at}
        answer={mistake?.answer}
        confidence={mistake?.confidence}
        left={`${(100 * column) / columns}%`}
        top={row * rowHeight}
        width={`calc(${100 / columns}% - ${gap}px)`}
      />
    );
  });
});

interface CellProps {
  readonly id: string;
  readonly image: number;
  readonly place: number;
  readonly count: number;
  readonly path: string;
  readonly name: string;
  readonly where: ImagePlace;
  readonly isChanged: boolean;
  readonly isSelected: boolean;
  readonly isActive: boolean;
  readonly answer: string | undefined;
  readonly confidence: number | undefined;
  readonly left: string;
  readonly top: number;
  readonly width: string;
}

const Cell = memo(function Cell(props: CellProps) {
  const { id, image, place, count, path, name, where, isChanged, isSelected, isActive } = props;
  const { answer, confidence, left, top, width } = props;
  const url = useGallery(({ thumbnails }) => thumbnails.get(image));
  const words = [
    plainText(path, 200),
    name,
    placeWords[where],
    ...(isChanged ? ['edited'] : []),
    ...(answer === undefined ? [] : [`answered ${plainText(answer, 80)}`]),
  ].join(', ');
  return (
    <div
      id={id}
      role="option"
      aria-selected={isSelected}
      aria-setsize={count}
      aria-posinset={place + 1}
      aria-label={words}
      title={words}
      className={cx(styles.cell, isActive && styles.active, where === 'excluded' && styles.excluded)}
      style={{ left, top, width, height: cellHeight }}
      data-place={place}
      data-image={image}
    >
      {url == null ? (
        <span className={styles.picture} />
      ) : (
        <img className={styles.picture} src={url} alt="" decoding="async" draggable={false} />
      )}
      <span className={styles.caption}>
        <span className={cx(styles.dot, styles[where])} />
        <bdi>{name}</bdi>
      </span>
      {answer !== undefined && (
        <span className={styles.answer}>
          answered <bdi>{plainText(answer, 40)}</bdi> {percentText(confidence ?? 0, 0)}
        </span>
      )}
      {isChanged && <span className={styles.mark}>edited</span>}
    </div>
  );
});
