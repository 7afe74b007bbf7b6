// Float formats against independent arithmetic: every float16 and bfloat16 pattern, and rounding to nearest
// even.
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { fromFloat16, roundedToFloat16, toFloat16 } from '../shared/float16.ts';
import { decodeFloats, encodeFloats, toBfloat16 } from './float-types.ts';

const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const bytes = new Uint8Array(patterns.buffer);

describe('float16', () => {
  test('values are rounded as one by one, at every border of an exponent too', () => {
    const borders = Array.from({ length: 48 }, (_, i) => 2 ** (i - 30));
    const offsets = [
      1,
      1 - 2 ** -24,
      1 + 2 ** -11,
      1 + 2 ** -11 + 2 ** -23,
      1 + 3 * 2 ** -11,
      1.9997,
      1.9999,
    ];
    const values = [0, NaN, Infinity, ...borders.flatMap((x) => offsets.map((factor) => x * factor))];
    const both = Float32Array.from(values.flatMap((x) => [x, -x]));
    expect(roundedToFloat16(both)).toEqual(both.map((x) => fromFloat16(toFloat16(x))));
  });

  test('known values', () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x3555].map(fromFloat16)).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      2 ** -14,
      0.333251953125,
    ]);
    expect([0x7c00, 0xfc00].map(fromFloat16)).toEqual([Infinity, -Infinity]);
    expect(fromFloat16(0x7e00)).toBeNaN();
  });

  test('every pattern gives the float32 bits that integer arithmetic gives (M8)', () => {
    const words = new Uint32Array(decodeFloats(bytes, 'F16').buffer);
    const right = (bits: number): boolean => {
      const word = words[bits]!;
      const sign = (bits & 0x8000) << 16;
      let exponent = (bits >> 10) & 31;
      let fraction = bits & 1023;
      if (exponent === 31 && fraction !== 0) return (word & 0x7fffffff) > 0x7f800000;
      if ((bits & 0x7fff) === 0) return word === sign >>> 0;
      if (exponent === 0) {
        // A subnormal: shift until the leading 1 stands where it is implied.
        for (exponent = 1; fraction < 1024; exponent--) fraction *= 2;
        fraction -= 1024;
      }
      const wide = exponent === 31 ? 255 : exponent + 112;
      return word === (sign | (wide << 23) | (fraction << 13)) >>> 0;
    };
    expect([...patterns].filter((bits) => !right(bits))).toEqual([]);
  });

  test('every pattern survives decoding and encoding', () => {
    const values = decodeFloats(bytes, 'F16');
    const back = new Uint16Array(encodeFloats(values, 'F16').buffer);
    const survives = (bits: number): boolean =>
      Number.isNaN(values[bits]) ? Number.isNaN(fromFloat16(back[bits]!)) : back[bits] === bits;
    expect([...patterns].filter((bits) => !survives(bits))).toEqual([]);
  });

  test('rounds to the nearest pattern, ties to even', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0x7bfe }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (bits, share) => {
          const [low, high] = [fromFloat16(bits), fromFloat16(bits + 1)];
          const value = Math.fround(low + (high - low) * share);
          const [below, above] = [value - low, high - value];
          const expected = below < above ? bits : below > above ? bits + 1 : bits + (bits % 2);
          expect(toFloat16(value)).toBe(expected);
          expect(toFloat16(-value) & 0x7fff).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
    expect(toFloat16(65519)).toBe(0x7bff);
    expect(toFloat16(65520)).toBe(0x7c00);
  });
});

describe('bfloat16', () => {
  test('is the upper half of float32, for every pattern', () => {
    const values = decodeFloats(bytes, 'BF16');
    const words = new Uint32Array(values.buffer); // NaNs keep their payload
    expect([...patterns].filter((bits) => words[bits] !== bits * 65536)).toEqual([]);
    const back = new Uint16Array(encodeFloats(values, 'BF16').buffer);
    expect([...patterns].filter((bits) => !Number.isNaN(values[bits]) && back[bits] !== bits)).toEqual([]);
  });

  test('rounds ties to even', () => {
    const f32 = new Float32Array(1);
    const u32 = new Uint32Array(f32.buffer);
    for (const [word, expected] of [
      [0x3f808000, 0x3f80],
      [0x3f818000, 0x3f82],
      [0x3f808001, 0x3f81],
    ] as const) {
      u32[0] = word;
      expect(toBfloat16(f32[0]!)).toBe(expected);
    }
  });
});

test('float64 and unaligned bytes', () => {
  const values = Float32Array.of(1.5, -2.25, 3);
  const shifted = new Uint8Array(25);
  shifted.set(encodeFloats(values, 'F64'), 1);
  expect(decodeFloats(shifted.subarray(1), 'F64')).toEqual(values);
});
