// Of which training images the output of the frozen prefix lies on the device. A place is marked when the step that fills
// it is enqueued; a fault forgets all of them, since nothing behind it can be trusted.
export class KeptPrefix {
  readonly #known: Uint8Array;

  constructor(images: number) {
    this.#known = new Uint8Array(images);
  }

  /** Whether all of these places are filled. */
  has(places: Int32Array): boolean {
    return places.length > 0 && places.every((place) => this.#known[place] === 1);
  }

  mark(places: Int32Array): void {
    for (const place of places) this.#known[place] = 1;
  }

  forget(): void {
    this.#known.fill(0);
  }
}
