// The text of a table beside the images: UTF-8, or what programs that save tables write in its place. Bytes in,
// text out; opens no file.

export interface TableText {
  readonly text: string;
  /** What had to be assumed, as sentences that follow the table's name. */
  readonly notes: readonly string[];
}

/**
 * Text in UTF-8 or UTF-16, as its bytes are; any other as Windows-1252, which Excel saves plain CSV in, with a
 * word on it.
 */
export function tableText(bytes: Uint8Array): TableText {
  const encoding = utf16Of(bytes);
  if (encoding !== null) return { text: new TextDecoder(encoding).decode(bytes), notes: [] };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), notes: [] };
  } catch {
    const text = new TextDecoder('windows-1252').decode(bytes);
    const first = bytes.findIndex((byte) => byte >= 0x80);
    const begin = Math.max(...[',', ';', '\t', '\n'].map((mark) => text.lastIndexOf(mark, first))) + 1;
    const [word = ''] = text.slice(begin, begin + 40).split(/[,;\t\r\n]/, 1);
    return {
      text,
      notes: [
        `it is not UTF-8 and is read as Windows-1252, as in "${word.trim()}". If letters look wrong, save it as UTF-8.`,
      ],
    };
  }
}

/** UTF-16 by its mark of byte order, or by the zeros of its first letters, which no other text has. */
function utf16Of(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const [first = 0, second = 0] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  const head = bytes.subarray(0, 64);
  const zeros = [0, 1].map((odd) => head.filter((byte, i) => i % 2 === odd && byte === 0).length);
  const [even = 0, odd = 0] = zeros;
  if (head.length < 8 || Math.max(even, odd) < 0.4 * head.length || Math.min(even, odd) > 0) return null;
  return odd > even ? 'utf-16le' : 'utf-16be';
}
