// The text of a table beside the images: UTF-8, or what programs that save tables write in its place. Bytes
// in, text out; opens no file.
import { decodeName, nameEncodings, type NameEncoding } from '../formats/name-encoding.ts';

interface TableText {
  readonly text: string;
  /** What had to be assumed, as sentences that follow the table's name. */
  readonly notes: readonly string[];
}

/**
 * Text in UTF-8 or UTF-16, as its bytes are, or in the encoding that XML declares. UTF-8 with damaged letters
 * stays that; any other is read in the encoding that its values are likeliest in: Excel saves plain CSV in
 * that of its country. Of annotations each file is short, and all are read alike. What is assumed is said.
 */
export async function tableText(bytes: Uint8Array, isXml: boolean): Promise<TableText> {
  const utf16 = utf16Of(bytes);
  if (utf16 !== null) return { text: new TextDecoder(utf16).decode(bytes), notes: [] };
  const whole = decoded(bytes, 'utf-8', true);
  if (whole !== null) return { text: whole, notes: [] };
  const isCut = [1, 2, 3].some((tail) => decoded(bytes.subarray(0, -tail), 'utf-8', true) !== null);
  if (isXml) {
    const text = decoded(bytes, declaredIn(bytes));
    const notes = [`it is not UTF-8, declares no encoding and is read as Western (Windows-1252).`];
    return text === null ? { text: decodeName(bytes, 'windows-1252'), notes } : { text, notes: [] };
  }
  const values = foreignValues(bytes);
  const damaged = values.filter((value) => decoded(value, 'utf-8', true) === null);
  const shown = (encoding: NameEncoding): string =>
    decodeName(damaged[0] ?? new Uint8Array(), encoding)
      .trim()
      .slice(0, 40);
  // By chance few values of another encoding are UTF-8.
  if (isCut || 3 * damaged.length <= values.length)
    return {
      text: new TextDecoder().decode(bytes),
      notes: [
        `it is UTF-8 with letters that are damaged, as in "${shown('utf-8')}". Put them right where they name classes or files.`,
      ],
    };
  const encoding = await likeliest(values);
  const title = nameEncodings.find(({ id }) => id === encoding)?.title ?? encoding;
  return {
    text: decodeName(bytes, encoding),
    notes: [
      `it is not UTF-8 and is read as ${title}, as in "${shown(encoding)}". If letters look wrong, save it as UTF-8.`,
    ],
  };
}

/** Text in an encoding; null where there is none such, or (`fatal`) where a byte is wrong in it. */
function decoded(bytes: Uint8Array, encoding: string, fatal = false): string | null {
  try {
    return new TextDecoder(encoding, { fatal }).decode(bytes);
  } catch {
    return null;
  }
}

/** What XML says of its own encoding; '' for nothing. */
function declaredIn(bytes: Uint8Array): string {
  const head = decodeName(bytes.subarray(0, 200), 'windows-1252');
  const [, name = ''] = /^<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)["']/.exec(head) ?? [];
  return /^utf-?8$/i.test(name) ? '' : name;
}

/** UTF-16 by its mark of byte order, or by the zeros of its first letters, which no other text has. */
function utf16Of(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const [first = 0, second = 0] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  const head = bytes.subarray(0, 64);
  const zerosAt = (parity: number): number => head.filter((byte, i) => i % 2 === parity && byte === 0).length;
  const [even, odd] = [zerosAt(0), zerosAt(1)];
  if (head.length < 8 || Math.max(even, odd) < 0.4 * head.length || Math.min(even, odd) > 0) return null;
  return odd > even ? 'utf-16le' : 'utf-16be';
}

/** As many values tell an encoding. */
const enough = 300;

/** Different values with bytes that are not ASCII, between marks that no encoding has within a letter. */
function foreignValues(bytes: Uint8Array): Uint8Array[] {
  const found = new Map<string, Uint8Array>();
  let [begin, isForeign] = [0, false];
  for (let at = 0; at <= bytes.length && found.size < enough; at++) {
    const byte = bytes[at] ?? 0x0a;
    if (byte >= 0x80) isForeign = true;
    else if (byte < 0x20 || byte === 0x2c || byte === 0x3b) {
      const value = bytes.subarray(begin, Math.min(at, begin + 300));
      if (isForeign) found.set(value.join(), value);
      [begin, isForeign] = [at + 1, false];
    }
  }
  return [...found.values()];
}

/** Archives have names in DOS's encodings, tables have none. */
const ofDos: ReadonlySet<NameEncoding> = new Set(['cp437', 'cp850', 'cp852', 'ibm866']);

async function likeliest(values: readonly Uint8Array[]): Promise<NameEncoding> {
  // Loaded when it is needed: most tables are UTF-8.
  const { guessEncoding } = await import('../formats/guess-encoding.ts');
  return guessEncoding(values, ofDos);
}
