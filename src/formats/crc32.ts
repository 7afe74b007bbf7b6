// CRC-32 as zip and PNG use it (polynomial 0xedb88320, reflected). Knows nothing of either.

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = (c & 1) === 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 of bytes [begin, end) as a uint32; `before` is that of what came before them. */
export function crc32(bytes: Uint8Array, begin = 0, end = bytes.length, before = 0): number {
  let crc = before ^ 0xffffffff;
  for (let i = begin; i < end; i++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
