// What has come where nobody looks, below the edge of a dialogue or of a telephone, is scrolled to.

/** To be the `ref` of what has come; it moves no further than it must. */
export function intoSight(element: HTMLElement | null): void {
  element?.scrollIntoView({ block: 'nearest' });
}
