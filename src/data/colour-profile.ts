// ICC profiles: whether a reader that manages colours would show other colours than the stored numbers read
// as sRGB, and what the profile calls itself. Knows nothing of image formats.
import { asciiOf, viewOf } from './image-format.ts';

/** Red, green and blue of sRGB in the profile connection space (D50). */
const srgbColorants: Readonly<Record<string, readonly [number, number, number]>> = {
  rXYZ: [0.4361, 0.2225, 0.0139],
  gXYZ: [0.3851, 0.7169, 0.0971],
  bXYZ: [0.1431, 0.0606, 0.7141],
};

/** Linear light at half of the scale, for sRGB; a pure gamma of 2.2 gives 0.2176. */
const srgbMiddle = 0.214;

/**
 * The name of a profile, in one piece or in JPEG's parts; null where there is none, where it cannot be read,
 * or where it is sRGB by its numbers, whatever it is called.
 */
export function profileName(parts: Uint8Array | readonly Uint8Array[]): string | null {
  const bytes = joined(parts);
  if (bytes.length < 132 || asciiOf(bytes, 36, 40) !== 'acsp') return null;
  const tags = tagsOf(bytes);
  const space = asciiOf(bytes, 16, 20).trim();
  if (space === 'RGB' && isSrgb(tags)) return null;
  return descriptionOf(tags.get('desc')) ?? `profile for ${space}`;
}

function joined(parts: Uint8Array | readonly Uint8Array[]): Uint8Array {
  if (parts instanceof Uint8Array) return parts;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function tagsOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = viewOf(bytes);
  const tags = new Map<string, Uint8Array>();
  const count = Math.min(view.getUint32(128), 100);
  for (let i = 0, at = 132; i < count && at + 12 <= bytes.length; i++, at += 12) {
    const begin = view.getUint32(at + 4);
    tags.set(asciiOf(bytes, at, at + 4), bytes.subarray(begin, begin + view.getUint32(at + 8)));
  }
  return tags;
}

function isSrgb(tags: ReadonlyMap<string, Uint8Array>): boolean {
  for (const [name, expected] of Object.entries(srgbColorants)) {
    const tag = tags.get(name);
    if (tag === undefined || tag.length < 20) return false;
    const view = viewOf(tag);
    if (expected.some((value, i) => Math.abs(view.getInt32(8 + 4 * i) / 65_536 - value) > 0.005))
      return false;
  }
  const middle = middleOf(tags.get('gTRC'));
  // A pure gamma of 2.2 passes too: it differs in the darkest levels alone.
  return middle !== null && Math.abs(middle - srgbMiddle) < 0.006;
}

/** Linear light at half of the scale of a tone curve ('curv' or 'para'), or null. */
function middleOf(curve: Uint8Array | undefined): number | null {
  if (curve === undefined || curve.length < 14) return null;
  const view = viewOf(curve);
  const type = asciiOf(curve, 0, 4);
  if (type === 'curv') {
    const count = view.getUint32(8);
    if (count === 0) return 0.5;
    if (count === 1) return 0.5 ** (view.getUint16(12) / 256);
    const at = 12 + 2 * Math.floor((count - 1) / 2);
    return at + 2 <= curve.length ? view.getUint16(at) / 65_535 : null;
  }
  if (type !== 'para' || curve.length < 16) return null;
  const number = (i: number): number => (16 + 4 * i <= curve.length ? view.getInt32(12 + 4 * i) / 65_536 : 0);
  const kind = view.getUint16(8);
  // Types 1 to 4 have the form (a x + b)^gamma + c at half of the scale.
  return kind === 0
    ? 0.5 ** number(0)
    : (0.5 * number(1) + number(2)) ** number(0) + (kind === 2 ? number(3) : 0);
}

/** The words of a 'desc' (version 2) or 'mluc' (version 4) tag, or null. */
function descriptionOf(tag: Uint8Array | undefined): string | null {
  if (tag === undefined || tag.length < 12) return null;
  const view = viewOf(tag);
  const type = asciiOf(tag, 0, 4);
  let text = '';
  if (type === 'desc') text = asciiOf(tag, 12, 12 + Math.min(view.getUint32(8), 60));
  else if (type === 'mluc' && tag.length >= 28) {
    const [length, begin] = [Math.min(view.getUint32(20), 120), view.getUint32(24)];
    for (let at = begin; at + 2 <= Math.min(begin + length, tag.length); at += 2)
      text += String.fromCharCode(view.getUint16(at));
  }
  const clean = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return clean === '' ? null : clean;
}
