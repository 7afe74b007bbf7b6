// Tars for tests, written header by header, so that they may be old, strange or wrong.

export interface TarMember {
  readonly path: string | Uint8Array;
  readonly data?: Uint8Array;
  /** '0' for a file, as in the header. */
  readonly type?: string;
  readonly link?: string;
  /** As the header claims it, where it is not the data's length. */
  readonly size?: number;
}

const encode = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? new TextEncoder().encode(text) : text;

function header({ path, data = new Uint8Array(0), type = '0', link = '', size }: TarMember): Uint8Array {
  const block = new Uint8Array(512);
  const octal = (value: number, digits: number): Uint8Array =>
    encode(value.toString(8).padStart(digits, '0'));
  block.set(encode(path).subarray(0, 100));
  block.set(octal(0o644, 7), 100);
  block.set(octal(size ?? data.length, 11), 124);
  block.set(encode('        '), 148);
  block.set(encode(type), 156);
  block.set(encode(link).subarray(0, 100), 157);
  block.set(encode('ustar\0' + '00'), 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(octal(sum, 6), 148);
  block[154] = 0;
  return block;
}

/** A ustar archive of the members in their order, with its two blocks of zeros at the end. */
export function makeTar(members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  const parts = members.flatMap((member) => {
    const data = member.data ?? new Uint8Array(0);
    const padded = new Uint8Array(Math.ceil(data.length / 512) * 512);
    padded.set(data);
    return [header(member), padded];
  });
  const all = [...parts, new Uint8Array(1024)];
  const bytes = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
