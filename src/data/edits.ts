// Edits: what a user changes of images that were read, as a list of small values, and what the images are with
// them. Nothing is changed in place and nothing on a disk: an undo is a list without its last edit. Images are
// named by the digest of their content, so that edits hold for the same files when they are opened again.
import { bad, countWarnings, datasetFault, likeClasses } from './dataset-verdict.ts';
import { byCodePoint } from './file-path.ts';
import type { ImportedImage, ImportReport, SplitName } from './import-report.ts';

/**
 * One change, of images by what `Images` names them with (digests here, their numbers on the page). Names of
 * classes are taken as they are: whoever makes an edit of what a user typed gives it `labelOf`'s form.
 */
export type Edit<Images = readonly string[]> =
  | { readonly kind: 'relabel'; readonly images: Images; readonly to: string }
  /** Left out of the set, and taken back into it. */
  | { readonly kind: 'exclude' | 'include'; readonly images: Images }
  /** The images of each group on one side of every split that is drawn, as if they came from one picture. */
  | { readonly kind: 'together'; readonly groups: readonly Images[] }
  /** Into a split, whatever a folder or the draw says; null: as these say. */
  | { readonly kind: 'move'; readonly images: Images; readonly to: SplitName | null }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'merge'; readonly from: readonly string[]; readonly to: string }
  /** A class without an image, to put images into. */
  | { readonly kind: 'make'; readonly name: string };

export interface EditedImage extends ImportedImage {
  /** Name of its class, also where that has no other image. */
  readonly label: string;
  /** -1 where it is left out of the set. */
  readonly classIndex: number;
  /** The class as it was read: the draw of the split goes by it, so that an edit moves no other image. */
  readonly readClass: number;
  /** The split that a user put it into; null for none. */
  readonly hand: SplitName | null;
  readonly excluded: boolean;
  /** Images of the same number are drawn together by a user's wish; -1 for one that is not. */
  readonly tied: number;
}

/** What was read, with edits. */
export interface EditedReport extends ImportReport {
  /** Every image in the order of the report that was edited, also those that are left out. */
  readonly images: readonly EditedImage[];
  /** Names of all classes in their order, also of those without an image. */
  readonly names: readonly string[];
}

/** What edits say of each image, while they are gone through. */
interface Marks {
  readonly labels: string[];
  readonly hands: (SplitName | null)[];
  readonly excluded: boolean[];
  /** [images] the first image that each is drawn together with, by its place; -1 for none. */
  readonly tied: Int32Array;
  readonly made: Set<string>;
  /**
   * Names in the order of the report, which can be a table's own; one that was renamed has the place of its
   * first former name.
   */
  readonly order: string[];
}

/** What the numbers of images of the classes decide, and edits with them. */
const decidedByCounts: ReadonlySet<string> = new Set([
  'empty-class',
  'one-class',
  'too-many-classes',
  'too-few',
]);

/**
 * The images as they are with these edits. Edits of images or classes that are not there change nothing.
 * Without edits it is the report that was given.
 */
export function applyEdits(report: ImportReport, edits: readonly Edit[]): EditedReport {
  const marks = marksOf(report, edits);
  const inSet = marks.labels.filter((_, at) => marks.excluded[at] !== true);
  const classes = edits.length === 0 ? report.classes : inOrder(new Set(inSet), marks.order);
  const classOf = new Map(classes.map((name, id) => [name, id]));
  const names = inOrder(new Set([...marks.labels, ...marks.made]), marks.order);
  const perClass = new Map(classes.map((name) => [name, 0]));
  report.images.forEach((image, at) => {
    const label = marks.labels[at] ?? '';
    if (marks.excluded[at] === true || (marks.hands[at] ?? image.split) === 'test') return;
    perClass.set(label, (perClass.get(label) ?? 0) + 1);
  });
  const images = report.images.map((image, at): EditedImage => {
    const label = marks.labels[at] ?? '';
    const excluded = marks.excluded[at] === true;
    return {
      ...image,
      label,
      classIndex: excluded ? -1 : (classOf.get(label) ?? -1),
      readClass: image.classIndex,
      hand: marks.hands[at] ?? null,
      excluded,
      tied: marks.tied[at] ?? -1,
      warnings: edits.length === 0 ? image.warnings : withLoneliness(image.warnings, perClass.get(label)),
    };
  });
  if (edits.length === 0) return { ...report, images, names };
  const counts = {
    perClass,
    emptyClasses: report.emptyClasses.filter((name) => !perClass.has(name)),
    untrained: report.untrained.filter((name) => !perClass.has(name)),
    rejected: [],
    files: report.images.length,
    archiveFaults: [],
  };
  const { fault } = report;
  const isOfReading = fault !== null && !(fault.kind === 'bad-dataset' && decidedByCounts.has(fault.why));
  return {
    ...report,
    images,
    names,
    classes,
    warnings: [
      ...report.warnings.filter(
        ({ code }) => code !== 'small-class' && code !== 'imbalanced' && code !== 'like-classes',
      ),
      ...likeClasses(classes),
      ...countWarnings(perClass),
    ],
    fault: isOfReading
      ? fault
      : classes.length === 0 && images.length > 0
        ? bad('none-usable', 'All images are left out of the set.')
        : datasetFault(counts),
  };
}

/** Names in an order, and behind it those that it lacks, by code point. */
function inOrder(names: ReadonlySet<string>, order: readonly string[]): string[] {
  const known = new Set(order);
  return [
    ...order.filter((name) => names.has(name)),
    ...[...names].filter((name) => !known.has(name)).sort(byCodePoint),
  ];
}

