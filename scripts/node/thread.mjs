// A worker's thread: `self` as a module worker of a browser has it, and then its module.
import { parentPort, workerData } from 'node:worker_threads';
import { installPlatform } from './platform.mjs';

/** @type {{ url: string, name: string }} */
const { url, name } = workerData;
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

class DedicatedWorkerGlobalScope extends EventTarget {
  name = name;
  location = new URL(url);
  /** @type {((event: Event) => void) | null} */
  #onmessage = null;

  get onmessage() {
    return this.#onmessage;
  }

  /** One listener among the others: it hears whatever is dispatched. */
  set onmessage(listener) {
    if (this.#onmessage !== null) this.removeEventListener('message', this.#onmessage);
    this.#onmessage = listener;
    if (listener !== null) this.addEventListener('message', listener);
  }

  /**
   * @param {unknown} message
   * @param {import('node:worker_threads').TransferListItem[]} [given]
   */
  postMessage(message, given) {
    port.postMessage(message, given);
  }
}

const self = new DedicatedWorkerGlobalScope();
const importScripts = () => {
  throw new TypeError('A module worker has no scripts to import.');
};
Object.assign(globalThis, { self, WorkerGlobalScope: DedicatedWorkerGlobalScope, importScripts });
process.on('unhandledRejection', (reason) => {
  self.dispatchEvent(Object.assign(new Event('unhandledrejection'), { reason }));
});

await installPlatform(url);
// Libraries know Node by its version, and then want its own modules, which a build for browsers has not. Node's
// own `Response` looks at it too, at the first one that is made.
new Response('');
const { node: _, ...versions } = process.versions;
Object.defineProperty(process, 'versions', { value: versions });
// What comes before the module listens waits in the port, as in a browser.
await import(url);
port.on('message', (data) => self.dispatchEvent(new MessageEvent('message', { data })));
