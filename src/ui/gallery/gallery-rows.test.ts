// @vitest-environment happy-dom Which rows are drawn, and that a row that comes back shows what belongs there
// and nothing of what it showed.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Gallery } from '../../worker/protocol.ts';
import { GalleryRows, rowHeight, rowsAt, type RowsLook } from './gallery-rows.ts';
import { noSelection } from './selection.ts';

const height = 4 * rowHeight;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('rows are drawn as far ahead as the scroll is fast, at most a window, and none for a leap', () => {
  const at = (moved: number) => rowsAt({ top: 50.5 * rowHeight, moved, height }, 100);
  expect(at(0)).toEqual({ inSight: { first: 50, last: 55 }, drawn: { first: 48, last: 57 } });
  expect(at(30).drawn).toEqual({ first: 48, last: 58 });
  expect(at(-rowHeight).drawn).toEqual({ first: 46, last: 57 });
  expect(at(5 * rowHeight).drawn).toEqual({ first: 48, last: 61 });
  expect(at(40 * rowHeight).drawn).toEqual({ first: 48, last: 57 });
});

test('at the ends of the list, and beyond them, there are no rows but those that it has', () => {
  expect(rowsAt({ top: -80, moved: -20, height }, 100).drawn).toEqual({ first: 0, last: 7 });
  expect(rowsAt({ top: 96 * rowHeight, moved: 400, height }, 100).drawn).toEqual({ first: 94, last: 100 });
  expect(rowsAt({ top: 0, moved: 0, height }, 0).drawn).toEqual({ first: 0, last: 0 });
});

/** Of 100 images in four columns, of which every tenth was edited and every seventh left out. */
function lookOf(shown: readonly number[]): RowsLook {
  const gallery: Gallery = {
    version: 1,
    set: 1,
    names: ['a', 'b'],
    places: ['train', 'excluded'],
    classOf: new Int32Array(100).map((_, image) => image % 2),
    placeOf: new Uint8Array(100).map((_, image) => (image % 7 === 0 ? 1 : 0)),
    changed: new Uint8Array(100).map((_, image) => (image % 10 === 0 ? 1 : 0)),
    findings: [],
    inRun: null,
  };
  const paths = Array.from({ length: 100 }, (_, image) => `${image}.png`);
  const mistakes = new Map([[3, { answer: 'b', confidence: 0.9 }]]);
  const { names } = gallery;
  return { gallery, shown, selection: noSelection, mistakes, paths, names, columns: 4, height };
}

function drawn(shown: readonly number[]) {
  const list = document.createElement('div');
  const canvas = list.appendChild(document.createElement('div'));
  let images: readonly number[] = [];
  const onImages = vi.fn((now: readonly number[]) => (images = now));
  const rows = new GalleryRows({ list, canvas, id: 'x', onImages });
  rows.show(lookOf(shown), new Map());
  /** What each cell says, by its place in the list. */
  const cells = (): Record<string, string> => {
    const said: Record<string, string> = {};
    for (const cell of list.querySelectorAll<HTMLElement>('[role=option]')) {
      const text = cell.textContent.replace(/\s/g, ' ');
      const picture = cell.querySelector('img')?.src ?? 'bare';
      said[cell.dataset['place'] ?? ''] = [cell.getAttribute('aria-label'), text, picture].join();
    }
    return said;
  };
  const scrollTo = (row: number): void => {
    list.scrollTop = row * rowHeight;
    rows.scrolled();
  };
  /** First places of the rows, in the order of the elements. */
  const order = (): number[] =>
    [...canvas.querySelectorAll<HTMLElement>('[role=presentation] > :first-child')].map((cell) =>
      Number(cell.dataset['place']),
    );
  return { list, canvas, rows, cells, scrollTo, order, onImages, images: () => images };
}

const all = Array.from({ length: 100 }, (_, image) => image);

