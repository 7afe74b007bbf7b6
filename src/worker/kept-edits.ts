// Edits that last: the history of each set of images in a file of the app's own origin, found again by what the
// images are. A set is known by how it was read and by its smallest digests: the same files give the same, and a
// folder with a few more gives nearly the same. Only digests and names of classes are kept.
//
//   edits/<digest of its reading>-<digest of its sketch>.json
import * as v from 'valibot';
import { noEdits, type Edit, type EditHistory } from '../data/edits.ts';
import { digestOf } from '../shared/sha256.ts';
import type { OriginFiles } from '../storage/origin-files.ts';
import { writeWhole } from '../storage/write-whole.ts';
import type { KeepBy } from './open-data.ts';

const folder = 'edits';
/** Digests by which a set is known. */
const sketchSize = 64;
/** Sets of which edits are kept. */
const mostSets = 30;
/** Share of the sketches' smallest digests that both sets have, from which on they are taken for one. */
const leastAlike = 0.5;

const numbers = v.array(v.pipe(v.number(), v.integer(), v.minValue(0)));
const split = v.nullable(v.picklist(['train', 'validation', 'test']));
const form = v.object({
  form: v.literal(2),
  reading: v.string(),
  sketch: v.array(v.string()),
  ids: v.array(v.string()),
  done: v.pipe(v.number(), v.integer(), v.minValue(0)),
  edits: v.array(
    v.variant('kind', [
      v.object({ kind: v.literal('relabel'), images: numbers, to: v.string() }),
      v.object({ kind: v.literal('exclude'), images: numbers }),
      v.object({ kind: v.literal('include'), images: numbers }),
      v.object({ kind: v.literal('move'), images: numbers, to: split }),
      v.object({ kind: v.literal('together'), groups: v.array(numbers) }),
      v.object({ kind: v.literal('rename'), from: v.string(), to: v.string() }),
      v.object({ kind: v.literal('merge'), from: v.array(v.string()), to: v.string() }),
      v.object({ kind: v.literal('make'), name: v.string() }),
    ]),
  ),
});
type Kept = v.InferOutput<typeof form>;

/** The smallest digests of a set, in order. */
const sketchOf = (ids: readonly string[]): string[] => [...ids].sort().slice(0, sketchSize);

/** Which share of the smallest digests of both sets together are in both: an estimate of their Jaccard index. */
function likeness(a: readonly string[], b: readonly string[]): number {
  const [inA, inB] = [new Set(a), new Set(b)];
  const smallest = sketchOf([...new Set([...a, ...b])]);
  return smallest.filter((id) => inA.has(id) && inB.has(id)).length / Math.max(1, smallest.length);
}

/** With what the names of all files of sets that were read so begin. */
const placesOf = async (reading: string): Promise<string> =>
  `${folder}/${await digestOf(new Blob([reading]))}-`;

const placeOf = async (reading: string, sketch: readonly string[]): Promise<string> =>
  `${await placesOf(reading)}${await digestOf(new Blob([sketch.join('')]))}.json`;

export class KeptEdits {
  #writing: Promise<unknown> = Promise.resolve();
  /** What is to be written, by its set: of several edits in a row the last is. */
  readonly #waiting = new Map<string, EditHistory>();

  constructor(private readonly files: OriginFiles) {}

  /** Keeps the history of a set of images. What the disk refuses is not kept: the edits hold all the same. */
  save({ ids, reading }: KeepBy, edits: EditHistory): Promise<unknown> {
    const sketch = sketchOf(ids);
    const key = [reading, ...sketch].join(' ');
    const waits = this.#waiting.has(key);
    this.#waiting.set(key, edits);
    if (waits) return this.#writing;
    this.#writing = this.#writing
      .then(async () => {
        const place = await placeOf(reading, sketch);
        const history = this.#waiting.get(key) ?? edits;
        this.#waiting.delete(key);
        if (history.edits.length === 0) return this.files.remove(place);
        const text = JSON.stringify(toKept(reading, sketch, history));
        await writeWhole(this.files, place, new TextEncoder().encode(text));
        const others = (await this.files.list(folder)).filter(({ path }) => path !== place);
        const old = [...others].sort((a, b) => b.modified - a.modified).slice(mostSets - 1);
        for (const { path } of old) await this.files.remove(path);
        return undefined;
      })
      .catch(() => undefined);
    return this.#writing;
  }

  /**
   * The history that was kept of these images, or of those most like them, read in the same way; none where
   * there is none.
   */
  async find({ ids, reading }: KeepBy): Promise<EditHistory> {
    try {
      await this.#writing;
      const sketch = sketchOf(ids);
      const own = await this.#read(await placeOf(reading, sketch), reading);
      if (own !== null) return toHistory(own);
      let best: { readonly kept: Kept; readonly alike: number } | null = null;
      const places = await placesOf(reading);
      for (const { path } of await this.files.list(folder)) {
        if (!path.startsWith(places)) continue;
        const kept = await this.#read(path, reading);
        const alike = kept === null ? 0 : likeness(sketch, kept.sketch);
        if (kept !== null && alike >= leastAlike && alike > (best?.alike ?? 0)) best = { kept, alike };
      }
      return best === null ? noEdits : toHistory(best.kept);
    } catch {
      return noEdits;
    }
  }

  /** null where it is missing, none of ours, or of another reading. */
  async #read(path: string, reading: string): Promise<Kept | null> {
    const text = await (await this.files.read(path))?.text();
    if (text === undefined) return null;
    try {
      const read = v.safeParse(form, JSON.parse(text));
      return read.success && read.output.reading === reading ? read.output : null;
    } catch {
      return null;
    }
  }
}

/** Each digest once, however many edits name it. */
function toKept(reading: string, sketch: string[], { edits, done }: EditHistory): Kept {
  const places = new Map<string, number>();
  const numberOf = (id: string): number => {
    const number = places.get(id) ?? places.size;
    places.set(id, number);
    return number;
  };
  const numbered = edits.map((edit) =>
    'images' in edit
      ? { ...edit, images: edit.images.map(numberOf) }
      : edit.kind === 'together'
        ? { ...edit, groups: edit.groups.map((group) => group.map(numberOf)) }
        : edit.kind === 'merge'
          ? { ...edit, from: [...edit.from] }
          : edit,
  );
  return { form: 2, reading, sketch, done, edits: numbered, ids: [...places.keys()] };
}

function toHistory({ ids, edits, done }: Kept): EditHistory {
  const idsOf = (numbered: readonly number[]): string[] => numbered.flatMap((number) => ids[number] ?? []);
  const named = edits.map((edit): Edit =>
    'images' in edit
      ? { ...edit, images: idsOf(edit.images) }
      : edit.kind === 'together'
        ? { ...edit, groups: edit.groups.map(idsOf) }
        : edit,
  );
  return { edits: named, done: Math.min(done, named.length) };
}
