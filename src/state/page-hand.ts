// The page's side of a computation that gives way (shared/hand.ts): the hand is raised at an input, and
// lowered when the answer is on the screen.
import { lower, raise, type Hand } from '../shared/hand.ts';

/** What a person does, and what the page may have to draw an answer to. */
const inputs = [
  'pointerdown',
  'pointermove',
  'pointerover',
  'pointerup',
  'click',
  'keydown',
  'keyup',
  'input',
  'wheel',
  'scroll',
] as const;

/**
 * The frame that answers is the first to begin. The second may begin while that one is drawn: in the third the
 * compositor has it on the screen, since it draws one at a time.
 */
const framesToPaint = 3;

function afterFrames(frames: number, then: () => void): void {
  if (frames === 0) then();
  else requestAnimationFrame(() => afterFrames(frames - 1, then));
}

/** Raises the hand at whatever is done in `page`. */
export function watchHand(hand: Hand, page: Document): void {
  let latest = 0;
  const heard = (): void => {
    if (page.hidden) return;
    const input = ++latest;
    raise(hand, input);
    afterFrames(framesToPaint, () => {
      // Of several inputs the last one's answer counts.
      if (input === latest) lower(hand);
    });
  };
  for (const name of inputs) page.addEventListener(name, heard, { capture: true, passive: true });
}
