// The rows of the gallery that are in the page, as plain elements: a row that is scrolled out of the window
// comes back on the other side with other images, and of a cell only what differs is written. React would
// draw each entering row in a task of its own, a frame late and at several times the cost.
import { plainText } from '../../shared/plain-text.ts';
import type { Gallery, ImagePlace } from '../../worker/protocol.ts';
import { cx } from '../parts/cx.ts';
import { percentText } from '../parts/words.ts';
import type { Selection } from './selection.ts';
import type { Mistake } from './shown-images.ts';
import styles from './Gallery.module.css';

/** Pixels of CSS: the least width of a cell, what is between cells, and a row with what is below it. */
export const [cellWidth, gap, rowHeight] = [96, 8, 144];
/** Rows above and below the window that are in the page too. */
const spareRows = 2;
/** So many frames like the last are drawn ahead: the page may be behind the compositor by as many. */
const framesAhead = 2;
/** So long after the last scroll the rows are put into the order in which they are read, in ms. */
const restMs = 200;
const releases = ['pointerup', 'pointercancel'] as const;

export const placeWords: Readonly<Record<ImagePlace, string>> = {
  train: 'to learn from',
  validation: 'to validate',
  test: 'kept for a test',
  unused: 'not used, by the limits of the recipe',
  excluded: 'left out',
};

/** What the rows show. */
export interface RowsLook {
  readonly gallery: Gallery;
  /** Numbers of the images. */
  readonly shown: readonly number[];
  readonly selection: Selection;
  readonly mistakes: ReadonlyMap<number, Mistake>;
  readonly paths: readonly string[];
  /** Of the classes, as they are shown. */
  readonly names: readonly string[];
  readonly columns: number;
  /** Of the window, in pixels of CSS. */
  readonly height: number;
}

export type Thumbnails = ReadonlyMap<number, string | null>;

/** Rows from `first` until before `last`. */
export interface RowRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The rows in a window of `height` that is scrolled to `top` (pixels of CSS), and with them those to be drawn:
 * some on both sides, and where it is being scrolled (by `moved` since it was drawn last) as far ahead as it will
 * be soon, at most a window. After a leap nobody knows where it goes, so nothing more is drawn.
 */
export function rowsAt(
  { top, moved, height }: { readonly top: number; readonly moved: number; readonly height: number },
  rows: number,
): { readonly inSight: RowRange; readonly drawn: RowRange } {
  const fits = Math.ceil(height / rowHeight);
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight), rows - 1));
  const last = Math.min(rows, first + fits + 1);
  const isLeap = Math.abs(moved) > 2 * height;
  const further = isLeap ? 0 : Math.min(fits, Math.ceil((framesAhead * Math.abs(moved)) / rowHeight));
  const above = spareRows + (moved < 0 ? further : 0);
  const below = spareRows + (moved > 0 ? further : 0);
  return {
    inSight: { first, last },
    drawn: { first: Math.max(0, first - above), last: Math.min(rows, last + below) },
  };
}

export interface RowsOwner {
  readonly list: HTMLElement;
  /** In the list, as high as all rows. */
  readonly canvas: HTMLElement;
  /** Of the page, for names of its elements. */
  readonly id: string;
  /** Told the images of the rows in the page, those in sight first, when they are others. */
  readonly onImages: (images: readonly number[]) => void;
}

