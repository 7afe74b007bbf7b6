// The page's side of a computation that gives way (shared/hand.ts): the hand is raised at an input, and
// lowered when the answer is on the screen.
import { lower, raise, type Hand } from '../shared/hand.ts';

/** What a person does, and what the page may have to draw an answer to. */
const inputs = [
  'pointerdown',
  'pointermove',
  'pointerover',
  'pointerup',
  'pointercancel',
  'dragend',
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

const presses: ReadonlySet<string> = new Set(['pointerdown', 'keydown']);
/** Of a pointer that scrolls or drags something there is no `pointerup`. */
const releases: ReadonlySet<string> = new Set(['pointerup', 'pointercancel', 'dragend', 'keyup']);

/** A menu or a list of the system swallows the release: then the pointer comes back without a button. */
const movesFree = (event: Event): boolean =>
  event.type === 'pointermove' && 'buttons' in event && event.buttons === 0;

/**
 * Raises the hand at whatever is done in `page`. While a button or a key is held down it stays raised, since its
 * release is an input too, and the one that most buttons answer; workers rest for 200 ms of that at most.
 * Of several that are held the first release counts: a missed one would hold the others up for longer.
 */
export function watchHand(hand: Hand, page: Document): void {
  let latest = 0;
  let isPressed = false;
  const answered = (input: number): void => {
    // Of several inputs the last one's answer counts.
    if (input === latest && !isPressed) lower(hand);
  };
  const heard = (event: Event): void => {
    if (page.hidden) return;
    if (presses.has(event.type)) isPressed = true;
    else if (releases.has(event.type) || movesFree(event)) isPressed = false;
    const input = ++latest;
    raise(hand, input);
    afterFrames(framesToPaint, () => answered(input));
  };
  for (const name of inputs) page.addEventListener(name, heard, { capture: true, passive: true });
  page.defaultView?.addEventListener('blur', () => {
    // What is released elsewhere is not told of.
    isPressed = false;
    answered(latest);
  });
}
