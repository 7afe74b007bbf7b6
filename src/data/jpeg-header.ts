// JPEG: frame size, number of components, EXIF orientation, and a walk over all markers to the end of the
// image, so that a cut-off file is found before a decoder fills the rest with grey.
import { profileName } from './colour-profile.ts';
import { exifOrientation } from './exif.ts';
import { asciiOf, broken, headerOf, unsupported, viewOf, type HeaderResult } from './image-format.ts';

/** Reads a JPEG, whole; one without its end marker is refused. */
export function readJpegHeader(bytes: Uint8Array): HeaderResult {
  const view = viewOf(bytes);
  let frame: { width: number; height: number; components: number } | null = null;
  let orientation = 1;
  let scans = 0;
  const profile: Uint8Array[] = [];
  let at = 2;
  for (;;) {
    at = scans === 0 ? nextByte(bytes, at) : nextMarker(bytes, at);
    const marker = bytes[at + 1];
    if (at < 0 || marker === undefined) return broken('This JPEG is cut off before its end.');
    if (marker === 0xd9) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    if (at + 4 > bytes.length) return broken('This JPEG is cut off before its end.');
    const begin = at + 4;
    const end = at + 2 + view.getUint16(at + 2);
    if (end < begin) return broken(`This JPEG is damaged at byte ${at}.`);
    if (end > bytes.length) return broken('This JPEG is cut off before its end.');
    if (isFrame(marker)) {
      if (end - begin < 6 || frame !== null) return broken('The header of this JPEG makes no sense.');
      const bits = view.getUint8(begin);
      if (marker > 0xc2 || bits !== 8) {
        return unsupported(
          `Browsers do not show this kind of JPEG (${bits} bits, process ${marker - 0xc0}).`,
        );
      }
      frame = {
        height: view.getUint16(begin + 1),
        width: view.getUint16(begin + 3),
        components: view.getUint8(begin + 5),
      };
    } else if (marker === 0xe1 && asciiOf(bytes, begin, begin + 6) === 'Exif\0\0') {
      orientation = exifOrientation(bytes.subarray(begin + 6, end)) ?? orientation;
    } else if (marker === 0xe2 && asciiOf(bytes, begin, begin + 12) === 'ICC_PROFILE\0') {
      profile.push(bytes.subarray(Math.min(begin + 14, end), end));
    } else if (marker === 0xda) {
      if (frame === null) return broken('This JPEG has pixels before its size.');
      scans += 1;
    }
    at = end;
  }
  if (frame === null || scans === 0) return broken('This JPEG holds no pixels.');
  const { width, height, components } = frame;
  const colours = profileName(profile);
  return headerOf({ format: 'jpeg', width, height, orientation, cmyk: components === 4, colours });
}

/** SOF0 to SOF15, without DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** Before the first scan: the last of the 0xff bytes at `at`, which must be a marker; -1 at the end. */
function nextByte(bytes: Uint8Array, at: number): number {
  const from = bytes.indexOf(0xff, at);
  if (from < 0) return -1;
  let p = from;
  while (bytes[p + 1] === 0xff) p += 1;
  return p;
}

/** From within a scan: the next marker that is neither a stuffed byte nor a restart; -1 at the end. */
function nextMarker(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at)) {
    const next = bytes[at + 1];
    if (next === undefined) return -1;
    if (next === 0xff) at += 1;
    else if (next === 0 || (next >= 0xd0 && next <= 0xd7)) at += 2;
    else return at;
  }
  return -1;
}
