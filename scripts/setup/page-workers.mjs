// The workers of a page and their workers, each spoken to by DevTools: what Playwright does not show of them.

/** @typedef {import('@playwright/test').CDPSession} CDPSession */

/**
 * @typedef {object} PageWorker
 * @property {string} url
 * @property {(method: string, params?: object) => Promise<any>} send
 */

/** Messages of a worker's session travel inside those of its parent's. */
const attaching = { autoAttach: true, waitForDebuggerOnStart: false, flatten: false };

/**
 * Attaches to all workers of a page, those that are there and those to come.
 * @param {CDPSession} session of the page
 * @param {{ attached?: (worker: PageWorker) => void, event?: (worker: PageWorker, method: string, params: any) => void }} listener
 * @returns {Promise<() => readonly PageWorker[]>} gives those that are there
 */
export async function pageWorkers(session, listener) {
  /** @type {Map<string, PageWorker & { receive: (message: any) => void }>} */
  const workers = new Map();

  /**
   * @param {string} sessionId
   * @param {string} url
   * @param {(method: string, params: any) => Promise<any>} parent
   */
  function attach(sessionId, url, parent) {
    /** @type {Map<number, (result: any) => void>} */
    const waiting = new Map();
    let sent = 0;
    const worker = {
      url,
      /** @type {PageWorker['send']} */
      send(method, params = {}) {
        const id = ++sent;
        const answer = new Promise((resolve) => waiting.set(id, resolve));
        const message = JSON.stringify({ id, method, params });
        // One that has ended does not answer.
        void parent('Target.sendMessageToTarget', { sessionId, message }).catch(() => undefined);
        return answer;
      },
      receive(/** @type {any} */ { id, result, method, params }) {
        if (id !== undefined) waiting.get(id)?.(result);
        else if (!heard(method, params, worker.send)) listener.event?.(worker, method, params);
      },
    };
    workers.set(sessionId, worker);
    void worker.send('Target.setAutoAttach', attaching);
    listener.attached?.(worker);
  }

  /**
   * Whether an event was about other sessions.
   * @param {string} method
   * @param {any} params
   * @param {(method: string, params: any) => Promise<any>} send
   */
  function heard(method, params, send) {
    if (method === 'Target.attachedToTarget') {
      if (params.targetInfo.type === 'worker') attach(params.sessionId, params.targetInfo.url, send);
    } else if (method === 'Target.detachedFromTarget') workers.delete(params.sessionId);
    else if (method === 'Target.receivedMessageFromTarget')
      workers.get(params.sessionId)?.receive(JSON.parse(params.message));
    else return false;
    return true;
  }

  const send = /** @type {(method: any, params: any) => Promise<any>} */ (session.send.bind(session));
  for (const method of /** @type {const} */ ([
    'Target.attachedToTarget',
    'Target.detachedFromTarget',
    'Target.receivedMessageFromTarget',
  ]))
    session.on(method, (params) => heard(method, params, send));
  await session.send('Target.setAutoAttach', attaching);
  return () => [...workers.values()];
}
