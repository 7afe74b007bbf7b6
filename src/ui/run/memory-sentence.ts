// What a run takes of the GPU's memory, in a sentence. Pure.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import type { MemoryPlan } from '../../worker/protocol.ts';

const parts = {
  weights: 'weights of the model',
  adapter: 'what learns and its moments',
  activations: 'activations',
  prefix: 'kept outputs of the frozen blocks',
  uploads: 'images on their way',
  readBack: 'reading back',
} as const satisfies Record<keyof MemoryPlan['bytes'], string>;

/** "412 MB on the GPU: frozen weights 46 MB, ...", and what was given up for it. */
export function memorySentence({ bytes, totalBytes, note }: MemoryPlan): string {
  const named = Object.entries(parts).flatMap(([name, words]) => {
    const part = bytes[name as keyof MemoryPlan['bytes']];
    return part > 0 ? [`${words} ${bytesInWords(part)}`] : [];
  });
  const sum = `${bytesInWords(totalBytes)} on the GPU: ${named.join(', ')}.`;
  return note === null ? sum : `${sum} ${note}`;
}
