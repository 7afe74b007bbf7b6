// Image headers against pictures that Pillow wrote (testdata/images), against damage, and against any bytes.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../formats/crc32.ts';
import { readImageHeader, type ImageHeader } from './image-header.ts';
import { sniff } from './sniff.ts';
import { makePng } from './testing/images.ts';

const folder = new URL('../../testdata/images/', import.meta.url);
const sample = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`sample-${name}`, folder)));
const samples = JSON.parse(readFileSync(new URL('samples.json', folder), 'utf8')) as Record<
  string,
  ImageHeader
>;

const codeOf = (bytes: Uint8Array): string => {
  const header = readImageHeader(bytes);
  return header.ok ? header.value.format : header.fault.code;
};
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

describe('samples by Pillow', () => {
  test.each(Object.entries(samples))('%s', (name, expected) => {
    expect(readImageHeader(sample(name))).toEqual({ ok: true, value: expected });
  });
});

describe('what is no image for a browser', () => {
  test.each([
    ['empty', ''],
    ['not-an-image', 'just some text'],
    ['not-an-image', 'PK\x03\x04 an archive'],
    ['not-an-image', '\x7fELF\x02\x01\x01\0\0\0'],
    [
      'unsupported',
      '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    ],
    ['undecodable', '\0\0\0\x18ftypheic\0\0\0\0mif1heic'],
    ['unsupported', `${'\0'.repeat(128)}DICM`],
    ['unsupported', 'IIRO\x08\0\0\0'],
    ['unsupported', '\xff\x0a JPEG XL'],
    ['undecodable', '\x89PNG\r\n\x1a\n'],
    ['undecodable', 'GIF89a\x01'],
    ['undecodable', 'RIFF\x08\0\0\0WEBPVP8 '],
  ])('%s: %j', (code, text) => {
    expect(codeOf(bytesOf(text))).toBe(code);
  });

  test('a TIFF is read', () => {
    expect(codeOf(sample('unsupported.tif'))).toBe('tiff');
  });

  test('HTML and plain XML are text', () => {
    expect(sniff(bytesOf('<!doctype html><title>404</title>'))).toBe('text');
  });
});

describe('damage', () => {
  // A GIF and an animated WebP may lose frames but not their first; those are not cut here.
  const cuttable = Object.keys(samples).filter((name) => !name.endsWith('.gif'));

  test.each(cuttable)('%s cut anywhere is refused', (name) => {
    const bytes = sample(name);
    for (let length = 1; length < bytes.length; length += 7) {
      expect(readImageHeader(bytes.subarray(0, length)).ok).toBe(false);
    }
  });

  test('a PNG with any byte changed is refused', () => {
    const bytes = sample('rgb.png');
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 0x20;
      expect(readImageHeader(changed).ok).toBe(false);
    }
  });

  test('what follows the end of a JPEG or PNG does not matter', () => {
    for (const name of ['baseline.jpg', 'rgb.png']) {
      expect(readImageHeader(new Uint8Array([...sample(name), 0, 1, 2, 3])).ok).toBe(true);
    }
  });
});

describe('limits', () => {
  /** A whole PNG whose header claims another size. */
  function claiming(width: number, height: number): Uint8Array {
    const bytes = makePng(1);
    const view = new DataView(bytes.buffer);
    view.setUint32(16, width);
    view.setUint32(20, height);
    view.setUint32(29, crc32(bytes, 12, 29));
    return bytes;
  }

  test.each([
    ['png', 8000, 5000],
    ['too-many-pixels', 8001, 5000],
    ['png', 16_384, 1],
    ['too-many-pixels', 1, 16_385],
    ['too-many-pixels', 20_000, 20_000],
    ['undecodable', 0, 10],
  ])('%s: %i x %i', (code, width, height) => {
    expect(codeOf(claiming(width, height))).toBe(code);
  });
});

describe('properties', () => {
  const starts = Object.keys(samples).map(sample);

  test('any bytes give a Result', () => {
    const starting = fc
      .tuple(fc.constantFrom(...starts), fc.nat(60), fc.uint8Array({ maxLength: 200 }))
      .map(([bytes, length, noise]) => new Uint8Array([...bytes.subarray(0, length), ...noise]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), starting), (bytes) => {
        readImageHeader(bytes);
      }),
      { seed: 3, numRuns: 3000 },
    );
  });

  test('a mutated image gives a Result, and never a size beyond the limits', () => {
    const mutation = fc.tuple(fc.nat(100), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...starts),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (start, mutations) => {
          const bytes = start.slice();
          for (const [at, value] of mutations) bytes[at] = value;
          const header = readImageHeader(bytes);
          if (!header.ok) return;
          expect(header.value.width * header.value.height).toBeLessThanOrEqual(40_000_000);
          expect(Math.min(header.value.width, header.value.height)).toBeGreaterThan(0);
        },
      ),
      { seed: 4, numRuns: 3000 },
    );
  });

  test('hostile megabytes take less than a second', () => {
    const jpeg = sample('baseline.jpg');
    const worst = [
      new Uint8Array(8 * 2 ** 20).fill(0xff),
      new Uint8Array([
        ...jpeg.subarray(0, -2),
        ...Array.from({ length: 2 ** 20 }, (_, i) => (i % 2 === 0 ? 0xff : 0)),
      ]),
      new Uint8Array([...bytesOf('GIF89a\x10\0\x10\0\0\0\0'), ...new Uint8Array(2 ** 20).fill(0x21)]),
      new Uint8Array([...sample('rgb.avif').subarray(0, 32), ...new Uint8Array(2 ** 20).fill(8)]),
    ];
    for (const bytes of worst) {
      const begin = performance.now();
      readImageHeader(bytes);
      expect(performance.now() - begin).toBeLessThan(1000);
    }
  });
});
