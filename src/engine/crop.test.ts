// Sampling of a crop against plain float64 arithmetic at the places that a crop names, and against pictures
// whose answer is known without arithmetic.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cropOf, cropUnit, rotated, sampleCrop, turnedOver, wholeImage, type Crop } from './crop.ts';

const side = 7;
const noise = Uint8Array.from({ length: 3 * side * side }, (_, i) => (i * i * 31 + 17 * i) % 256);
/** value = 10 column + row, in every channel scaled by 1, 1/2 and 1/4. */
const ramp = Uint8Array.from({ length: 3 * side * side }, (_, i) => {
  const [row, column, channel] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, i % 3];
  return (4 * (8 * column + row)) >> channel;
});

/** As `sampleCrop` is defined: each place by itself. */
function sampledOneByOne(source: Uint8Array, { x, y, dx, dy, ex = 0, ey = 0 }: Crop): Float32Array {
  const last = side - 1;
  return Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const [row, column, channel] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, i % 3];
    const limit = (place: number): number => Math.min(Math.max(place, 0), last * cropUnit) / cropUnit;
    const [across, down] = [limit(x + column * dx + row * ex), limit(y + row * dy + column * ey)];
    const [left, top] = [Math.floor(across), Math.floor(down)];
    const at = (r: number, c: number): number =>
      source[3 * (Math.min(r, last) * side + Math.min(c, last)) + channel] ?? NaN;
    const along = (r: number): number => at(r, left) + (at(r, left + 1) - at(r, left)) * (across - left);
    return along(top) + (along(top + 1) - along(top)) * (down - top);
  });
}

test('samples have the bits of each place by itself, turned, mirrored and beyond the image too', () => {
  const number = (most: number): fc.Arbitrary<number> => fc.integer({ min: -most, max: most });
  const [start, step] = [number(2 * side * cropUnit), number(2 * cropUnit)];
  fc.assert(
    fc.property(start, start, step, step, step, step, (x, y, dx, dy, ex, ey) => {
      for (const crop of [
        { x, y, dx, dy, ex, ey },
        { x, y, dx, dy },
      ])
        expect(sampleCrop(noise, side, crop)).toEqual(sampledOneByOne(noise, crop));
    }),
  );
});

test('the whole image is the image, and its flip is its mirror image', () => {
  expect(Array.from(sampleCrop(noise, side, wholeImage))).toEqual(Array.from(noise));
  expect(cropOf(side, 0, 0, side, side, false)).toEqual(wholeImage);
  const mirrored = sampleCrop(noise, side, cropOf(side, 0, 0, side, side, true));
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      for (let channel = 0; channel < 3; channel++)
        expect(mirrored[(row * side + column) * 3 + channel]).toBe(
          noise[(row * side + side - 1 - column) * 3 + channel],
        );
});

test('a crop of a linear picture is linear: each value is the picture at the place in the middle of its cell', () => {
  const rectangle = fc.record({
    left: fc.double({ min: 0, max: 3, noNaN: true }),
    top: fc.double({ min: 0, max: 3, noNaN: true }),
    width: fc.double({ min: 1, max: 4, noNaN: true }),
    height: fc.double({ min: 1, max: 4, noNaN: true }),
    flip: fc.boolean(),
  });
  fc.assert(
    fc.property(rectangle, ({ left, top, width, height, flip }) => {
      const values = sampleCrop(ramp, side, cropOf(side, left, top, width, height, flip));
      for (let row = 0; row < side; row++)
        for (let column = 0; column < side; column++) {
          const along = (flip ? side - 1 - column : column) + 0.5;
          const limit = (place: number): number => Math.min(Math.max(place, 0), side - 1);
          const x = limit(left + (along * width) / side - 0.5);
          const y = limit(top + ((row + 0.5) * height) / side - 0.5);
          // 1/65536 of a pixel in start and step, 32 values a pixel.
          expect(Math.abs((values[(row * side + column) * 3] ?? NaN) - 4 * (8 * x + y))).toBeLessThan(
            (36 * side * 2) / cropUnit,
          );
        }
    }),
  );
});

test('a rotated crop takes each value at its place in the picture turned about its middle', () => {
  const middle = (side - 1) / 2;
  fc.assert(
    fc.property(
      fc.double({ min: -180, max: 180, noNaN: true }),
      fc.boolean(),
      fc.boolean(),
      (degrees, flip, over) => {
        const [left, top, width, height] = [1.25, 0.5, 4.5, 5.75];
        const straight = cropOf(side, left, top, width, height, flip);
        const crop = rotated(over ? turnedOver(straight, side) : straight, degrees, side);
        const values = sampleCrop(ramp, side, crop);
        const [cos, sin] = [Math.cos((degrees / 180) * Math.PI), Math.sin((degrees / 180) * Math.PI)];
        const limit = (place: number): number => Math.min(Math.max(place, 0), side - 1);
        for (let row = 0; row < side; row++)
          for (let column = 0; column < side; column++) {
            const along = (flip ? side - 1 - column : column) + 0.5;
            const down = (over ? side - 1 - row : row) + 0.5;
            const [u, v] = [
              left + (along * width) / side - 0.5 - middle,
              top + (down * height) / side - 0.5 - middle,
            ];
            const [x, y] = [limit(middle + cos * u - sin * v), limit(middle + sin * u + cos * v)];
            expect(Math.abs((values[(row * side + column) * 3] ?? NaN) - 4 * (8 * x + y))).toBeLessThan(
              (36 * side * 4) / cropUnit,
            );
          }
      },
    ),
  );
});

test('a quarter turn is that of the picture, counterclockwise', () => {
  const turned = sampleCrop(noise, side, rotated(wholeImage, 90, side));
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++)
      // The right column becomes the top row.
      expect(turned[(row * side + column) * 3]).toBeCloseTo(
        noise[(column * side + side - 1 - row) * 3] ?? NaN,
        2,
      );
});
