// What is not the answer to a hand itself, but follows from it: done when that answer has been painted.

/** Does it after the next frame, or soon where the page is hidden and has none. */
export function afterPaint(then: () => void): void {
  if (document.hidden) setTimeout(then);
  else requestAnimationFrame(() => setTimeout(then));
}
