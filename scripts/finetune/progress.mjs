// What the command shows while it runs: one line that is rewritten on a terminal, an occasional plain line
// elsewhere.

/** @typedef {import('../../src/worker/protocol.ts').TrainerEvent} TrainerEvent */

/**
 * A time span for people: "42 s", "3 min", "1 h 05 min".
 * @param {number} seconds
 */
export function span(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/**
 * @param {number} done
 * @param {number} total
 * @param {number} width
 */
export function bar(done, total, width) {
  const filled = total > 0 ? Math.round((Math.min(done, total) / total) * width) : 0;
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/**
 * @param {{ isTTY?: boolean, columns?: number, write: (text: string) => unknown }} stream
 * @param {() => number} [now] ms
 */
export function startProgress(stream, now = Date.now) {
  const live = stream.isTTY === true;
  const everyMs = 15_000;
  let lastMs = -Infinity;
  let total = 0;
  let validation = '';
  /** Whether a line stands that the next one replaces. */
  let open = false;

  /**
   * A line that stays.
   * @param {string} text
   */
  const note = (text) => {
    stream.write(`${open ? '\r\x1b[2K' : ''}${text}\n`);
    open = false;
  };

  /**
   * A line that the next one replaces; without a terminal, one at times.
   * @param {string} text
   */
  const status = (text) => {
    if (live) {
      stream.write(`\r\x1b[2K${text.slice(0, Math.max(20, (stream.columns || 80) - 1))}`);
      open = true;
    } else if (now() - lastMs >= everyMs) {
      lastMs = now();
      note(text);
    }
  };

  return {
    note,
    /** @param {number} steps of the run */
    begin(steps) {
      total = steps;
    },
    /** @param {TrainerEvent} event */
    event(event) {
      if (event.kind === 'progress') {
        const { what, done, total: whole, unit } = event;
        const mb = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1);
        status(unit === 'bytes' ? `${what} ${mb(done)} of ${mb(whole)} MB` : `${what} ${done}/${whole}`);
      } else if (event.kind === 'phase' && event.phase.kind === 'preparing') {
        const { what, done, total: parts } = event.phase;
        status(parts > 0 ? `${what} ${done}/${parts}` : what);
      } else if (event.kind === 'steps') {
        const row = event.rows.at(-1);
        if (row === undefined) return;
        const left = event.secondsLeft === null ? '' : `, ${span(event.secondsLeft)} left`;
        const done = row.step + 1;
        const figures = `loss ${row.loss.toFixed(4)}, accuracy ${percent(row.accuracy)}${validation}${left}`;
        status(`${live ? `${bar(done, total, 20)} ` : ''}step ${done}/${total}: ${figures}`);
      } else if (event.kind === 'evaluated') {
        validation = `, validation ${percent(event.validation.accuracy)}`;
        note(
          `step ${event.step}: validation loss ${event.validation.loss.toFixed(4)}, accuracy ${percent(event.validation.accuracy)}`,
        );
      } else if (event.kind === 'diverging' && event.fault === null) {
        note('The run has come back: its loss is no longer far from that before training.');
      } else if (event.kind === 'dropped') {
        const [first] = event.drops;
        if (first === undefined) return;
        const jump = `loss ${first.lossBefore.toFixed(4)} before, ${first.lossAfter.toFixed(4)} after`;
        note(`step ${first.step}: ${event.drops.length} branches dropped, ${jump}`);
      }
    },
    /**
     * The progress of one of several runs: a line that the next one replaces on a terminal, and nothing elsewhere.
     * @param {string} name
     */
    under: (name) => ({
      note: () => undefined,
      begin: () => undefined,
      /** @param {TrainerEvent} event */
      event(event) {
        const step = event.kind === 'steps' ? event.rows.at(-1)?.step : undefined;
        if (live && step !== undefined) status(`${name}: step ${step + 1}`);
        else if (live && event.kind === 'phase' && event.phase.kind === 'preparing')
          status(`${name}: ${event.phase.what}`);
      },
    }),
    /** Leaves the terminal on a fresh line. */
    end() {
      if (open) stream.write('\n');
      open = false;
    },
  };
}
