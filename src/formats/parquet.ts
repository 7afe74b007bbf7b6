// Parquet tables, as the Hugging Face Hub keeps data sets: what columns there are, and the rows of one row
// group. hyparquet reads them; here is what it takes on trust, looked at first: sizes, counts, encodings and
// how much a page unpacks to. Loaded only when there is such a table; knows nothing of images.
import {
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type AsyncBuffer,
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  type SchemaTree,
} from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { bytesInWords } from '../shared/bytes-in-words.ts';
import { fail, ok, type Result } from '../shared/result.ts';

const parquetLimits = {
  rows: 200_000,
  groups: 10_000,
  /** What the columns asked for of one row group unpack to. */
  groupBytes: 1e9,
  metadataBytes: 64e6,
} as const;

/**
 * Encodings whose values take no more than the page that holds them. DELTA_BYTE_ARRAY is none: each of its
 * values may repeat what the one before it holds.
 */
const boundedEncodings: ReadonlySet<string> = new Set([
  'PLAIN',
  'PLAIN_DICTIONARY',
  'RLE_DICTIONARY',
  'RLE',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'BYTE_STREAM_SPLIT',
]);

export interface ParquetProblem {
  readonly code: 'damaged' | 'too-large' | 'unsupported' | 'unreadable';
  /** A sentence for the user. */
  readonly reason: string;
}

export interface ParquetColumn {
  readonly name: string;
  /** 'struct' has a field `bytes`; 'value' is a number or a truth value; 'other' is not read. */
  readonly kind: 'bytes' | 'text' | 'value' | 'struct' | 'other';
  /** What it holds, in a word or two: "lists". */
  readonly holds: string;
}

export interface ParquetTable {
  readonly columns: readonly ParquetColumn[];
  /** Rows of each row group. */
  readonly groups: readonly number[];
  /** What its writer noted: of `datasets`, "huggingface". */
  readonly notes: ReadonlyMap<string, string>;
  /** The rows of one row group with the columns named; never throws. */
  readonly readGroup: (
    group: number,
    columns: readonly string[],
  ) => Promise<Result<readonly ParquetRow[], ParquetProblem>>;
}

/** The values of a row by the names of their columns; structs are objects, whole numbers may be bigints. */
export type ParquetRow = ReadonlyMap<string, unknown>;

const problem = (code: ParquetProblem['code'], reason: string): Result<never, ParquetProblem> =>
  fail({ code, reason });

const damaged = (what: string): Result<never, ParquetProblem> =>
  problem('damaged', `This Parquet table is damaged or cut off (${what}).`);

/** Opens a table: its columns and row groups, from its description, which is read once; never throws. */
export async function openParquet(blob: Blob): Promise<Result<ParquetTable, ParquetProblem>> {
  const metadata = await metadataOf(blob);
  if (!metadata.ok) return metadata;
  const { value } = metadata;
  const groups = value.row_groups.map(({ num_rows }) => Number(num_rows));
  const rows = groups.reduce((sum, count) => sum + count, 0);
  if (groups.some((count) => !Number.isSafeInteger(count) || count < 0) || rows !== Number(value.num_rows))
    return damaged('its counts of rows disagree');
  if (rows > parquetLimits.rows)
    return problem(
      'too-large',
      `It has ${rows.toLocaleString('en')} rows, more than the limit of ${parquetLimits.rows.toLocaleString('en')}.`,
    );
  if (groups.length > parquetLimits.groups)
    return problem(
      'too-large',
      `Its rows are in ${groups.length.toLocaleString('en')} groups, more than the limit of ${parquetLimits.groups.toLocaleString('en')}: write it with larger row groups.`,
    );
  const schema = schemaOf(value);
  if (schema === null) return damaged('its schema makes no sense');
  const notes = new Map((value.key_value_metadata ?? []).map(({ key, value: note }) => [key, note ?? '']));
  return ok({
    columns: schema.children.map(columnOf),
    groups,
    notes,
    readGroup: (group, columns) => readGroup(blob, value, group, columns),
  });
}

