// Import: from any pile of files (folders, zips) to labelled images and a verdict on every file. Reads each
// file once and decodes none; knows nothing of models, canvases or the page.
import { present } from '../shared/assert.ts';
import { eachOf, unlessAborted } from '../shared/concurrent.ts';
import { cancelled, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { datasetFault, datasetWarnings, likeClasses, type DatasetCounts } from './dataset-verdict.ts';
import { dropDuplicates } from './duplicates.ts';
import { byCodePoint, extensionOf } from './file-path.ts';
import type { Folders } from './folder-layout.ts';
import type { ImageHeader } from './image-header.ts';
import type { ImageWorker } from './image-work.ts';
import { withGrey16Read } from './grey16-reading.ts';
import { warningsOf } from './image-warnings.ts';
import { listItems, type Pile } from './import-items.ts';
import type {
  DatasetWarning,
  IgnoredFile,
  ImportedImage,
  ImportReport,
  RejectedFile,
  SplitName,
} from './import-report.ts';
import { inspectItem, type Inspection, type Look } from './inspect-item.ts';
import type { Item } from './item.ts';
import type { StoredPixels } from './png-pixels.ts';
import {
  labelImages,
  numberingSentence,
  readingSentence,
  type Labelled,
  type Unlabelled,
} from './label-images.ts';
import type { LabelTables } from './label-tables.ts';
import { isTable, tooLong, type TableFile } from './table-file.ts';
import { tableText } from './table-text.ts';
import { autoReading, type ReadingOptions } from './reading-options.ts';
import type { SourceFile } from './source-file.ts';

export interface ImportProgress {
  /** Files looked at so far, archive entries counted one by one; before that, rows of a table. */
  readonly done: number;
  readonly total: number;
}

export interface ImportOptions {
  /** How the pile is to be read where it can be read in more than one way. */
  readonly reading?: ReadingOptions;
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Who looks at the files; this thread by default. */
  readonly work?: ImageWorker;
}

interface Candidate extends Unlabelled {
  readonly item: Item;
  readonly header: ImageHeader;
  readonly stored: StoredPixels | null;
  readonly id: string;
}

type LabelledImage = Labelled<Candidate>;

/** What the first pass over the files finds. */
interface Findings {
  readonly candidates: Candidate[];
  /** Folders of what is no usable image, system files left out, with the root of each. */
  readonly others: { readonly root: number; readonly folders: Folders }[];
  readonly rejected: RejectedFile[];
  readonly ignored: IgnoredFile[];
  readonly tables: TableFile[];
}

/** Milliseconds between two reports of progress. */
const progressEveryMs = 50;

/**
 * Sorts a pile of files into classes and says of each file what became of it. What makes the images unusable
 * as a whole is the report's `fault`, so that the list of rejected files stays at hand. Fails only when
 * `signal` aborts, by a fault of kind 'wrong-phase' that nobody need show.
 */
export async function importImages(
  files: readonly SourceFile[],
  { reading = autoReading, onProgress, signal, work: given }: ImportOptions = {},
): Promise<Result<ImportReport>> {
  // Loaded when it is needed: an app with a pool of workers does without.
  const work = given ?? (await import('./image-work.ts')).browserImageWorker();
  try {
    const pile = await unlessAborted(
      listItems(files, work, reading.nameEncoding, { onProgress, signal }),
      signal,
    );
    const findings = await inspectAll(pile, work, onProgress, signal);
    const tables = await tablesOf(findings);
    const report = reportOf(pile, findings, tables, reading);
    return ok(await withGrey16Read(report, reading.grey16, work, { onProgress, signal }));
  } catch (thrown) {
    if (signal?.aborted === true) return fail(cancelled('import images'));
    throw thrown;
  }
}

/** Looks at every item, as many at once as the worker takes, and keeps what it finds in the items' order. */
async function inspectAll(
  pile: Pile,
  work: ImageWorker,
  onProgress: ((progress: ImportProgress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<Findings> {
  const total = pile.items.length;
  const look: Look = (content, looksLikeImage) => work.do('look', { content, looksLikeImage }, { signal });
  const looked: { verdict: Inspection; table: TableFile | null }[] = [];
  let [done, reported] = [0, -Infinity];
  await eachOf(
    pile.items,
    2 * work.width,
    async (item, index) => {
      if (performance.now() - reported >= progressEveryMs) {
        onProgress?.({ done, total });
        reported = performance.now();
      }
      const verdict = await unlessAborted(inspectItem(item, look), signal);
      const isText = verdict.kind === 'ignored' && verdict.code === 'not-an-image';
      looked[index] = { verdict, table: isText ? await tableOf(item) : null };
      done += 1;
    },
    signal,
  );
  onProgress?.({ done: total, total });
  return findingsOf(pile, looked);
}

function findingsOf(
  pile: Pile,
  looked: readonly { readonly verdict: Inspection; readonly table: TableFile | null }[],
): Findings {
  const findings: Findings = {
    candidates: [],
    others: [],
    rejected: [...pile.rejected],
    ignored: [],
    tables: [...pile.tables],
  };
  for (const [index, item] of pile.items.entries()) {
    const { verdict, table } = present(looked[index], 'verdict');
    const { path, root, segments } = item;
    const folders = item.isDirectory ? (segments ?? []) : (segments ?? []).slice(0, -1);
    if (verdict.kind === 'image') {
      const { header, stored, id } = verdict;
      findings.candidates.push({ item, path, root, segments: segments ?? [], header, stored, id });
    } else if (verdict.kind === 'rejected')
      findings.rejected.push({ path, code: verdict.code, reason: verdict.reason });
    else findings.ignored.push({ path, code: verdict.code, reason: verdict.reason });
    if (table !== null) findings.tables.push(table);
    if (verdict.kind === 'rejected' || (verdict.kind === 'ignored' && verdict.code !== 'system-file')) {
      findings.others.push({ root, folders });
    }
  }
  return findings;
}

/** A text file that may be a table of labels, or why it is not read; null for any other. */
async function tableOf({ path, root, segments, sizeBytes, read }: Item): Promise<TableFile | null> {
  const name = segments?.at(-1) ?? '';
  if (segments === null || !isTable(name)) return null;
  const told = { path, root, segments, text: '' };
  const tooMuch = tooLong(name, sizeBytes);
  if (tooMuch !== null) return { ...told, refused: tooMuch };
  const bytes = await read();
  if (!bytes.ok) return { ...told, refused: `is not read: ${bytes.fault.reason}` };
  return { ...told, ...(await tableText(bytes.value, extensionOf(name) === 'xml')) };
}

/** What the tables say of the images. */
async function tablesOf({ tables, candidates }: Findings): Promise<LabelTables> {
  if (tables.length === 0) return { columns: [], unread: [], broken: [] };
  // Loaded when it is needed: most images lie in folders that name their classes.
  let reading;
  try {
    reading = await import('./label-tables.ts');
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const broken = `Tables of labels are not read: a part of the app did not load (${why}). Reload the page once it can be reached.`;
    return { columns: [], unread: [], broken: [broken] };
  }
  return reading.findLabelColumns(tables, candidates);
}

function reportOf(
  pile: Pile,
  findings: Findings,
  tables: LabelTables,
  options: ReadingOptions,
): ImportReport {
  const labels = labelImages(
    { ...findings, tables, images: findings.candidates, rootNames: pile.rootNames },
    options,
  );
  const { labelled, homeless, labelsSeen } = labels;
  const { kept, rejected: copies } = dropDuplicates(labelled);
  const rejected = [...findings.rejected, ...homeless, ...copies];

  const inTrain = new Set(kept.filter((image) => image.split === 'train').map((image) => image.label));
  const namesSplits = kept.some((image) => image.split !== null);
  const hasNoTrainFolder = namesSplits && inTrain.size === 0;
  const splitOf = (image: LabelledImage): SplitName | null => (hasNoTrainFolder ? null : image.split);
  const isTrained = (image: LabelledImage): boolean => splitOf(image) === null || inTrain.has(image.label);
  const untrained = [...new Set(kept.filter((image) => !isTrained(image)).map((image) => image.label))];
  for (const { path, label } of kept.filter((image) => !isTrained(image))) {
    rejected.push({
      path,
      code: 'class-not-in-train',
      reason: `The class "${label}" has no training image.`,
    });
  }

  const used = kept.filter(isTrained);
  const classes = inOrder(new Set(used.map((image) => image.label)), labels.order);
  const classIndices = new Map(classes.map((name, index) => [name, index]));
  const perClass = new Map(classes.map((name) => [name, 0]));
  for (const image of used) {
    if (splitOf(image) !== 'test') perClass.set(image.label, (perClass.get(image.label) ?? 0) + 1);
  }
  const windowed = options.grey16 === 'image' || options.grey16 === 'set';
  const images = used
    .map((image) =>
      importedImage(image, classIndices.get(image.label) ?? 0, splitOf(image), perClass, windowed),
    )
    .sort((a, b) => a.classIndex - b.classIndex || byCodePoint(a.path, b.path));
  const counts: DatasetCounts = {
    perClass,
    emptyClasses: [...labelsSeen]
      .filter((name) => !perClass.has(name) && !untrained.includes(name))
      .sort(byCodePoint),
    untrained: untrained.sort(byCodePoint),
    rejected,
    files: pile.items.length - findings.ignored.filter((file) => file.code !== 'not-an-image').length,
    archiveFaults: pile.faults,
  };
  return {
    classes,
    images,
    rejected,
    ignored: findings.ignored,
    emptyClasses: counts.emptyClasses,
    untrained: counts.untrained,
    warnings: [
      ...(pile.names?.warning ? [pile.names.warning] : []),
      ...labels.warnings,
      ...(labels.source.kind === 'folders' ? [] : labels.unread).map((text): DatasetWarning => ({
        code: 'table-rows',
        text,
      })),
      ...likeClasses(classes),
      ...datasetWarnings(counts, hasNoTrainFolder),
    ],
    reading: {
      sentence: readingSentence(classes.length, labels.source),
      numbering: numberingSentence(classes, labels.order),
      choices: [...(pile.names === null ? [] : [pile.names.choice]), ...labels.choices],
    },
    fault: withUnread(labels.fault ?? datasetFault(counts), labels.unread),
  };
}

/** Classes in the order that numbers them: their table's own, else by code point. */
function inOrder(labels: ReadonlySet<string>, order: readonly string[] | null): string[] {
  const places = new Map((order ?? []).map((name, at) => [name, at]));
  const placeOf = (label: string): number => places.get(label) ?? places.size;
  return [...labels].sort((a, b) => placeOf(a) - placeOf(b) || byCodePoint(a, b));
}

/** A fault for want of classes, with what is wrong with tables that should name them. */
function withUnread(fault: Fault | null, unread: readonly string[]): Fault | null {
  if (fault?.kind !== 'bad-dataset' || fault.why === 'none-usable') return fault;
  return { ...fault, detail: [fault.detail, ...unread.slice(0, 3)].join(' ') };
}

function importedImage(
  image: LabelledImage,
  classIndex: number,
  split: SplitName | null,
  perClass: ReadonlyMap<string, number>,
  windowed: boolean,
): ImportedImage {
  const { item, header, stored, id, path, label } = image;
  const warnings = warningsOf(header, stored, item.segments?.at(-1) ?? path, windowed);
  if (perClass.get(label) === 1)
    warnings.push({ code: 'small-class', text: 'It is the only image of its class.' });
  const { format, width, height } = header;
  return {
    id,
    path,
    classIndex,
    split,
    format,
    width,
    height,
    header,
    stored,
    sizeBytes: item.sizeBytes,
    warnings,
    content: async () => {
      // A file is not read before its pixels are made, and then by whoever makes them.
      if (item.file !== null) return ok(item.file);
      const bytes = await item.read();
      if (bytes.ok) return bytes;
      return fail({ kind: 'bad-file', name: path, why: 'unreadable', detail: bytes.fault.reason });
    },
  };
}
