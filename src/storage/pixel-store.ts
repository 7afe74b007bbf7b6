// The pixel store: pixels that were made once, by the digest of their image and by all that decides their
// bytes, in origin-private storage. A few large packs that are only appended to, each for one way of making
// pixels; what is torn, rotten or of another way is not there for a reader. Knows no images and no models.
//
// A pack: "GRAFTPX1", u32 length of the key, u32 bytes of an image, the key in UTF-8; then blocks: u32 number
// of images, u32 xxHash32 of the table, a table of digests (32 bytes) with the xxHash32 of their pixels, and
// the pixels. Little endian.
import { fail, ok, type Result } from '../shared/result.ts';
import { storageFault, type FileEntry, type FileWriter, type OriginFiles } from './origin-files.ts';
import { xxh32 } from './xxh32.ts';

const top = 'pixels';
const magic = new TextEncoder().encode('GRAFTPX1');
const entryBytes = 36;
/** A block is written when it has so many bytes: what a crash loses, and what is read at once. */
const blockBytes = 4e6;
const mostPerBlock = 256;
/** All packs together; the oldest go first. */
const defaultLimitBytes = 2e9;

/** Pixels that are not to make room for others. */
export interface PinnedPixels {
  readonly maker: string;
  readonly key: string;
  readonly imageBytes: number;
  readonly ids: readonly string[];
}

/** Where to put the pixels of an image; they are only valid during the call. */
export type TakePixels = (id: string, pixels: Uint8Array<ArrayBuffer>) => void;

export class PixelStore {
  #isFull = false;

  /**
   * @param maker what makes the pixels, beside what a key says: another version of it may make others.
   * @param pinned says what stays when room is made; asked only then. Where it rejects, everything stays.
   */
  constructor(
    private readonly files: OriginFiles,
    private readonly maker: string,
    private readonly pinned: () => Promise<readonly PinnedPixels[]> = () => Promise.resolve([]),
    private readonly limitBytes: number = defaultLimitBytes,
  ) {}

