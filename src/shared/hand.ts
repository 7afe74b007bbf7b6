// A computation gives way to the user's hand. On few cores a run leaves the page none to draw with: what was
// clicked would be seen half a second later. So the page raises its hand at an input and lowers it when the
// answer is painted, and workers look for it between the operations of a long computation, where no message
// reaches them. This needs memory that page and workers share, and so a page with the headers of cross-origin
// isolation; without them a run goes on as if nobody had asked.

/**
 * Shared by a page and its workers, two words: the number of the input that is being answered, 0 where there is
 * none; and how many computations are under way that nobody waits for at the page, the only ones that rest.
 */
export type Hand = Int32Array<SharedArrayBuffer>;

const [inputWord, backgroundWord] = [0, 1];

/** The hand of this page, lowered; null where memory cannot be shared. */
export function makeHand(): Hand | null {
  return globalThis.crossOriginIsolated ? new Int32Array(new SharedArrayBuffer(8)) : null;
}

/** Asks all workers to rest until it is lowered. */
export function raise(hand: Hand, input: number): void {
  Atomics.store(hand, inputWord, input);
}

/** Lets them go on. */
export function lower(hand: Hand): void {
  Atomics.store(hand, inputWord, 0);
  Atomics.notify(hand, inputWord);
}

interface Clock {
  now(): number;
  wait(hand: Hand, value: number, ms: number): void;
}
const realClock: Clock = {
  now: () => performance.now(),
  wait: (hand, value, ms) => void Atomics.wait(hand, inputWord, value, ms),
};

/** So long a worker rests for one input: a page that is busy for longer, or gone, holds nobody up. */
const mostMs = 200;

/** At most so long it rests for each millisecond of work. */
const restPerWork = 2;

let respected: Hand | null = null;
/** For which input this worker rested last, what it may still rest for it, and when it went on. */
let last = { input: 0, left: mostMs, until: -Infinity };

/** The hand that this worker gives way to from now on; null for none. */
export function respect(hand: Hand | null): void {
  respected = hand;
  last = { input: 0, left: mostMs, until: -Infinity };
}

/** The same for the worker that a page starts: what one before it left unfinished when it died counts no more. */
export function respectAnew(hand: Hand | null): void {
  if (hand !== null) Atomics.store(hand, backgroundWord, 0);
  respect(hand);
}

/** What workers of this worker are to give way to as well. */
export function respectedHand(): Hand | null {
  return respected;
}

/**
 * Does what the hand need not wait for: the features, steps, evaluations and drops of a run. All that is
 * computed meanwhile, by other workers too, gives way; what answers a person is done between two such works,
 * and at once.
 */
export async function inBackground<T>(work: () => Promise<T>): Promise<T> {
  if (respected === null) return work();
  const hand = respected;
  Atomics.add(hand, backgroundWord, 1);
  try {
    return await work();
  } finally {
    Atomics.sub(hand, backgroundWord, 1);
  }
}

/**
 * Rests while the hand is raised and the work is one `inBackground`, and no longer at a time than twice what was
 * worked since the last rest: a hand that never rests takes two thirds of the time. Costs next to nothing while it is
 * lowered, and may be called as often as one likes. For workers only: a page must not wait.
 *
 * @param clock `now` in milliseconds; `wait` until the value is another, or so many milliseconds.
 */
export function giveWay(clock: Clock = realClock): void {
  if (respected === null) return;
  const input = Atomics.load(respected, inputWord);
  if (input === 0 || Atomics.load(respected, backgroundWord) === 0) return;
  const begun = clock.now();
  const left = input === last.input ? last.left : mostMs;
  clock.wait(respected, input, Math.min(left, restPerWork * (begun - last.until)));
  const until = clock.now();
  last = { input, left: Math.max(0, left - (until - begun)), until };
}
