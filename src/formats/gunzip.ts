// Gzip: a whole file unpacked into a Blob, with the checks that fflate leaves out (CRC-32 and length of every
// member) and the guards of an archive: no more than a limit, no more than so many times its size. Knows
// nothing of what is in it.
import { Gunzip } from 'fflate';
import { fail, ok, type Result } from '../shared/result.ts';
import { BlobSink } from './blob-sink.ts';
import { crc32 } from './crc32.ts';
import { zipLimits } from './zip-directory.ts';

export type GunzipProblem = 'damaged' | 'ratio' | 'too-big';

const stepBytes = 64 * 1024;

/**
 * Unpacks a gzip file of one or more members; `first` asks for its beginning only, without checks at the end.
 */
export async function gunzip(
  packed: Blob,
  limitBytes: number,
  first = Infinity,
): Promise<Result<Blob, GunzipProblem>> {
  const sink = new BlobSink();
  const members: { end: number; crc: number; bytes: number }[] = [];
  const state = { total: 0, crc: 0, bytes: 0 };
  const stream = new Gunzip((chunk) => {
    sink.push(chunk);
    state.total += chunk.length;
    state.bytes += chunk.length;
    if (first === Infinity) state.crc = crc32(chunk, 0, chunk.length, state.crc);
  });
  const endMember = (end: number): void => {
    members.push({ end, crc: state.crc, bytes: state.bytes });
    [state.crc, state.bytes] = [0, 0];
  };
  stream.onmember = endMember;
  try {
    for (let at = 0; at < packed.size && state.total < first; at += stepBytes) {
      const end = Math.min(at + stepBytes, packed.size);
      stream.push(new Uint8Array(await packed.slice(at, end).arrayBuffer()), end === packed.size);
      if (state.total > limitBytes) return fail('too-big');
      if (state.total > zipLimits.ratioFromBytes + zipLimits.ratio * end) return fail('ratio');
    }
  } catch {
    return fail('damaged');
  }
  if (first !== Infinity) return ok(sink.blob());
  endMember(packed.size);
  for (const { end, crc, bytes } of members) {
    const trailer = await packed.slice(end - 8, end).arrayBuffer();
    if (trailer.byteLength !== 8) return fail('damaged');
    const view = new DataView(trailer);
    if (view.getUint32(0, true) !== crc || view.getUint32(4, true) !== bytes % 2 ** 32)
      return fail('damaged');
  }
  return ok(sink.blob());
}
