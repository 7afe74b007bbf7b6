// What somebody sees who scrolls a list with the wheel: the frames that the compositor presents, which
// scrolls without the page's thread, and how far that thread is behind. Read from Chromium's trace of its
// pipeline.

/**
 * @typedef {import('@playwright/test').CDPSession} Devtools
 * @typedef {{
 *   name: string, ph: string, ts: number, pid: number, id2?: { local?: string }, args: Record<string, any>
 * }} TraceEvent
 * @typedef {object} Frames
 * @property {number} seconds from the first frame of the scroll to the last
 * @property {number} presented frames with the list at another place
 * @property {number} dropped frames that Chromium wanted and did not show
 * @property {number} gapMs the longest time between two presented frames
 * @property {number} waitMs from the first turn of the wheel to the first frame that the compositor scrolled
 * @property {number} unrastered presented frames in which a part was not drawn yet
 * @property {boolean} waitsForPage whether the page's thread was asked what is to be scrolled
 * @property {number} mainFrames frames of the page's thread meanwhile
 */

/**
 * Turns the wheel over a point of the page and tells which frames were shown.
 * @param {{ page: Devtools, browser: Devtools }} sessions
 * @param {{ x: number, y: number, pixels: number, frames: number }} by pixels a frame, at 60 frames a second
 * @returns {Promise<Frames>}
 */
export async function scrollByWheel({ page, browser }, { x, y, pixels, frames }) {
  /** @type {TraceEvent[]} */
  const events = [];
  const collect = (/** @type {{ value: object[] }} */ { value }) => {
    events.push(.../** @type {TraceEvent[]} */ (value));
  };
  browser.on('Tracing.dataCollected', collect);
  await browser.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['benchmark', 'cc', 'input'], excludedCategories: ['*'] },
  });
  await page.send('Input.synthesizeScrollGesture', {
    ...{ x, y, yDistance: -pixels * frames, speed: pixels * 60 },
    ...{ gestureSourceType: 'mouse', preventFling: true },
  });
  const complete = new Promise((done) => browser.once('Tracing.tracingComplete', done));
  await browser.send('Tracing.end');
  await complete;
  browser.off('Tracing.dataCollected', collect);
  return framesOf(events);
}

/**
 * @param {readonly TraceEvent[]} events
 * @returns {Frames}
 */
function framesOf(events) {
  const updates = events.filter(({ name }) => name === 'InputHandler::ScrollUpdate').map(({ ts }) => ts);
  const wheel = events.filter(({ name }) => name === 'InputLatency::GestureScrollBegin').map(({ ts }) => ts);
  const page = events.find(({ name }) => name === 'InputHandler::ScrollUpdate')?.pid;
  const [first, last] = [Math.min(...updates), Math.max(...updates)];
  /** @type {Map<number, { at: number, presented: boolean, wanted: boolean, unrastered: boolean }>} */
  const frames = new Map();
  /** @type {Map<string, Record<string, any>>} */
  const begun = new Map();
  for (const { name, ph, id2, pid, ts, args } of [...events].sort((a, b) => a.ts - b.ts)) {
    if (name !== 'PipelineReporter' || pid !== page || id2?.local === undefined) continue;
    if (ph === 'b') begun.set(id2.local, args['frame_reporter'] ?? args['chrome_frame_reporter'] ?? {});
    // It ends when it is shown, or given up.
    const report = ph === 'e' ? begun.get(id2.local) : undefined;
    if (report?.['state'] === undefined || ts < first || ts > last + 50_000) continue;
    begun.delete(id2.local);
    const { frame_sequence: sequence, state } = report;
    // The part of the page's thread may be reported apart from that of the compositor.
    const frame = frames.get(sequence) ?? {
      at: Infinity,
      presented: false,
      wanted: false,
      unrastered: false,
    };
    frames.set(sequence, frame);
    if (state.startsWith('STATE_PRESENTED')) {
      frame.presented = true;
      frame.at = Math.min(frame.at, ts);
      frame.unrastered ||= report['checkerboarded_needs_raster'] || report['checkerboarded_needs_record'];
    } else if (state === 'STATE_DROPPED') frame.wanted ||= report['affects_smoothness'];
  }
  const all = [...frames.values()];
  const presented = all.filter((frame) => frame.presented).sort((a, b) => a.at - b.at);
  const gaps = presented.slice(1).map(({ at }, before) => at - (presented[before]?.at ?? at));
  return {
    seconds: (last - first) / 1e6,
    presented: presented.length,
    dropped: all.filter(({ presented, wanted }) => wanted && !presented).length,
    gapMs: Math.max(0, ...gaps) / 1000,
    waitMs: (first - Math.min(...wheel)) / 1000,
    unrastered: presented.filter(({ unrastered }) => unrastered).length,
    waitsForPage: events.some(
      ({ name }) => name === 'WidgetInputHandlerManager::FindScrollTargetOnMainThread',
    ),
    mainFrames: events.filter(({ name, pid }) => name === 'ProxyMain::BeginMainFrame' && pid === page).length,
  };
}

/**
 * Notes at each frame of the page what was in the window until then: runs in the page, before its own listeners.
 * `blank` is the share of the window without rows, `bare` that of its cells that were given no picture, null if the
 * window had no cell.
 */
export function watchWindow() {
  Object.assign(globalThis, { seen: [] });
  document.addEventListener(
    'scroll',
    ({ target }) => {
      if (!(target instanceof HTMLElement) || target.dataset['testid'] !== 'gallery') return;
      const [top, height] = [target.scrollTop, target.clientHeight];
      const columns = Math.floor((target.clientWidth + 8) / 104);
      let [from, to, cells, bare] = [Infinity, 0, 0, 0];
      for (const option of target.querySelectorAll('[role=option]')) {
        const begin = 144 * Math.floor((Number(option.getAttribute('aria-posinset')) - 1) / columns);
        const isInSight = begin < top + height && begin + 136 > top;
        if (!isInSight) continue;
        [from, to, cells] = [Math.min(from, begin), Math.max(to, begin + 144), cells + 1];
        if (option.querySelector('img') === null) bare++;
      }
      const shown = Math.max(0, Math.min(to, top + height) - Math.max(from, top));
      const end = target.scrollHeight;
      Reflect.get(globalThis, 'seen').push({
        blank: 1 - Math.min(1, shown / (Math.min(end, top + height) - top)),
        bare: cells === 0 ? null : bare / cells,
      });
    },
    { capture: true, passive: true },
  );
}

/** A list of the gallery's size with nothing to do while it is scrolled: what a machine can show at most. */
export const emptyList = `<!doctype html><title>Nothing</title>
<div data-testid="gallery" style="position: absolute; left: 45px; top: 150px; width: 1350px; height: 594px; overflow: auto;
background: #fff; will-change: transform">
<div style="height: 120000px; background: repeating-linear-gradient(#fff 0 8px, #ddd 8px 144px)"></div></div>`;