function marksOf({ images, classes }: ImportReport, edits: readonly Edit[]): Marks {
  const marks: Marks = {
    labels: images.map(({ classIndex }) => classes[classIndex] ?? ''),
    hands: images.map(() => null),
    excluded: images.map(() => false),
    tied: new Int32Array(images.length).fill(-1),
    made: new Set(),
    order: [...classes],
  };
  const places = new Map(edits.length === 0 ? [] : images.map(({ id }, at) => [id, at]));
  const each = (ids: readonly string[], change: (at: number) => void): void => {
    for (const id of ids) {
      const at = places.get(id);
      if (at !== undefined) change(at);
    }
  };
  const call = (from: readonly string[], to: string): void => {
    const former = new Set(from);
    marks.labels.forEach((label, at) => {
      if (former.has(label)) marks.labels[at] = to;
    });
    for (const name of former) if (marks.made.delete(name)) marks.made.add(to);
    callInOrder(marks.order, former, to);
  };
  for (const edit of edits) {
    switch (edit.kind) {
      case 'relabel':
        each(edit.images, (at) => (marks.labels[at] = edit.to));
        break;
      case 'exclude':
      case 'include':
        each(edit.images, (at) => (marks.excluded[at] = edit.kind === 'exclude'));
        break;
      case 'move':
        each(edit.images, (at) => (marks.hands[at] = edit.to));
        break;
      case 'together':
        for (const group of edit.groups)
          tie(
            marks.tied,
            group.flatMap((id) => places.get(id) ?? []),
          );
        break;
      case 'rename':
        call([edit.from], edit.to);
        break;
      case 'merge':
        call(edit.from, edit.to);
        break;
      case 'make':
        marks.made.add(edit.name);
        break;
      default:
        edit satisfies never;
    }
  }
  return marks;
}

/** Ties images, by their places, to the first of all that they are tied to. */
function tie(tied: Int32Array, group: readonly number[]): void {
  if (group.length < 2) return;
  const former = new Set(group.map((at) => tied[at] ?? -1));
  former.delete(-1);
  const first = Math.min(...group, ...former);
  if (former.size > 0)
    tied.forEach((other, at) => {
      if (former.has(other)) tied[at] = first;
    });
  for (const at of group) tied[at] = first;
}

/** Puts a name in the place of the first of its former names; one that has a place of its own keeps it. */
function callInOrder(order: string[], former: ReadonlySet<string>, to: string): void {
  const first = order.findIndex((name) => former.has(name));
  if (first >= 0 && !order.includes(to)) order[first] = to;
  const kept = order.filter((name) => name === to || !former.has(name));
  order.splice(0, order.length, ...kept);
}

/** What classes as they were read are called now; their own name where no edit renamed or merged them. */
export function namesNow(classes: readonly string[], edits: readonly Edit[]): string[] {
  return edits.reduce(
    (names, edit) =>
      edit.kind === 'rename' || edit.kind === 'merge'
        ? names.map((name) =>
            (edit.kind === 'rename' ? edit.from === name : edit.from.includes(name)) ? edit.to : name,
          )
        : names,
    [...classes],
  );
}

/** Its warnings, with that of an only image of a class where it is one now. */
function withLoneliness(
  warnings: ImportedImage['warnings'],
  count: number | undefined,
): ImportedImage['warnings'] {
  const others = warnings.filter(({ code }) => code !== 'small-class');
  return count === 1
    ? [...others, { code: 'small-class', text: 'It is the only image of its class.' }]
    : others;
}

/** What an edit does, to stand behind "Undo:". */
export function editWords(edit: Edit<{ readonly length: number }>): string {
  const count = ({ length }: { readonly length: number }): string =>
    length === 1 ? '1 image' : `${length} images`;
  switch (edit.kind) {
    case 'relabel':
      return `relabel ${count(edit.images)} as “${edit.to}”`;
    case 'exclude':
      return `leave out ${count(edit.images)}`;
    case 'include':
      return `bring back ${count(edit.images)}`;
    case 'move':
      return edit.to === null
        ? `let the split decide for ${count(edit.images)}`
        : `move ${count(edit.images)} to ${splitWords[edit.to]}`;
    case 'together':
      return `draw ${count({ length: edit.groups.reduce((sum, { length }) => sum + length, 0) })} together`;
    case 'rename':
      return `rename “${edit.from}” to “${edit.to}”`;
    case 'merge':
      return `merge ${edit.from.length} classes into “${edit.to}”`;
    case 'make':
      return `make the class “${edit.name}”`;
    default:
      return edit satisfies never;
  }
}

const splitWords: Readonly<Record<SplitName, string>> = {
  train: 'the training images',
  validation: 'the validation images',
  test: 'the test images',
};

/** Edits in their order, of which the first `done` hold: the others were undone and can be done again. */
export interface EditHistory {
  readonly edits: readonly Edit[];
  readonly done: number;
}

export const noEdits: EditHistory = { edits: [], done: 0 };

/** With one edit more; what was undone before is forgotten. */
export function edited({ edits, done }: EditHistory, edit: Edit): EditHistory {
  return { edits: [...edits.slice(0, done), edit], done: done + 1 };
}

/** Without the last edit that holds; the same where there is none. */
export function undone({ edits, done }: EditHistory): EditHistory {
  return { edits, done: Math.max(0, done - 1) };
}

/** Without any edit; each can be done again. */
export const allUndone = ({ edits }: EditHistory): EditHistory => ({ edits, done: 0 });

/** With the edit that was undone last; the same where there is none. */
export function redone({ edits, done }: EditHistory): EditHistory {
  return { edits, done: Math.min(edits.length, done + 1) };
}

/** The edits that hold. */
export const inForce = ({ edits, done }: EditHistory): readonly Edit[] => edits.slice(0, done);
