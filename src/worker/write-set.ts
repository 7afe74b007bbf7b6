// Takes the open images away as they are after edits: a table of their labels, or a zip of folders. Either is
// offered when what the import reads from it is the same images with the same labels and splits. Loaded when
// it is asked for.
import { makeZip } from 'client-zip';
import type { ImageWorker } from '../data/image-work.ts';
import { importImages } from '../data/import-images.ts';
import { findLabelColumns } from '../data/label-tables.ts';
import { splitImages } from '../data/split.ts';
import {
  folderLayout,
  labelTable,
  tableLayout,
  type PlacedImage,
  type SetLayout,
} from '../data/write-set.ts';
import { present } from '../shared/assert.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, unwrap, type Result } from '../shared/result.ts';
import { originsIn, withOrigins, type OpenData } from './open-data.ts';

/** Limits of the recipe say what a run takes of the set, and not what the set is. */
function placedImages({ images, report, draw }: OpenData): PlacedImage[] {
  const isNamed = images.some(({ split, excluded }) => split === 'validation' && !excluded);
  const { validationFraction, validationPerClass } = draw.options;
  const split = splitImages(withOrigins(images, originsIn(report, images, draw)), {
    seed: draw.seed,
    validationFraction,
    ...(validationPerClass === null || isNamed ? {} : { validationPerClass }),
  });
  return (['train', 'validation', 'test'] as const)
    .flatMap((name) => split[name].map((at) => ({ at, split: name })))
    .sort((a, b) => a.at - b.at)
    .map(({ at, split: name }) => ({ image: present(images[at], 'image'), split: name }));
}

/** The labels as a table that lies beside the images; a fault where no table can hold the names of classes. */
export function labelsOf(open: OpenData): Result<Blob> {
  const placed = placedImages(open);
  const excluded = open.images.filter((image) => image.excluded);
  const text = labelTable(placed, excluded);
  const blob = new Blob([text], { type: 'text/csv' });
  const images = [...placed.map(({ image }) => image), ...excluded];
  const classes = new Set(placed.map(({ image }) => image.label));
  // By so few nobody reads a column of classes.
  if (classes.size < 2 || classes.size === placed.length) return ok(blob);
  const table = { path: 'labels.csv', root: 0, segments: ['labels.csv'], text };
  const { columns } = findLabelColumns(
    [table],
    // Archives of some tools have backslashes in their paths.
    images.map(({ path }) => ({ root: 0, segments: path.split(/[\\/]/) })),
  );
  const read = columns.find(({ column }) => column === 'label')?.labels;
  const isSame = images.every((image, at) => {
    const [told, own] = [read?.get(at), placed[at]];
    return own === undefined
      ? (told?.label ?? null) === null
      : told?.label === image.label && told.split === own.split;
  });
  if (isSame) return ok(blob);
  return fail({ kind: 'set-not-written', as: 'csv' });
}

interface Writing {
  readonly work: ImageWorker;
  readonly signal: AbortSignal;
  readonly onProgress: (what: string, done: number, total: number) => void;
}

/** The set as a zip that was read back; a fault where an image cannot be read any more. */
export async function zipOf(open: OpenData, writing: Writing): Promise<Result<Blob>> {
  if (open.summary.fault !== null) return fail(open.summary.fault);
  const placed = placedImages(open);
  // A folder may be called what no class is, like a split: then the names stand in a table.
  const layouts = [folderLayout(placed), tableLayout(placed)].filter((layout) => layout !== null);
  for (const layout of layouts) {
    const zip = await writtenZip(layout, writing);
    if (!zip.ok) return zip;
    const isSame = await readsBack(zip.value, placed, writing);
    if (!isSame.ok || isSame.value) return isSame.ok ? zip : isSame;
  }
  return fail({ kind: 'set-not-written', as: 'zip' });
}

async function writtenZip(
  { files, table }: SetLayout,
  { signal, onProgress }: Writing,
): Promise<Result<Blob>> {
  // The same set gives the same bytes.
  const lastModified = new Date(2000, 0, 1);
  const unread: Result<never>[] = [];
  const begun: string[] = [];
  async function* entries() {
    if (table !== null) yield { name: table.name, lastModified, input: table.text };
    for (const [done, { name, image }] of files.entries()) {
      signal.throwIfAborted();
      onProgress('Writing the zip', done, files.length);
      begun.push(image.path);
      const content = await image.content();
      if (content.ok) yield { name, lastModified, input: content.value };
      else unread.push(content);
      if (!content.ok) return;
    }
  }
  try {
    const blob = await new Response(makeZip(entries())).blob();
    return unread[0] ?? ok(new Blob([blob], { type: 'application/zip' }));
  } catch (thrown) {
    if (signal.aborted) return fail(cancelled('write the set'));
    if (!(thrown instanceof DOMException)) throw thrown;
    // A file of the disk that went away while it was copied.
    return fail({ kind: 'images-changed', paths: begun.slice(-1), of: files.length });
  }
}

/** Whether the import finds in it what was put into it. */
async function readsBack(
  zip: Blob,
  placed: readonly PlacedImage[],
  { work, signal, onProgress }: Writing,
): Promise<Result<boolean>> {
  const report = await importImages([{ path: 'set.zip', blob: zip }], {
    work,
    signal,
    onProgress: ({ done, total }) => onProgress('Reading the zip again', done, total),
  });
  if (!report.ok) return report;
  const { images, classes } = unwrap(report);
  const read = new Map(
    images.map(({ id, classIndex, split }) => [id, JSON.stringify([classes[classIndex], split])]),
  );
  return ok(
    read.size === placed.length &&
      placed.every(({ image, split }) => read.get(image.id) === JSON.stringify([image.label, split])),
  );
}
