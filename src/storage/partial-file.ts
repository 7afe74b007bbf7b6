// A file that is being downloaded: `<place>.part` with a note `<place>.part.note` beside it that says what it
// is part of, so that the next try goes on where this one stopped. `finish` is the only way to `<place>`.
import * as v from 'valibot';
import { fail, ok, type Result } from '../shared/result.ts';
import { Sha256 } from '../shared/sha256.ts';
import { storageFault, type FileWriter, type OriginFiles } from './origin-files.ts';

export const partSuffixes = { data: '.part', note: '.note' } as const;

export interface Digest {
  /** `git-sha1` is git's name of a blob: SHA-1 of "blob <length>\0" and the content. */
  readonly algorithm: 'sha256' | 'git-sha1';
  readonly hex: string;
}

export interface ExpectedFile {
  readonly path: string;
  readonly bytes: number;
  /** What the Hub says of the content; null where it says nothing. */
  readonly digest: Digest | null;
}

const noteSchema = v.object({
  bytes: v.number(),
  digest: v.nullable(v.string()),
  etag: v.nullable(v.string()),
});
type Note = v.InferOutput<typeof noteSchema>;

/** Opens what there is of a file; what belongs to another length, digest or ETag is thrown away. */
export async function openPart(
  files: OriginFiles,
  place: string,
  expected: ExpectedFile,
): Promise<Result<PartialFile>> {
  const data = `${place}${partSuffixes.data}`;
  try {
    const note = await readNote(files, `${data}${partSuffixes.note}`);
    const digest = expected.digest?.hex ?? null;
    const usable = note?.bytes === expected.bytes && note.digest === digest;
    if (!usable) await files.remove(data);
    const part = new PartialFile(files, place, expected, usable ? note.etag : null);
    await part.open();
    return ok(part);
  } catch (thrown) {
    return fail(await storageFault(thrown, files, expected.bytes));
  }
}

async function readNote(files: OriginFiles, path: string): Promise<Note | null> {
  const blob = await files.read(path);
  if (blob === null) return null;
  try {
    const parsed = v.safeParse(noteSchema, JSON.parse(await blob.text()));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

export class PartialFile {
  #writer: FileWriter | null = null;
  #hash = new Sha256();
  #received = 0;

  constructor(
    private readonly files: OriginFiles,
    private readonly place: string,
    readonly expected: ExpectedFile,
    private etag_: string | null,
  ) {}

  /** Bytes that are here. */
  get received(): number {
    return this.#received;
  }

  /** What the server called the content when it began; null when it said nothing. */
  get etag(): string | null {
    return this.etag_;
  }

  get #data(): string {
    return `${this.place}${partSuffixes.data}`;
  }

  /** Takes up what an earlier try left; throws what the storage throws. */
  async open(): Promise<void> {
    const left = await this.files.read(this.#data);
    this.#hash = new Sha256();
    this.#received = 0;
    if (left !== null && left.size > this.expected.bytes) await this.files.remove(this.#data);
    else if (left !== null) await this.#digest(left);
    this.#writer = await this.files.openWriter(this.#data);
  }

  /** Begins anew, with content that the server calls `etag`. Faults of the storage come as a Result. */
  async restart(etag: string | null): Promise<Result<null>> {
    return this.#guarded(async () => {
      // First the old content goes: it must never stand beside a note about another.
      this.#writer?.truncate(0);
      this.#hash = new Sha256();
      this.#received = 0;
      this.etag_ = etag;
      const note: Note = { bytes: this.expected.bytes, digest: this.expected.digest?.hex ?? null, etag };
      const path = `${this.#data}${partSuffixes.note}`;
      // Torn by a crash it is no JSON, and the part is thrown away: it need not be moved into place.
      await this.files.remove(path);
      const writer = await this.files.openWriter(path);
      try {
        writer.write(new TextEncoder().encode(JSON.stringify(note)));
      } finally {
        writer.close();
      }
      return null;
    });
  }

  /** Adds bytes; more than the file has are refused before anything is written. */
  async append(bytes: Uint8Array<ArrayBuffer>): Promise<Result<null>> {
    if (this.#received + bytes.length > this.expected.bytes)
      return fail({
        kind: 'hub',
        why: 'long',
        detail: `${this.expected.path}: more than its ${this.expected.bytes} bytes came.`,
      });
    return this.#guarded(() => {
      this.#writer?.write(bytes);
      if (this.expected.digest?.algorithm === 'sha256') this.#hash.update(bytes);
      this.#received += bytes.length;
      return Promise.resolve(null);
    });
  }

  /** Lets go of the file and keeps it for the next try. */
  keep(): void {
    try {
      this.#writer?.close();
    } catch {
      // What the disk did not take is missing at the next try, which counts what is there.
    }
    this.#writer = null;
  }

  /** Lets go of the file and removes it. */
  async discard(): Promise<void> {
    this.keep();
    await this.files.remove(this.#data).catch(() => undefined);
    await this.files.remove(`${this.#data}${partSuffixes.note}`).catch(() => undefined);
  }

  /** Checks length and digest and moves the file to its place; a file that fails is removed. */
  async finish(): Promise<Result<Blob>> {
    const { expected } = this;
    const closed = await this.#guarded(async () => {
      this.#writer?.close();
      this.#writer = null;
      return this.files.read(this.#data);
    });
    if (!closed.ok) return closed;
    const blob = closed.value;
    if (blob?.size !== expected.bytes) {
      const kept = blob?.size ?? 0;
      await this.discard();
      // A private window of Chromium takes every write and keeps what its quota allows (seen).
      const why = kept < this.#received ? 'quota' : 'corrupt';
      const free = await this.files.free().catch(() => null);
      const detail = `${expected.path}: the browser kept ${kept} of ${expected.bytes} bytes.`;
      return fail({
        kind: 'storage',
        why,
        detail,
        needed: expected.bytes,
        ...(free === null ? {} : { free }),
      });
    }
    const digest = await this.#digestOf(blob);
    if (digest !== null && digest !== expected.digest?.hex) {
      await this.discard();
      const detail = `${expected.path}: its digest is ${digest.slice(0, 12)}…, the Hub says ${expected.digest?.hex.slice(0, 12) ?? ''}….`;
      return fail({ kind: 'hub', why: 'digest', detail });
    }
    return this.#guarded(async () => {
      await this.files.move(this.#data, this.place);
      await this.files.remove(`${this.#data}${partSuffixes.note}`);
      const whole = await this.files.read(this.place);
      if (whole === null) throw new Error(`${this.place} is gone`);
      return whole;
    });
  }

  /** null when there is nothing to compare with. */
  async #digestOf(blob: Blob): Promise<string | null> {
    const algorithm: Digest['algorithm'] | undefined = this.expected.digest?.algorithm;
    if (algorithm === 'sha256') return this.#hash.hex();
    if (algorithm === undefined) return null;
    const head = new TextEncoder().encode(`blob ${blob.size}\0`);
    const content = await new Blob([head, blob]).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', content));
    return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  async #digest(left: Blob): Promise<void> {
    this.#received = left.size;
    if (this.expected.digest?.algorithm !== 'sha256') return;
    const reader = left.stream().getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read())
      this.#hash.update(piece.value);
  }

  /** A disk that fails keeps nothing of this file: it would only take room. */
  async #guarded<T>(work: () => Promise<T>): Promise<Result<T>> {
    try {
      return ok(await work());
    } catch (thrown) {
      const fault = await storageFault(thrown, this.files, this.expected.bytes - this.#received);
      await this.discard();
      return fail(fault);
    }
  }
}
