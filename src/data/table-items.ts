// Parquet tables of the pile: an item for each of their images, and what their other columns say as a table
// of labels beside them. Images are unpacked once, in workers of the pool, to where the browser keeps large
// Blobs, so that any of them can be read again without its row group.
import { eachOf } from '../shared/concurrent.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { zipLimits } from '../formats/zip-directory.ts';
import { extensionOf, segmentsOf } from './file-path.ts';
import type { ImageTable, TableImages } from './image-tables.ts';
import type { ImageWorker } from './image-work.ts';
import type { Item, ItemProblem } from './item.ts';
import type { TableFile } from './table-file.ts';
import type { SourceFile } from './source-file.ts';
import { splitNamed } from './split-words.ts';
import type { Row } from './table-file.ts';

export interface OpenTable {
  readonly items: readonly Item[];
  readonly table: TableFile;
  /** Where its split is named: the file, or the folder that it lies in. */
  readonly rootName: string;
  /** What its images unpack to. */
  readonly bytes: number;
}

/** Whether a file promises to be a Parquet table by the ending of its name. */
export const isParquetName = (name: string): boolean => /^(parquet|pq)$/.test(extensionOf(name));

/** Whether a file is a Parquet table, by its name and its first bytes. */
export async function isImageTable({ path, blob }: SourceFile): Promise<boolean> {
  if (!isParquetName(segmentsOf(path).at(-1) ?? '')) return false;
  const head = await blob
    .slice(0, 4)
    .text()
    .catch(() => '');
  return head === 'PAR1';
}

export interface TableOptions {
  /** Told how many rows are read, of how many. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Parts of a table that are read at most: each reads the table's description again. */
const mostParts = 32;

/**
 * Opens a Parquet table.
 *
 * @param root index of the pile that its items belong to, which nothing else does.
 * @param limitBytes what its images may unpack to in all.
 */
export async function openImageTable(
  { path, blob }: SourceFile,
  root: number,
  work: ImageWorker,
  limitBytes: number,
  { onProgress, signal }: TableOptions = {},
): Promise<Result<OpenTable, ItemProblem>> {
  const looked = await work.do('table', { content: blob }, { signal });
  if (!looked.ok) return looked;
  const { groups, imageColumn, order, foreign } = looked.value;
  const filled = [...groups.keys()].filter((group) => (groups[group] ?? 0) > 0);
  const length = Math.max(1, Math.ceil(filled.length / mostParts));
  const ranges = Array.from({ length: Math.ceil(filled.length / length) }, (_, i) =>
    filled.slice(i * length, (i + 1) * length),
  );
  const total = groups.reduce((sum, rows) => sum + rows, 0);
  const read: (readonly TableImages[])[] = [];
  const problems: ItemProblem[] = [];
  let [bytes, done] = [0, 0];
  await eachOf(
    ranges,
    Math.min(work.width, 2),
    async (range, i) => {
      if (problems.length > 0) return;
      const input = { content: blob, groups: range, limitBytes: limitBytes - bytes };
      const images = await work.do('rows', input, { signal });
      if (images.ok) {
        read[i] = images.value;
        for (const part of images.value) {
          bytes += part.bytes.size;
          done += part.rows.length;
        }
        onProgress?.({ done, total });
        if (bytes > limitBytes) problems.push(tooMuch);
      } else problems.push(images.fault);
    },
    signal,
  );
  const [problem] = problems;
  if (problem !== undefined) return fail(problem);
  const segments = segmentsOf(path.replace(/^\.?\/+/, ''));
  const name = segments.at(-1) ?? path;
  const isSplit = splitNamed(name) !== null;
  const folder = segments.findLast((one, i) => i < segments.length - 1 && splitNamed(one) !== null);
  const items: Item[] = [];
  const rows: Row[] = [];
  const used = new Set<string>();
  for (const part of read.flat()) {
    let begin = 0;
    part.ends.forEach((end, i) => {
      const file = end === null ? null : part.bytes.slice(begin, end);
      begin = end ?? begin;
      const own = nameOf(part.names[i] ?? null, items.length, used);
      items.push(itemOf(path, own, root, file));
      rows.push(new Map([...(part.rows[i] ?? []), [imageColumn, own]]));
    });
  }
  const table: TableFile = {
    path,
    root,
    segments: [`${isSplit ? name : (folder ?? name)}.jsonl`],
    text: '',
    rows,
    order: orderOf(order),
    foreign: new Map(foreign.map(({ column, holds }) => [column, holds])),
    notes: foreign
      .filter(({ isImage }) => isImage)
      .map(
        ({ column }) =>
          `its column ${column} holds images as well, which are not read: those of its column ${imageColumn} are.`,
      ),
  };
  return ok({ items, table, rootName: isSplit ? name : (folder ?? name), bytes });
}

const tooMuch: ItemProblem = {
  code: 'too-large',
  reason: `The images of the tables together unpack to more than ${zipLimits.totalBytes / 1e9} GB, the limit.`,
};

const orderOf = (order: ImageTable['order']): ReadonlyMap<string, readonly string[]> =>
  new Map(order.map(({ column, names }) => [column, names]));

/** The name of a row's file where it has one that no row before has, else with the row's number. */
function nameOf(path: string | null, row: number, used: Set<string>): string {
  const last = segmentsOf(path ?? '', true).at(-1) ?? '';
  const plain = last.replace(/[\0?#]/g, '_').trim();
  const number = String(row).padStart(6, '0');
  let name = plain === '' || plain === '..' ? number : plain;
  while (used.has(name)) name = `${number} ${name}`;
  used.add(name);
  return name;
}

function itemOf(path: string, name: string, root: number, file: Blob | null): Item {
  const read = async (part: Blob): Promise<Result<Uint8Array<ArrayBuffer>, ItemProblem>> => {
    try {
      return ok(new Uint8Array(await part.arrayBuffer()));
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.name : 'unknown error';
      return fail({ code: 'unreadable', reason: `The browser could not read it any more (${why}).` });
    }
  };
  const blob = file ?? new Blob();
  return {
    path: `${path}/${name}`,
    root,
    segments: [name],
    isDirectory: false,
    sizeBytes: blob.size,
    ...(file === null ? { refused: noImage } : {}),
    head: (bytes) => read(blob.slice(0, bytes)),
    file: blob,
    read: () => read(blob),
  };
}

const noImage: ItemProblem = { code: 'empty', reason: 'Its row of the table holds no image.' };