  /** Whether pixels were not kept because nothing may go for them. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** The images of which something is here; whether it is whole shows when it is read. */
  async has(key: string, imageBytes: number): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    await this.#walk(key, imageBytes, ({ ids }) => {
      for (const id of ids) found.add(id);
      return Promise.resolve();
    });
    return found;
  }

  /** Hands out the pixels of those images that are here, each once; what cannot be read is not here. */
  async read(
    key: string,
    imageBytes: number,
    wanted: ReadonlySet<string>,
    take: TakePixels,
    signal?: AbortSignal,
  ): Promise<void> {
    const left = new Set(wanted);
    await this.#walk(key, imageBytes, async ({ pack, ids, sums, at }) => {
      signal?.throwIfAborted();
      const places = ids.flatMap((id, place) => (left.has(id) ? [place] : []));
      const [first, last] = [places[0], places.at(-1)];
      if (first === undefined || last === undefined) return;
      const begin = at + first * imageBytes;
      const bytes = await bytesOf(pack, begin, begin + (last - first + 1) * imageBytes);
      for (const place of places) {
        const pixels = bytes.subarray((place - first) * imageBytes, (place - first + 1) * imageBytes);
        const id = ids[place] ?? '';
        if (!left.has(id) || xxh32(pixels) !== sums[place]) continue;
        left.delete(id);
        take(id, pixels);
      }
    });
    signal?.throwIfAborted();
  }

  /** Takes pixels to keep; a disk that is full, locked or gone keeps fewer, and nobody need know. */
  writer(key: string, imageBytes: number): PixelWriter {
    return new PixelWriter(
      this.files,
      this.#folder(key),
      this.#head(key, imageBytes),
      imageBytes,
      (bytes, own) => this.#makeRoom(bytes, own),
    );
  }

  /** Bytes of everything kept. */
  async bytes(): Promise<Result<number>> {
    try {
      return ok((await this.files.list(top)).reduce((sum, { bytes }) => sum + bytes, 0));
    } catch (thrown) {
      return fail(await storageFault(thrown, this.files));
    }
  }

  /** Removes everything kept. */
  async clear(): Promise<Result<null>> {
    try {
      await this.files.remove(top);
      this.#isFull = false;
      return ok(null);
    } catch (thrown) {
      return fail(await storageFault(thrown, this.files));
    }
  }

  #folder(key: string): string {
    return `${top}/${xxh32(this.#keyBytes(key)).toString(16).padStart(8, '0')}`;
  }

  #keyBytes(key: string): Uint8Array<ArrayBuffer> {
    return new TextEncoder().encode(JSON.stringify([key, this.maker]));
  }

  #head(key: string, imageBytes: number): Uint8Array<ArrayBuffer> {
    const name = this.#keyBytes(key);
    const head = new Uint8Array(magic.length + 8 + name.length);
    head.set(magic);
    const view = new DataView(head.buffer);
    view.setUint32(magic.length, name.length, true);
    view.setUint32(magic.length + 4, imageBytes, true);
    head.set(name, magic.length + 8);
    return head;
  }

  /** Visits every whole block of a key's packs. A pack that cannot be read is passed over. */
  async #walk(key: string, imageBytes: number, visit: (block: PlacedBlock) => Promise<void>): Promise<void> {
    const head = this.#head(key, imageBytes);
    const packs = await this.files.list(this.#folder(key)).catch((): FileEntry[] => []);
    for (const { path } of packs) {
      const pack = await this.files.read(path).catch(() => null);
      if (pack === null) continue;
      const found = await bytesOf(pack, 0, head.length);
      if (!same(found, head)) continue;
      for (let at = head.length; ;) {
        const block = await blockAt(pack, at, imageBytes);
        if (block === null) break;
        await visit({ ...block, path });
        at = block.end;
      }
    }
  }

  /** Removes the oldest packs, but neither the one named nor pinned ones, until `bytes` more fit; whether they do. */
  async #makeRoom(bytes: number, own: string): Promise<boolean> {
    const entries = await this.files.list(top);
    let total = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (total + bytes <= this.limitBytes) return true;
    const stays = (await this.#pinnedPacks()).add(own);
    const others = entries.filter(({ path }) => !stays.has(path)).sort((a, b) => a.modified - b.modified);
    for (const { path, bytes: freed } of others) {
      if (total + bytes <= this.limitBytes) break;
      // One that another tab writes stays.
      total -= await this.files.remove(path).then(
        () => freed,
        () => 0,
      );
    }
    this.#isFull = total + bytes > this.limitBytes;
    return !this.#isFull;
  }

  /** Packs in which anything is pinned. */
  async #pinnedPacks(): Promise<Set<string>> {
    const packs = new Set<string>();
    for (const { maker, key, imageBytes, ids } of await this.pinned()) {
      const wanted = new Set(ids);
      await new PixelStore(this.files, maker).#walk(key, imageBytes, (block) => {
        if (block.ids.some((id) => wanted.has(id))) packs.add(block.path);
        return Promise.resolve();
      });
    }
    return packs;
  }
}

interface Block {
  readonly pack: Blob;
  readonly ids: readonly string[];
  readonly sums: readonly number[];
  /** Where its pixels begin, and where the next block does. */
  readonly at: number;
  readonly end: number;
}

interface PlacedBlock extends Block {
  readonly path: string;
}

/** null at the end of a pack and where it is torn or rotten. */
async function blockAt(pack: Blob, at: number, imageBytes: number): Promise<Block | null> {
  const head = await bytesOf(pack, at, at + 8 + mostPerBlock * entryBytes);
  if (head.length < 8) return null;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const count = view.getUint32(0, true);
  const tableEnd = 8 + count * entryBytes;
  const end = at + tableEnd + count * imageBytes;
  if (count === 0 || count > mostPerBlock || end > pack.size) return null;
  if (xxh32(head.subarray(8, tableEnd)) !== view.getUint32(4, true)) return null;
  const places = Array.from({ length: count }, (_, i) => 8 + i * entryBytes);
  return {
    pack,
    ids: places.map((place) => hexOf(head.subarray(place, place + 32))),
    sums: places.map((place) => view.getUint32(place + 32, true)),
    at: at + tableEnd,
    end,
  };
}

