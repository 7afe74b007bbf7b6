// The time that a run of the bench may take. A machine with a GPU is lent for minutes: what comes first is
// measured, what no time is left for is named, and nothing that hangs takes more than its share.

/** Below this nothing is begun: a process, its device and its weights take as long. */
const leastSeconds = 4;

export class Budget {
  /** @param {number} seconds for everything @param {() => number} now milliseconds from any origin */
  constructor(seconds, now = () => performance.now()) {
    this.now = now;
    this.end = now() + 1000 * seconds;
  }

  /**
   * Whole milliseconds that the next piece may take; null where none should begin.
   * @param {number} most seconds of one piece
   */
  share(most = 90) {
    const left = this.end - this.now();
    return left < 1000 * leastSeconds ? null : Math.floor(Math.min(left, 1000 * most));
  }
}

/** What a case says that found no time. */
export const leftOut = 'left out: no time was left (--budget SECONDS gives more)';
