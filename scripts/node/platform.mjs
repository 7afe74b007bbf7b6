// What the built app finds in a browser and Node has not, as far as its bare page and its workers use it:
// `Worker`, files by `fetch`, WebGPU by Dawn, pictures by sharp. What runs on it is the build in dist/, the very
// files that browsers load.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker as Thread } from 'node:worker_threads';
import { installImages } from './images.mjs';

/** @type {Readonly<Record<string, string>>} */
const types = { '.wasm': 'application/wasm', '.json': 'application/json' };

/** Those of this thread. @type {Set<Thread>} */
const threads = new Set();

/** Ends the threads that were started here, and with them theirs. */
export async function endThreads() {
  await Promise.all([...threads].map((thread) => thread.terminate()));
}

/** A worker of a browser, as a thread whose module finds its `self` by thread.mjs. */
class ThreadWorker extends EventTarget {
  /** @type {((event: Event) => void) | null} */
  onmessage = null;
  /** @type {((event: Event) => void) | null} */
  onerror = null;
  #thread;

  /**
   * @param {string | URL} url of its module
   * @param {{ name?: string }} [options]
   */
  constructor(url, { name = '' } = {}) {
    super();
    this.#thread = new Thread(new URL('./thread.mjs', import.meta.url), {
      workerData: { url: String(url), name },
    });
    threads.add(this.#thread);
    this.#thread.on('exit', () => threads.delete(this.#thread));
    this.#thread.on('message', (data) => this.#tell(new MessageEvent('message', { data }), this.onmessage));
    this.#thread.on('error', (thrown) => {
      const message = thrown instanceof Error ? thrown.message : 'The thread has ended.';
      const event = Object.assign(new Event('error', { cancelable: true }), { message });
      this.#tell(event, this.onerror);
    });
  }

  /**
   * @param {Event} event
   * @param {((event: Event) => void) | null} listener
   */
  #tell(event, listener) {
    listener?.(event);
    this.dispatchEvent(event);
  }

  /**
   * @param {unknown} message
   * @param {import('node:worker_threads').TransferListItem[]} [given]
   */
  postMessage(message, given) {
    this.#thread.postMessage(message, given);
  }

  terminate() {
    void this.#thread.terminate();
  }
}

/**
 * `fetch` that also reads files, which a build has beside it.
 * @param {typeof fetch} network Node's own
 * @param {string} base what relative addresses are relative to
 * @returns {typeof fetch}
 */
const fetchFrom = (network, base) => async (input, init) => {
  const address = input instanceof Request ? input.url : new URL(String(input), base).href;
  if (!address.startsWith('file:')) return network(input, init);
  const path = fileURLToPath(address);
  const bytes = await readFile(path).catch(() => null);
  if (bytes === null) return new Response(null, { status: 404 });
  const headers = {
    'content-type': types[extname(path)] ?? 'application/octet-stream',
    'content-length': String(bytes.length),
  };
  return new Response(bytes, { headers });
};

/** As much of XMLHttpRequest as Emscripten's glue asks for, which reads files by nothing else. */
class FileRequest {
  status = 0;
  response = new ArrayBuffer(0);
  onload = () => undefined;
  #path = '';

  /**
   * @param {string} _
   * @param {string} url
   */
  open(_, url) {
    this.#path = fileURLToPath(url);
  }

  send() {
    this.response = Uint8Array.from(readFileSync(this.#path)).buffer;
    this.status = 200;
    this.onload();
  }
}

/**
 * Has this thread look about it every millisecond while Dawn owes it an answer: Dawn answers when the event
 * loop turns, and the loop of a thread that waits for nothing else does not turn.
 * @param {{ readonly prototype: object }} type one of WebGPU's
 * @param {string} method of it, which answers later
 */
function keepTurning({ prototype }, method) {
  /** @type {unknown} */
  const ask = Reflect.get(prototype, method);
  if (typeof ask !== 'function') return;
  Reflect.set(
    prototype,
    method,
    /** @this {object} @param {unknown[]} given */ async function (...given) {
      const turn = setInterval(() => undefined, 1);
      try {
        return await Reflect.apply(ask, this, given);
      } finally {
        clearInterval(turn);
      }
    },
  );
}

/**
 * `navigator`, whose `gpu` is Dawn's on the Vulkan driver of this machine, opened when somebody asks for it.
 * GRAFT_DAWN_FLAGS hands Dawn flags, separated by blanks: `adapter=NVIDIA` picks one of several GPUs.
 */
async function makeNavigator() {
  const rest = { userAgent: `Node.js/${process.version}`, hardwareConcurrency: availableParallelism() };
  // Without an addon for this system there is no WebGPU, and wasm trains.
  const dawn = await import('webgpu').catch(() => null);
  if (dawn === null) return rest;
  Object.assign(globalThis, dawn.globals);
  keepTurning(globalThis.GPUBuffer, 'mapAsync');
  keepTurning(globalThis.GPUQueue, 'onSubmittedWorkDone');
  keepTurning(globalThis.GPUDevice, 'popErrorScope');
  keepTurning(globalThis.GPUDevice, 'createComputePipelineAsync');
  /** @type {GPU | null} */
  let gpu = null;
  return {
    ...rest,
    get gpu() {
      gpu ??= dawn.create((process.env['GRAFT_DAWN_FLAGS'] ?? '').split(' ').filter(Boolean));
      return gpu;
    },
  };
}

/**
 * Makes of this thread what a browser is to a page or a worker.
 * @param {string} base address of the page or of the worker's module
 */
export async function installPlatform(base) {
  // As browsers have it, and Node from 21 on: the processor's kernels then give a browser's bits.
  if (parseInt(process.versions.node ?? '') < 21) setFlagsFromString('--experimental-wasm-relaxed-simd');
  installImages();
  Object.defineProperty(globalThis, 'navigator', { value: await makeNavigator(), configurable: true });
  Object.assign(globalThis, {
    Worker: ThreadWorker,
    XMLHttpRequest: FileRequest,
    fetch: fetchFrom(globalThis.fetch, base),
    isSecureContext: true,
    // As on a page that is not isolated: every thread has its memory for itself.
    SharedArrayBuffer: undefined,
  });
}