test('a row that is scrolled out comes back with other images and with nothing of the former ones', () => {
  const { canvas, rows, cells, scrollTo, images } = drawn(all);
  rows.showPictures(new Map(all.slice(0, 40).map((image) => [image, `data:,${image}`])));
  const before = cells();
  expect(before['0']).toBe('0.png, a, left out, edited,aedited,data:,0');
  expect(before['3']).toBe('3.png, b, to learn from, answered b,banswered b 90 %,data:,3');
  const elements = new Set(canvas.children);
  for (const row of [1, 2, 3, 4, 5, 6, 7, 8, 12, 20]) scrollTo(row);
  expect([...canvas.children].filter((row) => elements.has(row)).length).toBe(elements.size);
  expect(cells()['81']).toBe('81.png, b, to learn from,b,bare');
  // The others of the window are asked for after those in sight.
  expect(images().slice(0, 3)).toEqual([80, 81, 82]);
  for (const row of [12, 8, 4, 0]) scrollTo(row);
  expect(Object.fromEntries(Object.entries(cells()).filter(([place]) => place in before))).toEqual(before);
});

test('fewer images leave no row behind, and the keyboard is named where its image is in the page', () => {
  const { list, canvas, rows, cells, scrollTo } = drawn(all);
  expect(list.getAttribute('aria-activedescendant')).toBe(canvas.querySelector('[role=option]')?.id);
  scrollTo(20);
  expect(list.hasAttribute('aria-activedescendant')).toBe(false);
  rows.show(lookOf(all.slice(90)), new Map());
  list.scrollTop = 0;
  rows.scrolled();
  expect(Object.keys(cells())).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  rows.clear();
  expect(canvas.childElementCount).toBe(0);
});

test('after a scroll elements come into the order of the images, and rows that stayed are not moved', () => {
  const { canvas, scrollTo, order } = drawn(all);
  const inserted = vi.spyOn(canvas, 'insertBefore');
  for (const [rows, stays] of [
    [
      [2, 5],
      [3, 4, 5, 6],
    ],
    [
      [4, 2],
      [3, 4, 5, 6],
    ],
    [[15], []],
  ] as const) {
    const kept = new Set(
      [...canvas.children].filter((_, at) => stays.some((row) => order()[at] === 4 * row)),
    );
    expect(kept.size).toBe(stays.length);
    inserted.mockClear();
    for (const row of rows) scrollTo(row);
    vi.advanceTimersByTime(1000);
    const now = order();
    expect(now).toEqual([...now].sort((a, b) => a - b));
    expect(inserted.mock.calls.filter(([row]) => row instanceof Element && kept.has(row))).toEqual([]);
  }
  expect(order().at(-1)).toBe(4 * 21);
});

test('no row is moved while a pointer is down on a cell, nor at once when it is released', () => {
  const { canvas, rows, scrollTo, order } = drawn(all);
  scrollTo(5);
  const before = order();
  canvas.querySelector('[role=option]')?.dispatchEvent(new Event('pointerdown', { bubbles: true }));
  vi.advanceTimersByTime(1000);
  rows.show(lookOf(all), new Map());
  expect(order()).toEqual(before);
  document.dispatchEvent(new Event('pointerup'));
  expect(order()).toEqual(before);
  vi.advanceTimersByTime(1000);
  expect(order()).not.toEqual(before);
  expect(order()).toEqual([...before].sort((a, b) => a - b));
});

test('another selection asks for no pictures again, and names the cell of the keyboard', () => {
  const { list, canvas, rows, onImages } = drawn(all);
  const moved = { ...noSelection, images: new Set([5]), at: 5 };
  rows.show({ ...lookOf(all), selection: moved }, new Map());
  expect(onImages).toHaveBeenCalledTimes(1);
  const named = canvas.querySelector('[aria-selected=true]');
  expect(named?.id).toBe(list.getAttribute('aria-activedescendant'));
  rows.show({ ...lookOf([...all]), selection: moved }, new Map());
  expect(onImages).toHaveBeenCalledTimes(2);
});

test('a picture element never goes on to another image, whose picture may be decoded later', () => {
  const { canvas, rows, scrollTo } = drawn(all);
  const pictures = new Map(all.map((image) => [image, `data:,${image}`]));
  rows.showPictures(pictures);
  const before = new Map([...canvas.querySelectorAll('img')].map((element) => [element, element.src]));
  scrollTo(3);
  rows.showPictures(new Map([...pictures, [12, 'data:,again']]));
  const now = [...canvas.querySelectorAll('img')];
  const stayed = now.filter((element) => before.has(element));
  expect(stayed.length).toBeGreaterThan(4);
  expect(stayed.length).toBeLessThan(now.length);
  // One image has got another picture.
  expect(stayed.filter((element) => element.src !== before.get(element)).map(({ src }) => src)).toEqual([
    'data:,again',
  ]);
});
