// Import: from any pile of files (folders, zips) to labelled images and a verdict on every file. Reads each file
// once and decodes none; knows nothing of models, canvases or the page.
import { fail, ok, type Result } from '../shared/result.ts';
import { datasetFault, datasetWarnings, nestingWarnings, type DatasetCounts } from './dataset-verdict.ts';
import { dropDuplicates } from './duplicates.ts';
import { byCodePoint } from './file-path.ts';
import { findLayout, splitNamed, type Folders, type Nesting } from './folder-layout.ts';
import type { ImageHeader } from './image-header.ts';
import { warningsOf } from './image-warnings.ts';
import { listItems, type Pile } from './import-items.ts';
import type { IgnoredFile, ImportedImage, ImportReport, RejectedFile, SplitName } from './import-report.ts';
import { inspectItem } from './inspect-item.ts';
import type { Item } from './item.ts';
import { autoReading, type ReadingChoice, type ReadingOptions } from './reading-options.ts';
import type { StoredPixels } from './png-pixels.ts';
import type { SourceFile } from './source-file.ts';

export interface ImportProgress {
  /** Files looked at so far, archive entries counted one by one. */
  readonly done: number;
  readonly total: number;
}

export interface ImportOptions {
  /** How the pile is to be read where it can be read in more than one way. */
  readonly reading?: ReadingOptions;
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An image that is good by itself, before it has a class. */
interface Candidate {
  readonly item: Item;
  readonly folders: Folders;
  readonly header: ImageHeader;
  readonly stored: StoredPixels | null;
  readonly id: string;
}

interface LabelledImage extends Candidate {
  readonly path: string;
  readonly label: string;
  readonly split: SplitName | null;
}

/** What the first pass over the files finds. */
interface Findings {
  readonly candidates: Candidate[];
  /** Folders of what is no usable image, system files left out, with the root of each. */
  readonly others: { readonly root: number; readonly folders: Folders }[];
  readonly rejected: RejectedFile[];
  readonly ignored: IgnoredFile[];
}

/** Milliseconds between two reports of progress. */
const progressEveryMs = 50;

/**
 * Sorts a pile of files into classes and says of each file what became of it. What makes the images unusable as a
 * whole is the report's `fault`, so that the list of rejected files stays at hand. Fails only when `signal` aborts,
 * by a fault of kind 'wrong-phase' that nobody need show.
 */
export async function importImages(
  files: readonly SourceFile[],
  { reading = autoReading, onProgress, signal }: ImportOptions = {},
): Promise<Result<ImportReport>> {
  const pile = await listItems(files, reading.nameEncoding, signal);
  const findings = await inspectAll(pile, onProgress, signal);
  if (signal?.aborted === true)
    return fail({ kind: 'wrong-phase', command: 'import images', phase: 'cancelled' });
  return ok(reportOf(pile, findings, reading));
}

async function inspectAll(
  pile: Pile,
  onProgress: ((progress: ImportProgress) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<Findings> {
  const findings: Findings = { candidates: [], others: [], rejected: [...pile.rejected], ignored: [] };
  const total = pile.items.length;
  let reported = -Infinity;
  for (const [done, item] of pile.items.entries()) {
    if (signal?.aborted === true) break;
    if (performance.now() - reported >= progressEveryMs) {
      onProgress?.({ done, total });
      reported = performance.now();
    }
    const verdict = await inspectItem(item);
    const { path, root, segments } = item;
    const folders = item.isDirectory ? (segments ?? []) : (segments ?? []).slice(0, -1);
    if (verdict.kind === 'image') {
      const { header, stored, id } = verdict;
      findings.candidates.push({ item, folders, header, stored, id });
    } else if (verdict.kind === 'rejected')
      findings.rejected.push({ path, code: verdict.code, reason: verdict.reason });
    else findings.ignored.push({ path, code: verdict.code, reason: verdict.reason });
    if (verdict.kind === 'rejected' || (verdict.kind === 'ignored' && verdict.code !== 'system-file')) {
      findings.others.push({ root, folders });
    }
  }
  onProgress?.({ done: total, total });
  return findings;
}

function reportOf(pile: Pile, findings: Findings, options: ReadingOptions): ImportReport {
  const { labelled, homeless, labelsSeen, nestings } = labelAll(pile, findings, options);
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
  const classes = [...new Set(used.map((image) => image.label))].sort(byCodePoint);
  const classIndices = new Map(classes.map((name, index) => [name, index]));
  const perClass = new Map(classes.map((name) => [name, 0]));
  for (const image of used) {
    if (splitOf(image) !== 'test') perClass.set(image.label, (perClass.get(image.label) ?? 0) + 1);
  }
  const images = used
    .map((image) => importedImage(image, classIndices.get(image.label) ?? 0, splitOf(image), perClass))
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
    warnings: [
      ...(pile.names?.warning ? [pile.names.warning] : []),
      ...nestingWarnings(nestings),
      ...datasetWarnings(counts, hasNoTrainFolder),
    ],
    reading: {
      sentence: `${classes.length === 1 ? '1 class' : `${classes.length} classes`} from the names of folders.`,
      choices: [...(pile.names === null ? [] : [pile.names.choice]), ...classFolderChoice(nestings)],
    },
    fault: datasetFault(counts),
  };
}

/** Gives every candidate its class and split by the layout of its own root. */
function labelAll(
  pile: Pile,
  findings: Findings,
  options: ReadingOptions,
): {
  labelled: LabelledImage[];
  homeless: RejectedFile[];
  labelsSeen: Set<string>;
  nestings: Nesting[];
} {
  const labelled: LabelledImage[] = [];
  const homeless: RejectedFile[] = [];
  const labelsSeen = new Set<string>();
  const nestings: Nesting[] = [];
  pile.rootNames.forEach((rootName, root) => {
    const candidates = findings.candidates.filter((candidate) => candidate.item.root === root);
    const others = findings.others.filter((other) => other.root === root).map((other) => other.folders);
    const { place, nesting } = findLayout(
      candidates.map((candidate) => candidate.folders),
      others,
      options.classFolder,
    );
    if (nesting !== null) nestings.push(nesting);
    // "train.zip" beside "val.zip": the archive's name is the split where its folders name none.
    const rootSplit = rootName === null ? null : splitNamed(rootName);
    for (const candidate of candidates) {
      const { split, label, reason } = place(candidate.folders);
      const { path } = candidate.item;
      if (label === null) homeless.push({ path, code: 'no-class', reason });
      else labelled.push({ ...candidate, path, label, split: split ?? rootSplit });
    }
    for (const folders of [...others, ...candidates.map((candidate) => candidate.folders)]) {
      const { label } = place(folders);
      if (label !== null) labelsSeen.add(label);
    }
  });
  return { labelled, homeless, labelsSeen, nestings };
}

/** The choice between the two ends of class folders within folders; none where no root has such. */
function classFolderChoice(nestings: readonly Nesting[]): ReadingChoice[] {
  const [nesting] = nestings;
  if (nesting === undefined) return [];
  const words = (end: 'first' | 'last'): string => {
    const names = [...new Set(nestings.flatMap((one) => one[end]))].sort(byCodePoint);
    const shown = names.slice(0, 2).join(', ') + (names.length > 2 ? ', …' : '');
    return `the ${end} folder (${names.length}: ${shown})`;
  };
  return [
    {
      option: 'classFolder',
      label: 'The class is',
      value: nesting.taken,
      offered: [
        { value: 'first', words: words('first') },
        { value: 'last', words: words('last') },
      ],
    },
  ];
}

function importedImage(
  image: LabelledImage,
  classIndex: number,
  split: SplitName | null,
  perClass: ReadonlyMap<string, number>,
): ImportedImage {
  const { item, header, stored, id, path, label } = image;
  const warnings = warningsOf(header, stored, item.segments?.at(-1) ?? path);
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
    blob: async () => {
      const bytes = await item.read();
      if (bytes.ok) return ok(new Blob([bytes.value], { type: `image/${format}` }));
      return fail({ kind: 'bad-file', name: path, why: 'unreadable', detail: bytes.fault.reason });
    },
  };
}
