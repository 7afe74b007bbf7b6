// Which images the gallery shows for a filter, and what an ended run answered wrongly among them. Pure.
import type { DataState } from '../../state/data-store.ts';
import type { GalleryFilter } from '../../state/gallery-store.ts';
import { answersOf } from '../../understand/answers.ts';
import type { Gallery, SetAnswers } from '../../worker/protocol.ts';

/** What a run answered to an image that its label denies. */
export interface Mistake {
  /** Name of the class that it answered. */
  readonly answer: string;
  /** Probability of it. */
  readonly confidence: number;
}

export const changedCode = 'changed';
export const mistakenCode = 'mistaken';

/**
 * Answers that are neither the labels that the run knew (a class may be called otherwise since) nor those of now,
 * by the numbers of open images, the surest first; of a run whose images
 * are not open none.
 */
export function mistakesOf(
  { inRun, names, classOf }: Gallery,
  asked: readonly SetAnswers[],
): ReadonlyMap<number, Mistake> {
  if (inRun === null || asked.length === 0) return new Map();
  const openOf = new Map<number, number>();
  inRun.forEach((number, at) => openOf.set(number, at));
  const found: (Mistake & { readonly image: number })[] = [];
  for (const { classes, labels, logits, images } of asked) {
    const { answer, confidence } = answersOf({ classes: classes.length, logits, labels });
    images.forEach((number, row) => {
      const image = openOf.get(number);
      const answered = classes[answer[row] ?? -1] ?? '';
      const isRight = answer[row] === labels[row] || answered === names[classOf[image ?? -1] ?? -1];
      if (image === undefined || isRight) return;
      found.push({ image, answer: answered, confidence: confidence[row] ?? 0 });
    });
  }
  found.sort((a, b) => b.confidence - a.confidence);
  return new Map(found.map(({ image, ...mistake }) => [image, mistake]));
}

export type Findings = readonly {
  readonly code: string;
  readonly images: ArrayLike<number> & Iterable<number>;
}[];

/** What their files tell of images, and what was found when they were looked at; copies beside each other. */
export function findingsOf({ findings }: Gallery, check: DataState['check']): Findings {
  if (typeof check !== 'object') return findings;
  const found = check.findings.map(({ kind, groups }) => ({
    code: kind,
    images: groups.flat().map(({ image }) => image),
  }));
  return [...found, ...findings];
}

/** Numbers of the images that a filter shows, in the order of the set; mistakes the surest first. */
export function shownImages(
  gallery: Gallery,
  { name, place, finding }: GalleryFilter,
  known: Findings,
  mistakes: ReadonlyMap<number, Mistake>,
): readonly number[] {
  const { names, places, classOf, placeOf, changed } = gallery;
  const wantedClass = name === null ? null : names.indexOf(name);
  const wantedPlace = place === null ? null : places.indexOf(place);
  const all = ((): Iterable<number> => {
    if (finding === null) return classOf.keys();
    if (finding === mistakenCode) return mistakes.keys();
    if (finding === changedCode) return [...changed.keys()].filter((image) => changed[image] === 1);
    return known.find(({ code }) => code === finding)?.images ?? [];
  })();
  return [...all].filter(
    (image) =>
      (wantedClass === null || classOf[image] === wantedClass) &&
      (wantedPlace === null || placeOf[image] === wantedPlace),
  );
}
