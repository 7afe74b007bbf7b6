// The set as it is after edits, to take away: a table of labels and splits, and the layout of a zip of folders.
// Whoever writes them reads them again (worker/write-set.ts). Opens no file.
import type { EditedImage } from './edits.ts';
import { extensionOf, promisedFormat } from './file-path.ts';
import type { SplitName } from './import-report.ts';

/** An image of the set and the split that it is taken away in. */
export interface PlacedImage {
  readonly image: EditedImage;
  readonly split: SplitName;
}

const quoted = (value: string): string =>
  /[",;\t\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;

const table = (rows: readonly (readonly string[])[]): string =>
  ['file_name,label,split', ...rows.map((row) => row.map(quoted).join(','))].join('\n') + '\n';

/**
 * Labels and splits of the images by their paths, to lie beside them; those that are left out have no label, so
 * that a reader leaves them out too.
 */
export function labelTable(placed: readonly PlacedImage[], excluded: readonly EditedImage[]): string {
  return table([
    ...placed.map(({ image, split }) => [image.path, image.label, split]),
    ...excluded.map(({ path }) => [path, '', '']),
  ]);
}

export interface SetLayout {
  readonly files: readonly { readonly name: string; readonly image: EditedImage }[];
  /** A table beside the images, where folders cannot name their classes; null without one. */
  readonly table: { readonly name: string; readonly text: string } | null;
}

/** `train/cat/1.jpg`; null where names of classes are none of folders, on whatever disk it is unpacked. */
export function folderLayout(placed: readonly PlacedImage[]): SetLayout | null {
  const classes = new Set(placed.map(({ image }) => image.label));
  const folded = new Set([...classes].map((name) => name.toLowerCase()));
  const isFolder = (name: string): boolean =>
    !/[/\\:*?"<>|\p{Cc}]|^\.|[. ]$/u.test(name) && new TextEncoder().encode(name).length <= 200;
  if (folded.size < classes.size || ![...classes].every(isFolder)) return null;
  const taken = new Set<string>();
  return {
    files: placed.map(({ image, split }) => ({
      image,
      name: freeName(`${split}/${image.label}/`, image, taken),
    })),
    table: null,
  };
}

/** All images in one folder, and a table beside it. */
export function tableLayout(placed: readonly PlacedImage[]): SetLayout {
  const taken = new Set<string>();
  const files = placed.map(({ image }) => ({ image, name: freeName('images/', image, taken) }));
  const rows = placed.map(({ image, split }, at) => [files[at]?.name ?? '', image.label, split]);
  return { files, table: { name: 'labels.csv', text: table(rows) } };
}

/** The name of its file, made one that every disk takes and that no other image of the folder has. */
function freeName(folder: string, { path, format }: EditedImage, taken: Set<string>): string {
  const own = (path.split('/').at(-1) ?? '').replace(/[\\:*?"<>|\p{Cc}]/gu, '_').replace(/^\.+/, '_');
  const extension = extensionOf(own);
  const isPromised = promisedFormat(extension) !== null;
  const stem = (isPromised ? own.slice(0, -extension.length - 1) : own).slice(0, 100).trim() || 'image';
  const ending = isPromised ? extension : format;
  for (let count = 1; ; count++) {
    const name = `${folder}${stem}${count === 1 ? '' : `-${count}`}.${ending}`;
    if (taken.has(name.toLowerCase())) continue;
    taken.add(name.toLowerCase());
    return name;
  }
}
