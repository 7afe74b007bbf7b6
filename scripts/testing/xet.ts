// Just enough of Xet's storage format to put uploaded files together again: a shard says which chunks of
// which xorbs a file is, a xorb holds chunks, each plain or as an LZ4 frame, its bytes grouped by four or
// not.

const shardHeaderBytes = 48;
const hashBytes = 32;
const entryBytes = 48;
const withVerification = 0x80000000;
const withMetadata = 0x40000000;

/** Every file of a shard, with the SHA-256 that it states. */
export function fileOfShard(
  shard: Uint8Array,
  xorbs: ReadonlyMap<string, Uint8Array>,
): { readonly sha256: string; readonly bytes: Uint8Array }[] {
  const view = new DataView(shard.buffer, shard.byteOffset, shard.byteLength);
  const files: { sha256: string; bytes: Uint8Array }[] = [];
  let at = shardHeaderBytes;
  while (!shard.subarray(at, at + hashBytes).every((byte) => byte === 0xff)) {
    const flags = view.getUint32(at + hashBytes, true);
    const count = view.getUint32(at + hashBytes + 4, true);
    at += entryBytes;
    const parts: Uint8Array[] = [];
    for (let i = 0; i < count; i++, at += entryBytes) {
      const xorb = xorbs.get(hexOf(shard.subarray(at, at + hashBytes)));
      const [begin, end] = [
        view.getUint32(at + hashBytes + 8, true),
        view.getUint32(at + hashBytes + 12, true),
      ];
      if (xorb !== undefined) parts.push(...chunksOf(xorb).slice(begin, end));
    }
    if ((flags & withVerification) !== 0) at += count * entryBytes;
    if ((flags & withMetadata) === 0) continue;
    files.push({ sha256: hexOf(shard.subarray(at, at + hashBytes)), bytes: Buffer.concat(parts) });
    at += entryBytes;
  }
  return files;
}

/** Hashes are written as four little-endian words of eight bytes. */
function hexOf(bytes: Uint8Array): string {
  return [0, 8, 16, 24]
    .map((at) =>
      Buffer.from(bytes.subarray(at, at + 8))
        .reverse()
        .toString('hex'),
    )
    .join('');
}

function chunksOf(xorb: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at + 8 <= xorb.length;) {
    const [stored, scheme, length] = [uint24(xorb, at + 1), xorb[at + 4], uint24(xorb, at + 5)];
    const bytes = xorb.subarray(at + 8, at + 8 + stored);
    if (scheme === 0) chunks.push(bytes);
    else chunks.push(scheme === 2 ? ungroup(lz4Frame(bytes, length)) : lz4Frame(bytes, length));
    at += 8 + stored;
  }
  return chunks;
}

const uint24 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);

/** First, second, third and fourth bytes of every word stood together. */
function ungroup(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  let from = 0;
  for (let lane = 0; lane < 4; lane++)
    for (let at = lane; at < out.length; at += 4) out[at] = bytes[from++] ?? 0;
  return out;
}

/** An LZ4 frame (lz4 frame format 1.6) of blocks without dictionary. */
function lz4Frame(frame: Uint8Array, length: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const flags = frame[4] ?? 0;
  let at = 7 + ((flags & 8) === 0 ? 0 : 8);
  const out = new Uint8Array(length);
  let end = 0;
  for (let size = view.getUint32(at, true); size !== 0; size = view.getUint32(at, true)) {
    at += 4;
    const stored = size & 0x7fffffff;
    const block = frame.subarray(at, at + stored);
    if (size >>> 31 === 1) {
      out.set(block, end);
      end += stored;
    } else end = lz4Block(block, out, end);
    at += stored + ((flags & 16) === 0 ? 0 : 4);
    if (at + 4 > frame.length) break;
  }
  return out;
}

function lz4Block(block: Uint8Array, out: Uint8Array, start: number): number {
  let end = start;
  let at = 0;
  const extended = (nibble: number): number => {
    let value = nibble;
    if (nibble === 15) for (let next = 255; next === 255; value += next) next = block[at++] ?? 0;
    return value;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = extended(token >> 4);
    out.set(block.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at >= block.length) break;
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8);
    at += 2;
    const match = extended(token & 15) + 4;
    for (let i = 0; i < match; i++, end++) out[end] = out[end - distance] ?? 0;
  }
  return end;
}
