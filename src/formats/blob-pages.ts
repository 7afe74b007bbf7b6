// Reads of a blob through pages that are kept for a while. A browser reads a blob in another process: a read
// of a few bytes costs as much as a copy of some hundred kilobytes, about a millisecond.

const pageBytes = 256 * 1024;
/** 4 MB in all. */
const mostPages = 16;

export class BlobPages {
  /** By number, the one that was read last at the end. */
  readonly #pages = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();

  constructor(readonly blob: Blob) {}

  /**
   * Bytes [begin, end), as many of them as there are, as a copy of their own. Rejects as the blob does when it
   * cannot be read any more. Calls may overlap.
   */
  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const until = Math.max(begin, Math.min(end, this.blob.size));
    if (until - begin > 2 * pageBytes) return this.#direct(begin, until);
    const bytes = new Uint8Array(until - begin);
    const first = Math.floor(begin / pageBytes);
    const numbers = Array.from({ length: Math.ceil(until / pageBytes) - first }, (_, i) => first + i);
    const pages = await Promise.all(numbers.map((number) => this.#page(number)));
    for (const [i, page] of pages.entries()) {
      const at = (first + i) * pageBytes;
      bytes.set(page.subarray(Math.max(0, begin - at), until - at), Math.max(0, at - begin));
    }
    return bytes;
  }

  #page(number: number): Promise<Uint8Array<ArrayBuffer>> {
    const held = this.#pages.get(number);
    const page = held ?? this.#direct(number * pageBytes, (number + 1) * pageBytes);
    this.#pages.delete(number);
    this.#pages.set(number, page);
    if (held === undefined) {
      // One that could not be read is tried again at the next call.
      page.catch(() => this.#pages.delete(number));
      const [oldest] = this.#pages.keys();
      if (this.#pages.size > mostPages && oldest !== undefined) this.#pages.delete(oldest);
    }
    return page;
  }

  async #direct(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.blob.slice(begin, end).arrayBuffer());
  }
}
