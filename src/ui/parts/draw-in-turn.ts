// Drawings on canvases take turns: as many in one frame as fit in a part of it, the others in the next. What a
// hand does meanwhile waits for a few of them and not for all, and a fast machine needs one frame for all.

/** After so long no further drawing is begun in a frame. */
const partOfFrameMs = 8;

const waiting = new Set<() => void>();
let frame = 0;

function drawSome(): void {
  const until = performance.now() + partOfFrameMs;
  try {
    // Those that are asked for by a drawing have the next frame.
    for (const draw of [...waiting]) {
      if (waiting.delete(draw)) draw();
      if (performance.now() >= until) break;
    }
  } finally {
    // One that fails does not hold up the others.
    frame = waiting.size > 0 ? requestAnimationFrame(drawSome) : 0;
  }
}

/** Draws in one of the next frames; the function takes it back. */
export function inTurn(draw: () => void): () => void {
  waiting.add(draw);
  if (frame === 0) frame = requestAnimationFrame(drawSome);
  return () => waiting.delete(draw);
}
