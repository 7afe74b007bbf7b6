// Work on many items at once, a few at a time, and giving up waiting for it. Knows nothing of what is done.

/**
 * Does `work` for every item, at most `width` at a time, begun in order. Rejects with the first thing thrown,
 * and with the signal's reason when it aborts before an item; nothing is begun after that.
 */
export async function eachOf<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < items.length && !failed) {
      signal?.throwIfAborted();
      const index = next++;
      const item = items[index];
      if (item !== undefined) await work(item, index);
    }
  };
  const lanes = Array.from({ length: Math.max(1, Math.min(width, items.length)) }, () =>
    lane().catch((thrown: unknown) => {
      failed = true;
      throw thrown;
    }),
  );
  await Promise.all(lanes);
}

/** The promise's outcome, or a rejection as soon as the signal aborts; the work itself goes on unseen. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(abortReason(signal));
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Why a signal was aborted, as an error. */
export function abortReason({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new DOMException('Stopped.', 'AbortError');
}