/** Draws the rows that are in sight of a list, and those near them. */
export class GalleryRows {
  readonly #rows = new Map<number, Row>();
  #look: RowsLook | null = null;
  #thumbnails: Thumbnails = new Map();
  #top = 0;
  #firstInSight = -1;
  /** Drawn at another place since the order was last right; the others are in order among themselves. */
  readonly #displaced = new Set<Row>();
  #isPressed = false;
  #resting: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly owner: RowsOwner) {
    owner.list.addEventListener('pointerdown', this.#press);
    for (const name of releases) document.addEventListener(name, this.#release, true);
  }

  /** Something else is shown, or in another way. */
  show(look: RowsLook, thumbnails: Thumbnails): void {
    const rows = Math.ceil(look.shown.length / look.columns);
    const last = this.#look;
    if (last?.shown !== look.shown || last.columns !== look.columns || last.height !== look.height)
      this.#firstInSight = -1;
    this.#look = look;
    this.#thumbnails = thumbnails;
    this.owner.canvas.style.setProperty('--columns', String(look.columns));
    for (const [at, row] of this.#rows) {
      if (at < rows) row.draw(at, look, thumbnails);
      else this.#remove(at, row);
    }
    this.#draw(this.owner.list.scrollTop, 0);
    this.#nameActive(look);
    this.#order();
  }

  /** Some pictures have come, or gone. */
  showPictures(thumbnails: Thumbnails): void {
    this.#thumbnails = thumbnails;
    for (const row of this.#rows.values()) row.showPictures(thumbnails);
  }

  /** The list was scrolled. */
  scrolled(): void {
    const top = this.owner.list.scrollTop;
    this.#draw(top, top - this.#top);
    this.#orderAtRest();
  }

  /** Takes all rows away; nothing is drawn after it. */
  clear(): void {
    clearTimeout(this.#resting);
    this.owner.list.removeEventListener('pointerdown', this.#press);
    for (const name of releases) document.removeEventListener(name, this.#release, true);
    for (const [at, row] of this.#rows) this.#remove(at, row);
  }

  #draw(top: number, moved: number): void {
    this.#top = top;
    const look = this.#look;
    if (look === null) return;
    const rows = Math.ceil(look.shown.length / look.columns);
    const { inSight, drawn } = rowsAt({ top, moved, height: look.height }, rows);
    const spare = [...this.#rows.keys()].filter((at) => at < drawn.first || at >= drawn.last);
    const middle = (drawn.first + drawn.last) / 2;
    spare.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    let isOther = this.#firstInSight !== inSight.first;
    for (let at = drawn.first; at < drawn.last; at++) {
      if (this.#rows.has(at)) continue;
      isOther = true;
      const from = spare.pop();
      const row = (from === undefined ? undefined : this.#rows.get(from)) ?? new Row(this.owner);
      if (from !== undefined) this.#rows.delete(from);
      this.#rows.set(at, row);
      this.#displaced.add(row);
      row.draw(at, look, this.#thumbnails);
    }
    if (!isOther) return;
    this.#firstInSight = inSight.first;
    this.#nameActive(look);
    const { shown, columns } = look;
    const imagesOf = ({ first, last }: RowRange): readonly number[] =>
      shown.slice(first * columns, last * columns);
    this.owner.onImages([...new Set([...imagesOf(inSight), ...imagesOf(drawn)])]);
  }

  /** Names the cell of the keyboard, if it is in the page. */
  #nameActive({ selection, columns }: RowsLook): void {
    const { list, id } = this.owner;
    if (this.#rows.has(Math.floor(selection.at / columns)))
      list.setAttribute('aria-activedescendant', optionId(id, selection.at));
    else list.removeAttribute('aria-activedescendant');
  }

  /** A bar for scrolling is the list's own, and not every browser tells when it is released. */
  readonly #press = ({ target }: Event): void => {
    this.#isPressed ||= target !== this.owner.list;
  };

  /** The click comes after it, and finds its cell where it was pressed. */
  readonly #release = (): void => {
    if (!this.#isPressed) return;
    this.#isPressed = false;
    this.#orderAtRest();
  };

  #orderAtRest(): void {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#order(), restMs);
  }

  /**
   * Puts elements into the order of the images, for whoever reads them one after the other. Only displaced rows are
   * moved, and none while a pointer is down: an element that is moved between press and release is not clicked.
   */
  #order(): void {
    if (this.#isPressed) return;
    let next: HTMLElement | null = null;
    for (const [, row] of [...this.#rows].sort(([a], [b]) => b - a)) {
      const { element } = row;
      if (this.#displaced.has(row) && element.nextElementSibling !== next)
        this.owner.canvas.insertBefore(element, next);
      next = element;
    }
    this.#displaced.clear();
  }

  #remove(at: number, row: Row): void {
    row.element.remove();
    this.#rows.delete(at);
    this.#displaced.delete(row);
  }
}

const optionId = (id: string, place: number): string => `${id}-${place}`;

function made(kind: string, className: string | undefined): HTMLElement {
  const element = document.createElement(kind);
  if (className !== undefined) element.className = className;
  return element;
}

/** One row of cells. */
class Row {
  readonly element = made('div', styles.row);
  readonly #cells: Cell[] = [];

  constructor(private readonly owner: RowsOwner) {
    this.element.setAttribute('role', 'presentation');
    owner.canvas.append(this.element);
  }

  draw(at: number, look: RowsLook, thumbnails: Thumbnails): void {
    const { columns, shown } = look;
    this.element.style.transform = `translateY(${at * rowHeight}px)`;
    const first = at * columns;
    const count = Math.max(0, Math.min(columns, shown.length - first));
    for (const cell of this.#cells.splice(count)) cell.element.remove();
    for (let column = 0; column < count; column++) {
      let cell = this.#cells[column];
      if (cell === undefined) {
        cell = new Cell(this.owner.id);
        this.#cells.push(cell);
        this.element.append(cell.element);
      }
      cell.draw(lookOf(look, first + column));
    }
    this.showPictures(thumbnails);
  }

  showPictures(thumbnails: Thumbnails): void {
    for (const cell of this.#cells) cell.showPicture(thumbnails);
  }
}

/** What a cell shows but its picture. */
interface CellLook {
  readonly image: number;
  readonly place: number;
  readonly count: number;
  readonly path: string;
  readonly name: string;
  readonly where: ImagePlace;
  readonly isChanged: boolean;
  readonly isSelected: boolean;
  readonly isActive: boolean;
  readonly mistake: Mistake | undefined;
}

function lookOf({ gallery, shown, selection, mistakes, paths, names }: RowsLook, place: number): CellLook {
  const image = shown[place] ?? -1;
  return {
    image,
    place,
    count: shown.length,
    path: paths[image] ?? '',
    name: names[gallery.classOf[image] ?? -1] ?? '',
    where: gallery.places[gallery.placeOf[image] ?? 0] ?? 'unused',
    isChanged: gallery.changed[image] === 1,
    isSelected: selection.images.has(image),
    isActive: place === selection.at,
    mistake: mistakes.get(image),
  };
}

/** One image: its picture, its class, and what there is to know of it. */
class Cell {
  readonly element = made('div', styles.cell);
  readonly #picture = made('span', styles.picture);
  readonly #dot = made('span', styles.dot);
  readonly #name = document.createTextNode('');
  readonly #caption = made('span', styles.caption);
  /** After the caption, where there is something to tell. */
  #more: readonly HTMLElement[] = [];
  #image: HTMLImageElement | null = null;
  /** Number of the image that the picture is of. */
  #imageOf = -1;
  #url: string | null = null;
  #look: CellLook | null = null;

  constructor(private readonly id: string) {
    const name = made('bdi', undefined);
    name.append(this.#name);
    this.#caption.append(this.#dot, name);
    this.element.setAttribute('role', 'option');
    this.element.append(this.#picture, this.#caption);
  }

  draw(look: CellLook): void {
    const { element } = this;
    const last = this.#look;
    this.#look = look;
    const { image, place, count, path, name, where, isChanged, isSelected, isActive, mistake } = look;
    if (last?.isSelected !== isSelected) element.setAttribute('aria-selected', String(isSelected));
    if (last?.count !== count) element.setAttribute('aria-setsize', String(count));
    if (last?.place !== place) {
      element.setAttribute('aria-posinset', String(place + 1));
      element.dataset['place'] = String(place);
    }
    if (last?.place !== place || last.isActive !== isActive) {
      // Only what is referred to needs an id.
      if (isActive) element.id = optionId(this.id, place);
      else if (last?.isActive === true) element.removeAttribute('id');
    }
    const isOther =
      last?.image !== image ||
      last.path !== path ||
      last.name !== name ||
      last.where !== where ||
      last.isChanged !== isChanged ||
      last.mistake !== mistake;
    if (isOther) {
      const words = [
        plainText(path, 200),
        name,
        placeWords[where],
        ...(isChanged ? ['edited'] : []),
        ...(mistake === undefined ? [] : [`answered ${plainText(mistake.answer, 80)}`]),
      ].join(', ');
      element.setAttribute('aria-label', words);
      element.title = words;
    }
    if (last?.name !== name) this.#name.data = name;
    if (last?.where !== where) this.#dot.className = cx(styles.dot, styles[where]);
    const className = cx(
      styles.cell,
      isActive && styles.active,
      isChanged && styles.changed,
      where === 'excluded' && styles.excluded,
    );
    if (element.className !== className) element.className = className;
    if (last?.isChanged === isChanged && last.mistake === mistake) return;
    for (const one of this.#more) one.remove();
    this.#more = [
      ...(mistake === undefined ? [] : [answerOf(mistake)]),
      ...(isChanged ? [markOf('edited')] : []),
    ];
    element.append(...this.#more);
  }

  showPicture(thumbnails: Thumbnails): void {
    const image = this.#look?.image ?? -1;
    const url = thumbnails.get(image) ?? null;
    // An element shows its former picture until the next is decoded: another image gets another element.
    if (image !== this.#imageOf || url === null) {
      this.#image?.remove();
      this.#image = null;
      this.#url = null;
    }
    this.#imageOf = image;
    if (url === this.#url || url === null) return;
    this.#url = url;
    if (this.#image === null) {
      this.#image = document.createElement('img');
      this.#image.alt = '';
      this.#image.decoding = 'async';
      this.#image.draggable = false;
      this.#picture.append(this.#image);
    }
    this.#image.src = url;
  }
}

function answerOf({ answer, confidence }: Mistake): HTMLElement {
  const element = made('span', styles.answer);
  const name = made('bdi', undefined);
  name.textContent = plainText(answer, 40);
  element.append('answered ', name, ` ${percentText(confidence, 0)}`);
  return element;
}

function markOf(words: string): HTMLElement {
  const element = made('span', styles.mark);
  element.textContent = words;
  return element;
}
