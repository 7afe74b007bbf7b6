// Which images the gallery shows for a filter, and what an ended run answered wrongly among them. Pure.
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

/** Numbers of the images that a filter shows, in the order of the set; mistakes the surest first. */
export function shownImages(
  gallery: Gallery,
  { name, place, finding }: GalleryFilter,
  mistakes: ReadonlyMap<number, Mistake>,
): readonly number[] {
  const { names, places, classOf, placeOf, changed, findings } = gallery;
  const wantedClass = name === null ? null : names.indexOf(name);
  const wantedPlace = place === null ? null : places.indexOf(place);
  const isFound = ((): ((image: number) => boolean) => {
    if (finding === null || finding === mistakenCode) return () => true;
    if (finding === changedCode) return (image) => changed[image] === 1;
    const found = new Set(findings.find(({ code }) => code === finding)?.images);
    return (image) => found.has(image);
  })();
  const all = finding === mistakenCode ? [...mistakes.keys()] : [...classOf.keys()];
  return all.filter(
    (image) =>
      (wantedClass === null || classOf[image] === wantedClass) &&
      (wantedPlace === null || placeOf[image] === wantedPlace) &&
      isFound(image),
  );
}
