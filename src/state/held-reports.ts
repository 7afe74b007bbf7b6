// What a run tells of itself waits while a hand is at work, where taking it in would hold the page up: a
// click that comes while curves and branches are drawn would be answered after them. Nothing is lost and
// nothing changes its order.
import type { TrainerEvent } from '../worker/protocol.ts';
import { afterPaint } from './after-paint.ts';

/**
 * So long after an input reports wait, in ms: who moves may be about to press, and who presses keys presses
 * more of them; after a click its answer is painted first.
 */
const waits = { move: 1500, key: 500, click: 150 } as const;
type Input = keyof typeof waits;
/** And never longer than this. */
const mostMs = 1500;
/** A report that is taken in and painted within this holds nobody up. */
const quickMs = 40;

const inputs: Readonly<Record<string, Input>> = {
  pointermove: 'move',
  pointerdown: 'move',
  wheel: 'move',
  pointerup: 'click',
  pointercancel: 'click',
  keydown: 'key',
  keyup: 'key',
};

/** Time as the browser gives it. */
interface Clock {
  now(): number;
  later(then: () => void, ms: number): void;
  painted(then: () => void): void;
}
const realClock: Clock = {
  now: () => performance.now(),
  later: (then, ms) => void setTimeout(then, ms),
  painted: afterPaint,
};

const figures: ReadonlySet<TrainerEvent['kind']> = new Set([
  'steps',
  'branches',
  'dropped',
  'evaluated',
  'saved',
]);
/** Phases that take turns while a run goes. */
const going: ReadonlySet<string> = new Set(['training', 'evaluating']);

/** Whether an event only tells how far a run is; `before` is the phase that was told last. */
const isReport = (event: TrainerEvent, before: string): boolean =>
  event.kind === 'phase' ? going.has(before) && going.has(event.phase.kind) : figures.has(event.kind);

/**
 * Hands on what the worker tells, at once but for reports that would meet a hand at work in `page`.
 *
 * @param deliver takes one event in.
 */
export function holdReports(
  page: Pick<Document, 'addEventListener' | 'hidden'>,
  deliver: (event: TrainerEvent) => void,
  clock: Clock = realClock,
): (event: TrainerEvent) => void {
  let last: { readonly input: Input; readonly at: number } | null = null;
  let held: TrainerEvent[] = [];
  let heldSince = 0;
  let phase = '';
  /** How long the page took over a report, of late. */
  let tookMs = 0;
  /** Whether a report was taken in that is not painted yet. */
  let isTaking = false;

  const noted = (input: Input): void => {
    last = { input, at: clock.now() };
    // Sooner than a hand that only moved.
    if (input === 'click' && held.length > 0) clock.later(goOn, waits.click);
  };
  let shown = 0;
  page.addEventListener('visibilitychange', () => (shown += 1));
  for (const [name, input] of Object.entries(inputs))
    page.addEventListener(name, () => noted(input), { capture: true, passive: true });

  /** Ms until reports may go on; 0 for now. */
  function waitMs(): number {
    if (last === null || page.hidden || tookMs <= quickMs) return 0;
    return Math.max(0, waits[last.input] - (clock.now() - last.at));
  }

  function flush(): void {
    const events = held;
    held = [];
    for (const event of events) deliver(event);
  }

  function take(report: () => void): void {
    // What is told together is painted together.
    if (isTaking) {
      report();
      return;
    }
    isTaking = true;
    const [begun, wasSeen] = [clock.now(), !page.hidden];
    const shows = shown;
    report();
    clock.painted(() => {
      isTaking = false;
      // A page that nobody looked at meanwhile was not slow.
      if (!wasSeen || page.hidden || shows !== shown) return;
      tookMs = Math.max(0.7 * tookMs, clock.now() - begun);
    });
  }

  function goOn(): void {
    if (held.length === 0) return;
    const left = Math.min(waitMs(), mostMs - (clock.now() - heldSince));
    if (left > 0) clock.later(goOn, left);
    else take(flush);
  }

  return (event) => {
    const isHeld = isReport(event, phase);
    if (event.kind === 'phase') phase = event.phase.kind;
    if (!isHeld) {
      flush();
      deliver(event);
    } else if (held.length > 0) held.push(event);
    else if (waitMs() === 0) take(() => deliver(event));
    else {
      held = [event];
      heldSince = clock.now();
      goOn();
    }
  };
}
