// Boxes around things, as labelling tools export them (COCO's JSON, Pascal VOC's XML), read for the class of each
// image: the only one its boxes name, or the one whose boxes cover most. Knows text; opens no file.
import { byCodePoint } from './file-path.ts';
import type { Annotations, Row, TableFile } from './table-rows.ts';

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
  annotations(order: readonly string[] | null): Annotations {
    let mixed = 0;
    const rows = [...this.#files].map(([file, classes]): Row => {
      if (classes.size > 1) mixed += 1;
      const [first, second] = [...classes].sort(([, a], [, b]) => b.area - a.area || b.count - a.count);
      const isTie =
        first !== undefined &&
        second !== undefined &&
        first[1].area === second[1].area &&
        first[1].count === second[1].count;
      return { [boxColumns.file]: file, [boxColumns.label]: first === undefined || isTie ? '' : first[0] };
    });
    return { rows, mixed, order };
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
  const names = new Map<unknown, string>();
  for (const category of categories) {
    const name = fieldOf(category, 'name');
    if (typeof name === 'string') names.set(fieldOf(category, 'id'), name);
  }
  const files = new Map<unknown, string>();
  const boxes = new Boxes();
  for (const image of images) {
    const file = fieldOf(image, 'file_name');
    if (typeof file !== 'string') continue;
    files.set(fieldOf(image, 'id'), file);
    boxes.addFile(file);
  }
  for (const annotation of annotations) {
    const file = files.get(fieldOf(annotation, 'image_id'));
    const label = names.get(fieldOf(annotation, 'category_id'));
    if (file === undefined || label === undefined) continue;
    const [, , width, height] = listOf(annotation, 'bbox') ?? [];
    const area = fieldOf(annotation, 'area');
    const box = typeof width === 'number' && typeof height === 'number' ? width * height : 0;
    boxes.add(file, label, box > 0 ? box : typeof area === 'number' ? area : 0);
  }
  const order = [...names]
    .sort(([a], [b]) => Number(a) - Number(b) || byCodePoint(String(a), String(b)))
    .map(([, name]) => name);
  return boxes.annotations(order);
}

/** Boxes as Pascal VOC writes them, a file an image: tables of those that lie in one folder. */
export function vocTables(files: readonly TableFile[]): TableFile[] {
  const folders = new Map<string, TableFile[]>();
  for (const file of files) {
    const key = JSON.stringify([file.root, file.segments.slice(0, -1)]);
    folders.set(key, [...(folders.get(key) ?? []), file]);
  }
  return [...folders.values()].flatMap((all) => {
    const boxes = new Boxes();
    for (const { text } of all) noteVoc(text, boxes);
    const annotations = boxes.annotations(null);
    const [first] = all;
    if (first === undefined || annotations.rows.length === 0) return [];
    const slash = first.path.lastIndexOf('/');
    const table: TableFile = {
      path: `${first.path.slice(0, slash + 1)}*.xml`,
      root: first.root,
      segments: [...first.segments.slice(0, -1), 'annotations.json'],
      text: '',
      annotations,
    };
    return [table];
  });
}

function noteVoc(text: string, boxes: Boxes): void {
  const [head = '', ...objects] = text.split('<object>');
  const file = textIn(head, 'filename');
  if (!head.includes('<annotation') || file === null) return;
  boxes.addFile(file);
  for (const object of objects) {
    const label = textIn(object, 'name');
    const [left, top, right, bottom] = ['xmin', 'ymin', 'xmax', 'ymax'].map((tag) =>
      Number(textIn(object, tag) ?? 'NaN'),
    );
    const area = ((right ?? NaN) - (left ?? NaN)) * ((bottom ?? NaN) - (top ?? NaN));
    if (label !== null) boxes.add(file, label, area);
  }
}

/** What stands in the first element of a name; null for none. */
function textIn(text: string, tag: string): string | null {
  const begin = text.indexOf(`<${tag}>`);
  const end = begin < 0 ? -1 : text.indexOf(`</${tag}>`, begin);
  return end < 0 ? null : decodeEntities(text.slice(begin + tag.length + 2, end)).trim();
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

const decodeEntities = (text: string): string =>
  text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name] ?? '');
