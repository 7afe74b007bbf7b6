// The encodings that names in archives come in. A zip says of a name that it is UTF-8, or nothing: then it is
// in whatever the maker's system used. Owns the list, the decoding and what is UTF-8 by itself;
// guess-encoding.ts guesses.

/** Code pages of DOS, which TextDecoder does not know: bytes 0x80 to 0xff. */
const codePages = {
  cp437:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
  cp850:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
  cp852:
    'ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u00ad˝˛ˇ˘§÷¸°¨˙űŘř■\u00a0',
} as const;

/**
 * Every encoding that can be chosen; the labels are TextDecoder's where it knows them. In the order to show
 * them.
 */
export const nameEncodings = [
  { id: 'utf-8', title: 'Unicode (UTF-8)' },
  { id: 'cp437', title: 'Western (CP437)' },
  { id: 'cp850', title: 'Western (CP850)' },
  { id: 'windows-1252', title: 'Western (Windows-1252)' },
  { id: 'gb18030', title: 'Chinese, simplified (GBK)' },
  { id: 'big5', title: 'Chinese, traditional (Big5)' },
  { id: 'shift_jis', title: 'Japanese (Shift_JIS)' },
  { id: 'euc-jp', title: 'Japanese (EUC-JP)' },
  { id: 'euc-kr', title: 'Korean (EUC-KR)' },
  { id: 'ibm866', title: 'Cyrillic (CP866)' },
  { id: 'windows-1251', title: 'Cyrillic (Windows-1251)' },
  { id: 'koi8-r', title: 'Cyrillic (KOI8-R)' },
  { id: 'cp852', title: 'Central European (CP852)' },
  { id: 'windows-1250', title: 'Central European (Windows-1250)' },
  { id: 'windows-1253', title: 'Greek (Windows-1253)' },
  { id: 'windows-1254', title: 'Turkish (Windows-1254)' },
  { id: 'windows-1255', title: 'Hebrew (Windows-1255)' },
  { id: 'windows-1256', title: 'Arabic (Windows-1256)' },
  { id: 'windows-1258', title: 'Vietnamese (Windows-1258)' },
  { id: 'windows-874', title: 'Thai (Windows-874)' },
] as const;

export type NameEncoding = (typeof nameEncodings)[number]['id'];

/** Characters of two bytes: there, single names are valid UTF-8 by chance (GBK's cat, 猫, is UTF-8's è). */
const twoByte: ReadonlySet<NameEncoding> = new Set(['gb18030', 'big5', 'shift_jis', 'euc-jp', 'euc-kr']);

/** A name as an archive holds it. */
export interface StoredName {
  readonly raw: Uint8Array;
  /**
   * `known`: the archive says what it is, or it is ASCII; `utf-8`: nothing is said, and it is valid UTF-8;
   * `foreign`: it is not UTF-8.
   */
  readonly kind: 'known' | 'utf-8' | 'foreign';
  /** The name where it is known, and otherwise its reading as UTF-8 or CP437. */
  readonly text: string;
}

/** Decodes bytes; what has no character in the encoding becomes U+FFFD. */
export function decodeName(raw: Uint8Array, encoding: NameEncoding): string {
  if (encoding !== 'cp437' && encoding !== 'cp850' && encoding !== 'cp852') {
    return new TextDecoder(encoding, { ignoreBOM: true }).decode(raw);
  }
  const upper = codePages[encoding];
  return Array.from(raw, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : (upper[byte - 0x80] ?? '\ufffd'),
  ).join('');
}

/** The text of bytes that are UTF-8, or null. */
export function strictUtf8(raw: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return null;
  }
}

/**
 * A stored name; `field` is what a Unicode field beside it says, `saysUtf8` whether its bytes are said to be
 * UTF-8.
 */
export function storedName(raw: Uint8Array, saysUtf8: boolean, field: string | null): StoredName {
  if (field !== null) return { raw, kind: 'known', text: field };
  const text = strictUtf8(raw);
  if (text === null) return { raw, kind: 'foreign', text: decodeName(raw, 'cp437') };
  const isAscii = raw.every((byte) => byte < 0x80);
  return { raw, kind: isAscii || saysUtf8 ? 'known' : 'utf-8', text };
}

/**
 * The reader of the names of one pile. In an encoding of two bytes, and where no name contradicts UTF-8, the
 * choice holds for every name that says nothing of itself; otherwise only for those that are no UTF-8.
 */
export function nameReader(
  names: Iterable<StoredName>,
  encoding: NameEncoding,
): (name: StoredName) => string {
  let foreign = false;
  for (const { kind } of names) foreign ||= kind === 'foreign';
  const all = !foreign || twoByte.has(encoding);
  return ({ kind, raw, text }) =>
    kind === 'foreign' || (kind === 'utf-8' && all) ? decodeName(raw, encoding) : text;
}