async function readGroup(
  blob: Blob,
  metadata: FileMetaData,
  group: number,
  columns: readonly string[],
): Promise<Result<readonly ParquetRow[], ParquetProblem>> {
  const rowGroup = metadata.row_groups[group];
  if (rowGroup === undefined) return damaged('a row group is missing');
  const rows = Number(rowGroup.num_rows);
  let bytes = 0;
  const codecs = new Set<string>();
  for (const { meta_data: found, file_path, crypto_metadata } of rowGroup.columns) {
    if (found === undefined || !columns.includes(found.path_in_schema[0] ?? '')) continue;
    if (crypto_metadata !== undefined) return problem('unsupported', 'A column of it is encrypted.');
    if (file_path !== undefined)
      return problem('unsupported', 'Its data lie in another file, which Parquet seldom does.');
    const chunk = await loadChunk(blob, found);
    if (!chunk.ok) return chunk;
    const pages = pagesOf(chunk.value, rows);
    if (pages === null) return damaged(`the pages of its column ${found.path_in_schema[0]}`);
    const unbounded = pages.encodings.find((encoding) => !boundedEncodings.has(encoding));
    if (unbounded !== undefined)
      return problem(
        'unsupported',
        `Its column ${found.path_in_schema[0]} is stored as ${unbounded}, which is not read here: write it with plain or dictionary encoding.`,
      );
    bytes += pages.bytes;
    if (bytes > parquetLimits.groupBytes)
      return problem(
        'too-large',
        `Rows that belong together unpack to more than ${bytesInWords(parquetLimits.groupBytes)}: write it with smaller row groups.`,
      );
    codecs.add(found.codec);
  }
  try {
    const compressors = await compressorsFor(codecs);
    const values = await new Promise<unknown[][]>((onComplete, reject) => {
      parquetRead({
        file: fileOf(blob),
        metadata: { ...metadata, num_rows: rowGroup.num_rows, row_groups: [rowGroup] },
        columns: [...columns],
        rowStart: 0,
        rowEnd: rows,
        compressors,
        utf8: false,
        geoparquet: false,
        onComplete,
      }).catch(reject);
    });
    return ok(values.map((row) => new Map(columns.map((column, i) => [column, row[i]]))));
  } catch (thrown) {
    return damaged(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

const fileOf = (blob: Blob): AsyncBuffer => ({
  byteLength: blob.size,
  slice: (from, to) => blob.slice(from, to).arrayBuffer(),
});

async function metadataOf(blob: Blob): Promise<Result<FileMetaData, ParquetProblem>> {
  try {
    const end = await blob.slice(Math.max(0, blob.size - 8)).arrayBuffer();
    if (end.byteLength < 8) return damaged('it is too short');
    const view = new DataView(end);
    if (view.getUint32(4, true) !== 0x31524150) return damaged('it does not end as one');
    if (view.getUint32(0, true) > parquetLimits.metadataBytes) return damaged('its description is too long');
    return ok(await parquetMetadataAsync(fileOf(blob), { geoparquet: false, initialFetchSize: 1 << 17 }));
  } catch (thrown) {
    if (thrown instanceof DOMException)
      return problem('unreadable', `The browser could not read it (${thrown.name}).`);
    return damaged('its description makes no sense');
  }
}

function schemaOf(metadata: FileMetaData): SchemaTree | null {
  try {
    return parquetSchema(metadata);
  } catch {
    return null;
  }
}

function columnOf({ element, children }: SchemaTree): ParquetColumn {
  const { name, type, converted_type, logical_type, repetition_type } = element;
  const kind = ((): ParquetColumn['kind'] => {
    if (repetition_type === 'REPEATED') return 'other';
    if (children.length > 0) {
      const isPlain = children.every((child) => child.children.length === 0);
      const bytes = children.find((child) => child.element.name === 'bytes');
      const areSingle = children.every((child) => child.element.repetition_type !== 'REPEATED');
      return isPlain && areSingle && bytes?.element.type === 'BYTE_ARRAY' ? 'struct' : 'other';
    }
    if (type === 'BYTE_ARRAY')
      return converted_type === 'UTF8' || logical_type?.type === 'STRING' ? 'text' : 'bytes';
    const isPlainNumber = converted_type === undefined || /^U?INT/.test(converted_type);
    return type !== undefined && isPlainNumber && /^(INT32|INT64|BOOLEAN|FLOAT|DOUBLE)$/.test(type)
      ? 'value'
      : 'other';
  })();
  return { name, kind, holds: repetition_type === 'REPEATED' ? 'lists' : heldBy(kind, element, children) };
}

function heldBy(
  kind: ParquetColumn['kind'],
  { type, converted_type, logical_type }: SchemaTree['element'],
  { length: fields }: SchemaTree['children'],
): string {
  if (kind === 'struct') return 'structs with bytes';
  const told = (logical_type?.type ?? converted_type ?? type ?? '').toLowerCase().replaceAll('_', ' ');
  if (fields > 0) return told === 'list' || told === 'map' ? `${told}s` : 'structs';
  return kind === 'bytes' ? 'bytes' : `values of the type ${told}`;
}

/** The bytes of a column of a row group, which begin at its dictionary or at its first page. */
async function loadChunk(blob: Blob, column: ColumnMetaData): Promise<Result<ArrayBuffer, ParquetProblem>> {
  const first = Number(column.data_page_offset);
  const dictionary = Number(column.dictionary_page_offset ?? 0);
  const begin = dictionary > 0 && dictionary < first ? dictionary : first;
  const end = begin + Number(column.total_compressed_size);
  const isSound = Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 4;
  if (!isSound || end < begin || end > blob.size) return damaged('a column lies outside of the file');
  try {
    return ok(await blob.slice(begin, end).arrayBuffer());
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : 'unknown error';
    return problem('unreadable', `The browser could not read it (${name}): was it moved or changed?`);
  }
}

/**
 * What the pages of a chunk say that they unpack to, and their encodings; null where they overrun it or hold
 * more values than the group has rows.
 */
function pagesOf(
  buffer: ArrayBuffer,
  rows: number,
): { readonly bytes: number; readonly encodings: readonly string[] } | null {
  const encodings = new Set<string>();
  const reader = { view: new DataView(buffer), offset: 0 };
  let [bytes, values] = [0, 0];
  try {
    while (reader.offset < buffer.byteLength - 1) {
      const page = parquetHeader(reader);
      const [packed, unpacked] = [page.compressed_page_size, page.uncompressed_page_size];
      const first = page.data_page_header ?? page.data_page_header_v2;
      const count = first?.num_values ?? 0;
      const levels =
        (page.data_page_header_v2?.definition_levels_byte_length ?? 0) +
        (page.data_page_header_v2?.repetition_levels_byte_length ?? 0);
      const entries = page.dictionary_page_header?.num_values ?? 0;
      const nulls = page.data_page_header_v2?.num_nulls ?? 0;
      const isSound = [packed, unpacked, count, levels, entries, nulls].every(
        (n) => Number.isInteger(n) && n >= 0,
      );
      if (first !== undefined) encodings.add(first.encoding);
      reader.offset += packed;
      bytes += unpacked;
      values += count;
      if (!isSound || levels > packed || nulls > count || entries > unpacked || values > rows) return null;
      if (reader.offset > buffer.byteLength) return null;
    }
  } catch {
    return null;
  }
  return { bytes, encodings: [...encodings] };
}

/** What unpacks pages, none of them to more than its header says; snappy is hyparquet's own. */
async function compressorsFor(codecs: ReadonlySet<string>): Promise<Compressors> {
  if ([...codecs].every((codec) => codec === 'SNAPPY' || codec === 'UNCOMPRESSED')) return {};
  const [{ decompressBrotli, decompressGzip, decompressLz4, decompressLz4Raw }, { Decompress }] =
    await Promise.all([import('hyparquet-compressors'), import('fzstd')]);
  return {
    GZIP: decompressGzip,
    BROTLI: decompressBrotli,
    LZ4: decompressLz4,
    LZ4_RAW: decompressLz4Raw,
    ZSTD: (input, length) => {
      const output = new Uint8Array(length);
      let at = 0;
      const stream = new Decompress((chunk) => {
        if (at + chunk.length > length) throw new RangeError('a page unpacks to more than it says');
        output.set(chunk, at);
        at += chunk.length;
      });
      stream.push(input, true);
      return output.subarray(0, at);
    },
  };
}
