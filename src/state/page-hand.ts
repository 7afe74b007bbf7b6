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

/**
 * Raises the hand at whatever is done in `page`. While a button or a key is held down it stays raised, since its
 * release is an input too, and the one that most buttons answer; workers rest for 200 ms of that at most.
 */
export function watchHand(hand: Hand, page: Document): void {
  let latest = 0;
  let isPressed = false;
  const answered = (input: number): void => {
    // Of several inputs the last one's answer counts.
    if (input === latest && !isPressed) lower(hand);
  };
  const heard = ({ type }: Event): void => {
    if (page.hidden) return;
    if (presses.has(type)) isPressed = true;
    else if (releases.has(type)) isPressed = false;
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
