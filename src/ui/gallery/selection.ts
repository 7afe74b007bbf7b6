// Which images are selected, and at which the keyboard is: as file managers do it. Pure; places are those in
// the list that is shown, images are known by their numbers.

export interface Selection {
  readonly images: ReadonlySet<number>;
  /** Place of the keyboard. */
  readonly at: number;
  /** Place from which Shift selects. */
  readonly anchor: number;
}

export const noSelection: Selection = { images: new Set(), at: 0, anchor: 0 };

/** What a click, a tap or a key does with the image at the place that it leads to. */
export type Reach =
  /** Selects it alone. */
  | 'one'
  /** Selects it too, or no longer. */
  | 'toggle'
  /** Selects all from the anchor to it, and nothing else. */
  | 'range'
  /** Selects nothing and goes there. */
  | 'move';

export function reached(
  { images, anchor }: Selection,
  shown: ArrayLike<number>,
  place: number,
  reach: Reach,
): Selection {
  const at = Math.max(0, Math.min(shown.length - 1, place));
  const image = shown[at];
  if (image === undefined) return noSelection;
  switch (reach) {
    case 'one':
      return { images: new Set([image]), at, anchor: at };
    case 'toggle': {
      const next = new Set(images);
      if (!next.delete(image)) next.add(image);
      return { images: next, at, anchor: at };
    }
    case 'range': {
      const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
      const range = Array.from({ length: to - from + 1 }, (_, i) => shown[from + i] ?? -1);
      return { images: new Set(range), at, anchor };
    }
    case 'move':
      return { images, at, anchor: at };
    default:
      return reach satisfies never;
  }
}

/** Another list is shown: what is in it stays selected, and the keyboard where it was as far as that goes. */
export function shownOtherwise({ images, at }: Selection, shown: ArrayLike<number>): Selection {
  const still = new Set(Array.from(shown).filter((image) => images.has(image)));
  const place = Math.max(0, Math.min(at, shown.length - 1));
  return { images: still, at: place, anchor: place };
}

/** The place to which a key leads in a grid; null for other keys. */
export function placeOfKey(
  key: string,
  at: number,
  { columns, rows, count }: { readonly columns: number; readonly rows: number; readonly count: number },
): number | null {
  const place = ((): number | null => {
    switch (key) {
      case 'ArrowLeft':
        return at - 1;
      case 'ArrowRight':
        return at + 1;
      case 'ArrowUp':
        return at < columns ? at : at - columns;
      case 'ArrowDown':
        return at + columns < count ? at + columns : at;
      case 'PageUp':
        return at < columns * rows ? at % columns : at - columns * rows;
      case 'PageDown':
        return at + columns * rows;
      case 'Home':
        return 0;
      case 'End':
        return count - 1;
      default:
        return null;
    }
  })();
  return place === null ? null : Math.max(0, Math.min(count - 1, place));
}
