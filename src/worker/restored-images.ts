// The images of a saved run without their folder: labels, splits and digests from the checkpoint, pixels from
// the pixel store, and files only of those that are open just now. What is missing is counted, never guessed.
import { applyEdits, edited, inForce, noEdits, type Edit } from '../data/edits.ts';
import { headerOf } from '../data/image-format.ts';
import type { ImportedImage, ImportReport } from '../data/import-report.ts';
import type { KeptPixels } from '../data/pixel-cache.ts';
import { splitNames } from '../data/split.ts';
import type { SavedImages } from '../runs/saved-run.ts';
import { present } from '../shared/assert.ts';
import { fail, type Result } from '../shared/result.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import { tiesOf, withSplit, type Draw, type OpenData } from './open-data.ts';

/** The images of a run as if their folder had been opened; those of `open` with their files. */
export function restoredImages(
  images: SavedImages,
  side: number,
  open: OpenData | null,
  draw: Draw,
  run: string,
): OpenData {
  const { title, classes, ids, labels, origins, ties, folds, named, counts } = images;
  const files = new Map(open?.report.images.map((image) => [image.id, image]));
  const header = unwrapHeader(side);
  const parts = splitNames.flatMap((name) => Array.from({ length: counts[name] }, () => name));
  const list = ids.map((id, index): ImportedImage => {
    const classIndex = present(labels[index], 'label');
    const path = `${classes[classIndex] ?? ''}/${id.slice(0, 12)}`;
    const part = parts[index] ?? null;
    const told = named === null ? null : (splitNames[named[index] ?? -1] ?? null);
    const goesByPart = part === 'test' || (named === null && images.splitBy !== 'seed');
    const split = goesByPart ? part : told;
    const unread = { format: 'png', width: side, height: side, header, stored: null, sizeBytes: 0 } as const;
    const content = (): Promise<Result<Blob>> =>
      Promise.resolve(
        fail({ kind: 'bad-file', name: path, why: 'unreadable', detail: 'Its folder is not open.' }),
      );
    const known = files.get(id);
    const origin = origins?.[index];
    return {
      ...{ ...unread, warnings: [], content, ...known, id, path: known?.path ?? path, classIndex, split },
      ...(origin === undefined ? {} : { origin }),
    };
  });
  const range = (begin: number, end: number): number[] =>
    Array.from({ length: end - begin }, (_, i) => begin + i);
  const trained = counts.train + counts.validation;
  const report: ImportReport = {
    reading: { sentence: images.reading, choices: [], grey16: images.pixels.grey16 },
    classes,
    images: list,
    rejected: [],
    ignored: [],
    emptyClasses: [],
    untrained: [],
    warnings: [],
    fault: null,
  };
  const history = ties === null ? noEdits : edited(noEdits, tiedAgain(ids, ties));
  const dealt =
    folds === null ? undefined : { draw, ties: tiesOf(applyEdits(report, inForce(history)).images), folds };
  const data = withSplit(
    // Edits of them begin with what the run knew, not with what their folder says.
    { title, keep: { ids, reading: `run ${run}` }, report, history, dealt },
    draw,
    {
      train: range(0, counts.train),
      validation: range(counts.train, trained),
      test: range(trained, trained + counts.test),
    },
  );
  const { splitBy, findings: pixels } = images;
  return { ...data, summary: { ...data.summary, splitBy, pixels } };
}

/** What ties images as they are in a saved run. */
function tiedAgain(ids: readonly string[], ties: Int32Array): Edit {
  const groups = new Map<number, string[]>();
  ties.forEach((tie, at) => {
    const id = ids[at];
    if (tie >= 0 && id !== undefined) groups.set(tie, [...(groups.get(tie) ?? []), id]);
  });
  return { kind: 'together', groups: [...groups.values()] };
}

/** The images of which neither pixels nor file are here. */
export async function missingImages(
  { ids, pixels }: SavedImages,
  open: OpenData | null,
  kept: KeptPixels | null,
): Promise<number> {
  const held = (await kept?.has(pixels.key, pixels.imageBytes)) ?? new Set<string>();
  const files = new Set(open?.images.map(({ id }) => id));
  return ids.filter((id) => !held.has(id) && !files.has(id)).length;
}

/** The set that holds an image's pixels, by its place in the split, and its row there; null where none does. */
export function rowOf(
  { train, validation, test, probeImages = train.labels.length }: TrainingData,
  image: number,
): { readonly set: LabelledPixels; readonly row: number } | null {
  let row = image;
  // Training data may go on with the images of validation, which have places of their own.
  for (const [set, count] of [
    [train, probeImages],
    [validation, validation.labels.length],
    [test, test?.labels.length ?? 0],
  ] as const) {
    if (set !== null && row < count) return { set, row };
    row -= count;
  }
  return null;
}

/** Thumbnails of images whose files are not open, from the pixels that the network sees. */
export function pixelThumbnails(pixels: TrainingData, side: number): (image: number) => Promise<Blob | null> {
  return async (image) => {
    const found = rowOf(pixels, image);
    if (found === null) return null;
    const { data } = found.set.slice(found.row, found.row + 1);
    const rgba = new Uint8ClampedArray(4 * side * side).fill(255);
    for (let p = 0; p < side * side; p++) for (let c = 0; c < 3; c++) rgba[4 * p + c] = data[3 * p + c] ?? 0;
    const canvas = new OffscreenCanvas(side, side);
    canvas.getContext('2d')?.putImageData(new ImageData(rgba, side, side), 0, 0);
    return canvas.convertToBlob({ type: 'image/png' });
  };
}

function unwrapHeader(side: number): ImportedImage['header'] {
  const header = headerOf({ format: 'png', width: side, height: side });
  if (!header.ok) throw new Error(header.fault.reason);
  return header.value;
}