/** Collects pixels into blocks and appends them to a pack of its own. */
export class PixelWriter {
  #ids: string[] = [];
  #pixels: Uint8Array<ArrayBuffer>[] = [];
  #file: FileWriter | null = null;
  #length = 0;
  #gaveUp = false;
  /** Blocks are written one after the other. */
  #writing: Promise<void> = Promise.resolve();
  readonly #path: string;
  readonly #perBlock: number;

  constructor(
    private readonly files: OriginFiles,
    folder: string,
    private readonly head: Uint8Array<ArrayBuffer>,
    imageBytes: number,
    private readonly makeRoom: (bytes: number, own: string) => Promise<boolean>,
  ) {
    this.#path = `${folder}/${crypto.randomUUID()}.pack`;
    this.#perBlock = Math.max(1, Math.min(mostPerBlock, Math.floor(blockBytes / imageBytes)));
  }

  /** Keeps the pixels of an image; waits for the disk now and then, so that memory stays bounded. */
  async add(id: string, pixels: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#gaveUp) return;
    this.#ids.push(id);
    this.#pixels.push(pixels);
    if (this.#ids.length >= this.#perBlock) await this.#flush();
  }

  /** Writes what is left and lets go of the file. */
  async close(): Promise<void> {
    await this.#flush();
    this.#release();
  }

  #flush(): Promise<void> {
    const [ids, pixels] = [this.#ids, this.#pixels];
    [this.#ids, this.#pixels] = [[], []];
    this.#writing = this.#writing.then(() => this.#write(ids, pixels));
    return this.#writing;
  }

  async #write(ids: readonly string[], pixels: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    if (ids.length === 0 || this.#gaveUp) return;
    const block = blockOf(ids, pixels);
    const bytes = block.length;
    try {
      if (!(await this.makeRoom(bytes + this.head.length, this.#path))) {
        this.#giveUp();
        return;
      }
      if (this.#file === null) {
        this.#file = await this.files.openWriter(this.#path);
        this.#file.write(this.head);
        this.#length = this.head.length;
      }
      this.#file.write(block);
      this.#length += bytes;
    } catch {
      this.#giveUp();
    }
  }

  /** What came before stays; half a block would only take room. */
  #giveUp(): void {
    this.#gaveUp = true;
    try {
      this.#file?.truncate(this.#length);
    } catch {
      // A reader sees that the block is not whole.
    }
    this.#release();
  }

  #release(): void {
    try {
      this.#file?.close();
    } catch {
      // What the disk did not take is missing for a reader, who makes it again.
    }
    this.#file = null;
  }
}

/** Table and pixels of a block: one write is quicker than hundreds. */
function blockOf(ids: readonly string[], pixels: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const tableEnd = 8 + ids.length * entryBytes;
  const block = new Uint8Array(tableEnd + pixels.reduce((sum, { length }) => sum + length, 0));
  const view = new DataView(block.buffer);
  view.setUint32(0, ids.length, true);
  for (const [i, id] of ids.entries()) {
    const place = 8 + i * entryBytes;
    for (let byte = 0; byte < 32; byte++)
      block[place + byte] = parseInt(id.slice(2 * byte, 2 * byte + 2), 16);
    view.setUint32(place + 32, xxh32(pixels[i] ?? new Uint8Array(0)), true);
  }
  view.setUint32(4, xxh32(block.subarray(8, tableEnd)), true);
  let at = tableEnd;
  for (const image of pixels) {
    block.set(image, at);
    at += image.length;
  }
  return block;
}

const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

/** A part of a file; fewer bytes at its end, none where it cannot be read any more. */
async function bytesOf(file: Blob, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await file.slice(begin, end).arrayBuffer());
  } catch {
    return new Uint8Array(0);
  }
}
