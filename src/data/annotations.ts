// Boxes around things, as labelling tools export them (COCO's JSON, Pascal VOC's XML), read for the class of
// each image: the only one its boxes name, or the one whose boxes cover most. Knows text; opens no file.
import { byCodePoint } from './file-path.ts';
import { stemOf } from './image-index.ts';
import type { Annotations, BadRow, Row, TableFile } from './table-file.ts';
import { childOf, readXml, textIn } from './xml.ts';

/** The columns of the rows. */
const boxColumns = { file: 'file_name', label: 'category' } as const;

/** By file name, by class: what its boxes cover, and how many there are. */
class Boxes {
  readonly #files = new Map<string, Map<string, { area: number; count: number }>>();

  addFile(file: string): void {
    if (!this.#files.has(file)) this.#files.set(file, new Map());
  }

  add(file: string, label: string, area: number): void {
    const classes = this.#files.get(file) ?? new Map<string, { area: number; count: number }>();
    const known = classes.get(label) ?? { area: 0, count: 0 };
    classes.set(label, { area: known.area + (area > 0 ? area : 0), count: known.count + 1 });
    this.#files.set(file, classes);
  }

  /** A row for each file; its class is '' where there are no boxes, and where two classes cover as much. */
  annotations({ order, bad, notes }: Pick<Annotations, 'order' | 'bad' | 'notes'>): Annotations {
    let mixed = 0;
    const rows = [...this.#files].map(([file, classes]): Row => {
      if (classes.size > 1) mixed += 1;
      const [first, second] = [...classes].sort(([, a], [, b]) => b.area - a.area || b.count - a.count);
      const isTie =
        first !== undefined &&
        second !== undefined &&
        first[1].area === second[1].area &&
        first[1].count === second[1].count;
      return new Map([
        [boxColumns.file, file],
        [boxColumns.label, first === undefined || isTie ? '' : first[0]],
      ]);
    });
    return { rows, mixed, order, bad, notes };
  }
}

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? Reflect.get(value, field)
    : undefined;

const listOf = (value: unknown, field: string): readonly unknown[] | null => {
  const list = fieldOf(value, field);
  return Array.isArray(list) ? list : null;
};

/** Boxes as COCO writes them (https://cocodataset.org/#format-data); null for any other JSON. */
export function cocoAnnotations(json: unknown): Annotations | null {
  const [images, categories, annotations] = [
    listOf(json, 'images'),
    listOf(json, 'categories'),
    listOf(json, 'annotations'),
  ];
  if (images === null || categories === null || annotations === null) return null;
  // Some tools write a number as text in one place and as a number in another.
  const names = new Map<string, string>();
  for (const category of categories) {
    const [id, name] = [idOf(category, 'id'), idOf(category, 'name')];
    if (id !== null && name !== null) names.set(id, name);
  }
  const files = new Map<string, string>();
  const boxes = new Boxes();
  for (const image of images) {
    const [id, file] = [idOf(image, 'id'), fieldOf(image, 'file_name')];
    if (typeof file !== 'string') continue;
    if (id !== null) files.set(id, file);
    boxes.addFile(file);
  }
  let lost = 0;
  for (const annotation of annotations) {
    const file = files.get(idOf(annotation, 'image_id') ?? '');
    const label = names.get(idOf(annotation, 'category_id') ?? '');
    if (file === undefined || label === undefined) {
      lost += 1;
      continue;
    }
    const [, , width, height] = listOf(annotation, 'bbox') ?? [];
    const area = fieldOf(annotation, 'area');
    const box = typeof width === 'number' && typeof height === 'number' ? width * height : 0;
    boxes.add(file, label, box > 0 ? box : typeof area === 'number' ? area : 0);
  }
  const order = [...names]
    .sort(([a], [b]) => Number(a) - Number(b) || byCodePoint(a, b))
    .map(([, name]) => name);
  const notes =
    lost === 0
      ? []
      : [
          `${lost === 1 ? '1 of its boxes is' : `${lost} of its boxes are`} not read: they are of an image or a category that it does not list.`,
        ];
  return boxes.annotations({ order, bad: [], notes });
}

/** A number or a text as text; null for anything else. */
function idOf(value: unknown, field: string): string | null {
  const id = fieldOf(value, field);
  return typeof id === 'string' || typeof id === 'number' ? String(id) : null;
}

/**
 * Boxes as Pascal VOC writes them, a file an image: tables of those that lie in one folder.
 *
 * @param isImage whether a value in a table names an image; where it does not, the file's own name may.
 */
export function vocTables(
  files: readonly TableFile[],
  isImage: (value: string, table: TableFile) => boolean,
): TableFile[] {
  const folders = new Map<string, TableFile[]>();
  for (const file of files) {
    const key = JSON.stringify([file.root, file.segments.slice(0, -1)]);
    const known = folders.get(key);
    if (known === undefined) folders.set(key, [file]);
    else known.push(file);
  }
  return [...folders.values()].flatMap((all): TableFile[] => {
    const [first] = all;
    if (first === undefined) return [];
    const table: TableFile = {
      path: `${first.path.slice(0, first.path.lastIndexOf('/') + 1)}*.xml`,
      root: first.root,
      segments: [...first.segments.slice(0, -1), 'annotations.json'],
      text: '',
    };
    const boxes = new Boxes();
    const bad: BadRow[] = [];
    for (const file of all) {
      const why = noteVoc(file, boxes, (value) => isImage(value, table));
      const name = file.segments.at(-1) ?? '';
      if (why !== null) bad.push({ where: name, values: [stemOf(name)], why });
    }
    const notes = [...new Set(all.flatMap((file) => file.notes ?? []))];
    const annotations = boxes.annotations({ order: null, bad, notes });
    if (annotations.rows.length > 0) return [{ ...table, annotations }];
    const [why] = bad;
    return why === undefined ? [] : [{ ...table, refused: `cannot be read: ${why.where}, ${why.why}.` }];
  });
}

/** Notes what a file says of its image; returns why it cannot, null where it does or is no annotation. */
function noteVoc(
  { text, segments, refused }: TableFile,
  boxes: Boxes,
  isImage: (value: string) => boolean,
): string | null {
  if (refused !== undefined) return `it ${refused}`;
  if (!text.includes('<annotation')) return null;
  const root = readXml(text);
  if (root === null) return 'it is no whole XML';
  if (root.name !== 'annotation') return null;
  // Tools that renamed the images wrote the old names, or none; then the file is called like its image.
  const [told, own] = [textIn(root, 'filename'), stemOf(segments.at(-1) ?? '')];
  const file = [told, own].find(isImage);
  if (file === undefined) return `it names no image, but "${told}"`;
  boxes.addFile(file);
  for (const object of root.children) {
    if (object.name !== 'object') continue;
    const [label, box] = [textIn(object, 'name'), childOf(object, 'bndbox')];
    const side = (low: string, high: string): number => sizeOf(textIn(box, low), textIn(box, high));
    if (label !== '') boxes.add(file, label, side('xmin', 'xmax') * side('ymin', 'ymax'));
  }
  return null;
}

const sizeOf = (low: string, high: string): number =>
  low === '' || high === '' ? NaN : Number(high) - Number(low);
