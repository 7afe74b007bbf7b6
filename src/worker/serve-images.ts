// A worker of the pool, behind its entry: one piece of work on one image at a time, pixels handed back without a
// copy. Small on purpose: it knows no model and no engine, and what only some files need is loaded for them.
import { makeBrowserDecoder } from '../data/decode.ts';
import { doWork } from '../data/image-work.ts';
import { beatMessage, pingMessage } from '../shared/heartbeat.ts';
import { fail } from '../shared/result.ts';
import type { PoolAnswer, PoolRequest } from './image-pool.ts';

declare const self: DedicatedWorkerGlobalScope;

/** Answers what the pool asks, from here on. */
export function serveImages(): void {
  const decode = makeBrowserDecoder();
  self.addEventListener('message', ({ data }: MessageEvent<PoolRequest | typeof pingMessage>) => {
    if (data === pingMessage) {
      self.postMessage(beatMessage);
      return;
    }
    const work = doWork(data.name, data.input, decode).catch((thrown: unknown) =>
      // Every piece of work is answered, or the pool would wait for ever.
      fail({ code: 'undecodable' as const, reason: `It could not be worked on (${String(thrown)}).` }),
    );
    void work.then((result) => {
      const answer: PoolAnswer = { result };
      const pixels = result.ok && result.value instanceof Uint8Array ? [result.value.buffer] : [];
      self.postMessage(answer, pixels);
    });
  });
}
