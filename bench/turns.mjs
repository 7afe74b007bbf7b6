// Two programs on one machine by turns: the processes of one are stopped while the other's run, a few seconds each. A
// machine that others use too is not equally fast for minutes; both have their share of its slow ones.

/** @typedef {{ group: number, seconds: number, stoppedMs: number, since: number | null }} Turn */

export class Turns {
  /** @type {Turn[]} */
  #turns = [];
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;
  #going = 0;

  /**
   * Takes a program in.
   * @param {number} group its process group; nothing else may belong to it
   * @param {number} seconds of each of its turns
   * @returns {{ running: () => number, leave: () => void }} ms for which it was not stopped, on the clock of Date.now;
   *   and its end, before its processes are ended
   */
  join(group, seconds) {
    /** @type {Turn} */
    const turn = { group, seconds, stoppedMs: 0, since: null };
    this.#turns.push(turn);
    if (this.#turns.length > 1) stop(turn);
    this.#timer ??= setTimeout(() => this.#next(), 1000 * seconds);
    return {
      running: () => (turn.since ?? Date.now()) - turn.stoppedMs,
      leave: () => {
        this.#turns = this.#turns.filter((other) => other !== turn);
        if (turn.since !== null) goOn(turn);
        else this.#next();
      },
    };
  }

  #next() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const turn of this.#turns) if (turn.since === null && this.#turns.length > 1) stop(turn);
    this.#going = (this.#going + 1) % Math.max(1, this.#turns.length);
    const turn = this.#turns[this.#going];
    if (turn === undefined) return;
    if (turn.since !== null) goOn(turn);
    if (this.#turns.length > 1) this.#timer = setTimeout(() => this.#next(), 1000 * turn.seconds);
  }
}

/** @param {Turn} turn */
function stop(turn) {
  process.kill(-turn.group, 'SIGSTOP');
  turn.since = Date.now();
}

/** @param {Turn} turn */
function goOn(turn) {
  process.kill(-turn.group, 'SIGCONT');
  turn.stoppedMs += Date.now() - (turn.since ?? Date.now());
  turn.since = null;
}
