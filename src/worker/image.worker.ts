// The entry of a worker of the pool: as that of the trainer's (trainer.worker.ts), it loads what serves the pool
// and keeps what arrives meanwhile, since parts that are loaded later may not import an entry.
declare const self: DedicatedWorkerGlobalScope;

const waiting: MessageEvent[] = [];
const keep = (event: MessageEvent): void => {
  waiting.push(event);
};
self.addEventListener('message', keep);

import('./serve-images.ts').then(
  ({ serveImages }) => {
    self.removeEventListener('message', keep);
    serveImages();
    for (const event of waiting) self.dispatchEvent(event);
  },
  (thrown: unknown) => {
    // A rejection does not reach the pool, an error does.
    setTimeout(() => {
      throw thrown;
    });
  },
);
