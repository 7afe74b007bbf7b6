// The entry of the trainer's worker and of its shards: it loads what serves them and keeps what arrives
// meanwhile. No other module may import it, nor be bundled into it: WebKit evaluates the entry of a module
// worker again for whoever imports it, and everything in it would be there twice
// (scripts/worker-entry.mjs refuses such a build).
declare const self: DedicatedWorkerGlobalScope;

const waiting: MessageEvent[] = [];
const keep = (event: MessageEvent): void => {
  waiting.push(event);
};
self.addEventListener('message', keep);

import('./serve-trainer.ts').then(
  ({ serveTrainer }) => {
    self.removeEventListener('message', keep);
    serveTrainer();
    for (const event of waiting) self.dispatchEvent(event);
  },
  (thrown: unknown) => {
    // A rejection does not reach the page, an error does.
    setTimeout(() => {
      throw thrown;
    });
  },
);
