// The verdict on a data set as a whole: why it cannot be trained on, and what is worth a warning. Counts
// only; knows nothing of files.
import type { Fault } from '../shared/fault.ts';
import type { DatasetWarning, RejectedFile } from './import-report.ts';

/** More classes than this are taken for a mistake. */
const maxClasses = 1000;

/** A class this many times as large as another makes the set imbalanced. */
const imbalance = 5;

export interface DatasetCounts {
  /** Images that train or validate, by class; those of test folders are not counted. */
  readonly perClass: ReadonlyMap<string, number>;
  readonly emptyClasses: readonly string[];
  /** Classes that occur in validation or test folders alone and were left out. */
  readonly untrained: readonly string[];
  readonly rejected: readonly RejectedFile[];
  /** Files looked at, system files left out. */
  readonly files: number;
  readonly archiveFaults: readonly Fault[];
}

/** Some names in quotes, for a sentence. */
export const quoted = (names: readonly string[]): string => {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return shown.join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
};

/** Why these images cannot be trained on, or null. */
export function datasetFault(counts: DatasetCounts): Fault | null {
  const { perClass, emptyClasses, untrained, rejected, files, archiveFaults } = counts;
  const classes = [...perClass.keys()];
  const [only] = classes;
  if (only === undefined) {
    const [archiveFault] = archiveFaults;
    // Nothing was refused but archives, and whatever lies beside them is no image.
    if (archiveFault !== undefined && rejected.length === archiveFaults.length) return archiveFault;
    const homeless = rejected.filter((file) => file.code === 'no-class').length;
    if (homeless > 0) {
      const none = homeless === 1 ? 'The image lies in no' : `None of the ${homeless} images lies in a`;
      return bad('no-folders', `${none} class folder.`);
    }
    const [first] = rejected;
    const example = first === undefined ? '' : ` For example ${first.path}: ${first.reason}`;
    const none = files === 1 ? 'The file is no image' : `None of the ${files} files is an image`;
    return bad('none-usable', `${none} that can be used.${example}`);
  }
  if (classes.length === 1) {
    if (emptyClasses.length > 0) {
      const others = emptyClasses.length === 1 ? 'holds' : 'hold';
      return bad(
        'empty-class',
        `${quoted(emptyClasses)} ${others} no usable image, and only "${only}" is left.`,
      );
    }
    const left = untrained.length === 0 ? '' : ` ${quoted(untrained)} has no training image.`;
    return bad('one-class', `All usable images are of the class "${only}".${left}`);
  }
  if (classes.length > maxClasses) {
    return bad('too-many-classes', `There are ${classes.length} classes; the limit is ${maxClasses}.`);
  }
  const small = classes.filter((name) => (perClass.get(name) ?? 0) < 2);
  if (classes.length - small.length < 2) {
    return bad(
      'too-few',
      `${quoted(small)} has fewer than two images, so it cannot be trained and validated.`,
    );
  }
  return null;
}

export const bad = (why: (Fault & { kind: 'bad-dataset' })['why'], detail: string): Fault => ({
  kind: 'bad-dataset',
  why,
  detail,
});

/** What the user should know of a set that can be trained on. */
export function datasetWarnings(counts: DatasetCounts, hasNoTrainFolder: boolean): DatasetWarning[] {
  const { perClass, emptyClasses, untrained, rejected } = counts;
  const warnings: DatasetWarning[] = [];
  for (const name of emptyClasses) {
    warnings.push({
      code: 'empty-class',
      text: `The folder "${name}" holds no usable image and makes no class.`,
    });
  }
  for (const name of untrained) {
    warnings.push({
      code: 'class-not-in-train',
      text: `The class "${name}" has no training image and is left out.`,
    });
  }
  warnings.push(...countWarnings(perClass));
  const codes = [
    ['duplicate', 'duplicates', 'Left out as exact duplicates'],
    ['label-conflict', 'label-conflict', 'Left out because they lie under two classes at once'],
    ['split-leak', 'split-leak', 'Left out of the later split because they lie in two splits at once'],
  ] as const;
  for (const [code, warning, text] of codes) {
    const count = rejected.filter((file) => file.code === code).length;
    if (count > 0) warnings.push({ code: warning, text: `${text}: ${count}.` });
  }
  if (hasNoTrainFolder) {
    warnings.push({
      code: 'no-train-split',
      text: 'No folder is called "train": all images are split afresh.',
    });
  }
  return warnings;
}

/** What the numbers of images of the classes give to know. */
export function countWarnings(perClass: DatasetCounts['perClass']): DatasetWarning[] {
  const warnings: DatasetWarning[] = [];
  for (const [name, count] of perClass) {
    if (count < 2)
      warnings.push({
        code: 'small-class',
        text: `The class "${name}" has one image: it is never validated.`,
      });
  }
  const sizes = [...perClass.values()];
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)];
  if (sizes.length > 1 && largest >= imbalance * smallest) {
    warnings.push({
      code: 'imbalanced',
      text: `The largest class has ${largest} images, the smallest ${smallest}.`,
    });
  }
  return warnings;
}

/** A warning for classes whose names differ in case, or in what parts their words, alone. */
export function likeClasses(classes: readonly string[]): DatasetWarning[] {
  const alike = new Map<string, string[]>();
  for (const name of classes) {
    const key = name
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[\s_-]+/g, ' ');
    alike.set(key, [...(alike.get(key) ?? []), name]);
  }
  return [...alike.values()]
    .filter((names) => names.length > 1)
    .map((names) => ({
      code: 'like-classes',
      text: `${quoted(names)} are nearly the same name, and are ${names.length} classes here. If one thing is meant, give its folders or rows one name.`,
    }));
}
