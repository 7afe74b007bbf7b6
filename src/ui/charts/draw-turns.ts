// Drawings that wait for their turn: one a frame, so that what a hand does meanwhile waits for one of them and
// not for all.

const waiting = new Set<() => void>();
let frame = 0;

function drawNext(): void {
  const [draw] = waiting;
  if (draw !== undefined) waiting.delete(draw);
  frame = waiting.size > 0 ? requestAnimationFrame(drawNext) : 0;
  draw?.();
}

/** Draws in one of the next frames; the function takes it back. */
export function inTurn(draw: () => void): () => void {
  waiting.add(draw);
  if (frame === 0) frame = requestAnimationFrame(drawNext);
  return () => waiting.delete(draw);
}
