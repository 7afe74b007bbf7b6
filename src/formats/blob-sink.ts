// BlobSink: what is unpacked chunk by chunk, as a Blob. A browser keeps large Blobs on disk, so that nothing
// is whole in memory.

/** Collects chunks as a Blob without holding them all: a browser keeps large Blobs on disk. */
export class BlobSink {
  readonly #parts: Blob[] = [];
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #pendingBytes = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#pending.push(chunk.slice());
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= 16 * 2 ** 20) this.#fold();
  }

  blob(): Blob {
    this.#fold();
    return new Blob(this.#parts);
  }

  #fold(): void {
    if (this.#pending.length > 0) this.#parts.push(new Blob(this.#pending));
    [this.#pending, this.#pendingBytes] = [[], 0];
  }
}
