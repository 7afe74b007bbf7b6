// Classes that are made in the app: their names and the pictures put into them, by the camera, by pasting or
// from files, until they are opened like a folder of class folders. Kept while the page is open.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { SourceFile } from '../worker/protocol.ts';

export interface OwnClass {
  /** Tells it from others while its name is typed. */
  readonly id: number;
  readonly name: string;
  readonly pictures: readonly SourceFile[];
}

interface OwnPictures {
  readonly classes: readonly OwnClass[];
  readonly nextId: number;
  /** The classes as they were opened last. */
  readonly opened: readonly OwnClass[] | null;
}

const initial: OwnPictures = {
  classes: [
    { id: 0, name: 'Class 1', pictures: [] },
    { id: 1, name: 'Class 2', pictures: [] },
  ],
  nextId: 2,
  opened: null,
};

export const ownPicturesStore = createStore<OwnPictures>(() => initial);

export function useOwnPictures<T>(select: (state: OwnPictures) => T): T {
  return useStore(ownPicturesStore, select);
}

const change = (id: number, make: (one: OwnClass) => OwnClass): void =>
  ownPicturesStore.setState(({ classes }) => ({
    classes: classes.map((one) => (one.id === id ? make(one) : one)),
  }));

export function addClass(): void {
  ownPicturesStore.setState(({ classes, nextId }) => ({
    classes: [...classes, { id: nextId, name: `Class ${nextId + 1}`, pictures: [] }],
    nextId: nextId + 1,
  }));
}

export function removeClass(id: number): void {
  ownPicturesStore.setState(({ classes }) => ({ classes: classes.filter((one) => one.id !== id) }));
}

export const renameClass = (id: number, name: string): void => change(id, (one) => ({ ...one, name }));

export const addPictures = (id: number, pictures: readonly SourceFile[]): void =>
  change(id, (one) => ({ ...one, pictures: [...one.pictures, ...pictures] }));

export const emptyClass = (id: number): void => change(id, (one) => ({ ...one, pictures: [] }));

export const markOpened = (): void => ownPicturesStore.setState(({ classes }) => ({ opened: classes }));

/** Why these classes cannot be opened, as a sentence; null where they can. */
export function ownProblem(classes: readonly OwnClass[]): string | null {
  const used = classes.filter(({ pictures }) => pictures.length > 0);
  const names = used.map(({ name }) => name.trim().normalize('NFC'));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (names.includes('')) return 'A class has pictures and no name.';
  if (twice !== undefined) return `Two classes are called "${twice}".`;
  const odd = names.find((name) => /[/\\\0]|^\./.test(name));
  if (odd !== undefined)
    return `"${odd}" cannot be a name: it is that of a folder, so no / or \\, and no dot first.`;
  return used.length < 2 ? 'At least two classes need pictures.' : null;
}

/** What they are called once they are open. */
export const ownTitle = 'My pictures';

/** The pictures as files in one folder a class. */
export function ownFiles(classes: readonly OwnClass[]): SourceFile[] {
  return classes.flatMap(({ name, pictures }) =>
    pictures.map(({ path, blob }, i) => {
      const last = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
      const number = String(i + 1).padStart(4, '0');
      return { path: `${ownTitle}/${name.trim()}/${number} ${last}`, blob };
    }),
  );
}
