// Planted findings come back, and nothing else does. Pictures are made of a few random waves, as smooth as
// photographs; the hash is compared with its definition, written plainly in float64.
import { expect, test } from 'vitest';
import { checkImages, type CheckedImage } from './check-images.ts';
import { labelDoubts } from './label-doubts.ts';
import { fingerprintOf, hashDistance, likeness } from './fingerprint.ts';

const side = 48;
const atOnce = (): Promise<void> => Promise.resolve();

/** Numbers of [0, 1) by a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

type Picture = (x: number, y: number, channel: number) => number;

/** Values of about 0 to 255 over the unit square. */
function pictureOf(seed: number): Picture {
  const random = randomOf(seed);
  const waves = Array.from({ length: 12 }, () => ({
    u: 10 * random() - 5,
    v: 10 * random() - 5,
    phase: 2 * Math.PI * random(),
    height: 8 + 30 * random(),
    channel: random() < 0.5 ? -1 : Math.floor(3 * random()),
  }));
  return (x, y, channel) => {
    let value = 128;
    for (const wave of waves)
      if (wave.channel === -1 || wave.channel === channel)
        value += wave.height * Math.sin(2 * Math.PI * (wave.u * x + wave.v * y) + wave.phase);
    return value;
  };
}

/** [side, side, 3], with noise of so many steps. */
function drawn(picture: Picture, noise = 0, gain = 1): Uint8Array {
  const random = randomOf(7);
  const pixels = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let channel = 0; channel < 3; channel++) {
        const value = gain * picture(x / side, y / side, channel) + noise * (2 * random() - 1);
        pixels[3 * (y * side + x) + channel] = Math.max(0, Math.min(255, Math.round(value)));
      }
  return pixels;
}

const looked = (pixels: Uint8Array): CheckedImage['fingerprint'] => fingerprintOf(pixels, side, side);

function imageOf(image: number, pixels: Uint8Array, more: Partial<CheckedImage> = {}): CheckedImage {
  const label = `class ${image % 3}`;
  return { image, path: `${image}.png`, class: label, split: 'train', fingerprint: looked(pixels), ...more };
}

test('the hash is the signs of the lowest frequencies around their median', () => {
  const pixels = drawn(pictureOf(1));
  const grey = (x: number, y: number): number => {
    const at = 3 * (y * side + x);
    return 0.299 * pixels[at]! + 0.587 * pixels[at + 1]! + 0.114 * pixels[at + 2]!;
  };
  // 48 pixels on 32: the rectangles are those of the whole numbers below i * 1.5.
  const mean = (x: number, y: number): number => {
    const values: number[] = [];
    for (let row = Math.floor(1.5 * y); row < Math.floor(1.5 * (y + 1)); row++)
      for (let column = Math.floor(1.5 * x); column < Math.floor(1.5 * (x + 1)); column++)
        values.push(grey(column, row));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const low: number[] = [];
  for (let v = 0; v < 8; v++)
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let y = 0; y < 32; y++)
        for (let x = 0; x < 32; x++)
          sum +=
            mean(x, y) *
            Math.cos((Math.PI * (2 * x + 1) * u) / 64) *
            Math.cos((Math.PI * (2 * y + 1) * v) / 64);
      low.push(u + v === 0 ? 0 : sum);
    }
  const sorted = low.toSorted((a, b) => a - b);
  const median = (sorted[31]! + sorted[32]!) / 2;
  const { hash } = looked(pixels);
  low.forEach((value, i) => {
    expect((hash[i >> 5]! >>> (i & 31)) & 1, `bit ${i}`).toBe(value > median ? 1 : 0);
  });
});

test('brightness, contrast and noise hardly matter, another picture does', () => {
  const [picture, other] = [looked(drawn(pictureOf(2))), looked(drawn(pictureOf(3)))];
  for (const copy of [drawn(pictureOf(2), 6), drawn(pictureOf(2), 0, 0.8)]) {
    expect(hashDistance(picture.hash, looked(copy).hash)).toBeLessThanOrEqual(4);
    expect(likeness(picture, looked(copy))).toBeGreaterThan(0.99);
  }
  expect(hashDistance(picture.hash, picture.hash)).toBe(0);
  expect(hashDistance([0, 0], [-1, -1])).toBe(64);
  expect(hashDistance(picture.hash, other.hash)).toBeGreaterThan(12);
  expect(likeness(picture, other)).toBeLessThan(0.9);
  const flat = looked(new Uint8Array(side * side * 3).fill(40));
  expect(flat).toMatchObject({ contrast: 0, sharpness: 0 });
  expect(flat.brightness).toBeCloseTo(40, 3);
  expect(likeness(flat, picture)).toBe(0);
});

test('what was planted is found, each once, and nothing else', async () => {
  const images = Array.from({ length: 60 }, (_, i) => imageOf(i, drawn(pictureOf(100 + i))));
  const copyOf = (i: number): Uint8Array => drawn(pictureOf(100 + i), 5);
  const smooth = pictureOf(500);
  const planted = [
    imageOf(60, copyOf(4), { split: 'validation', class: 'class 1' }), // a leak
    imageOf(61, copyOf(8), { class: 'class 0' }), // of class 2 too
    imageOf(62, copyOf(9), { class: 'class 0' }), // a copy
    imageOf(63, copyOf(9), { class: 'class 0', split: null }), // and another
    imageOf(
      64,
      drawn(() => 200),
    ),
    imageOf(
      65,
      drawn(() => 90),
    ), // two of one shade are no copies
    imageOf(
      66,
      drawn((x, y, channel) => smooth(x / 5, y / 5, channel)),
    ),
  ];
  const { findings, checked, total } = await checkImages([...images, ...planted], 70, atOnce);
  expect({ checked, total }).toEqual({ checked: 67, total: 70 });
  expect(
    findings.map(({ kind, groups }) => [kind, groups.map((group) => group.map(({ image }) => image))]),
  ).toEqual([
    ['near-leak', [[4, 60]]],
    ['near-conflict', [[8, 61]]],
    ['near-copies', [[9, 62, 63]]],
    ['one-shade', [[64], [65]]],
    ['blurred', [[66]]],
  ]);
  expect(findings[0]?.groups[0]?.[1]).toEqual({
    image: 60,
    path: '60.png',
    class: 'class 1',
    split: 'validation',
  });
});

test('nothing is found among none, one, or pictures that are all alike in sharpness', async () => {
  expect(await checkImages([], 0, atOnce)).toEqual({ checked: 0, total: 0, findings: [] });
  expect((await checkImages([imageOf(0, drawn(pictureOf(1)))], 1, atOnce)).findings).toEqual([]);
});

test('labels are doubted where the neighbours agree on another class, the surest first', async () => {
  const random = randomOf(11);
  const [n, width, classes] = [90, 8, 3];
  const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
  const features = new Float32Array(n * width);
  for (let i = 0; i < n; i++)
    for (let column = 0; column < width; column++)
      features[i * width + column] =
        // Scales and offsets of the columns say nothing.
        100 * column + (column + 1) * ((column % classes === labels[i] ? 3 : 0) + random());
  const given = labels.slice();
  given[12] = 2;
  given[40] = 0;
  const doubts = await labelDoubts(features, width, given, classes, atOnce);
  expect(doubts.map(({ row, says }) => [row, says]).sort()).toEqual([
    [12, 0],
    [40, 1],
  ]);
  const shares = doubts.map(({ share }) => share);
  expect(shares).toEqual(shares.toSorted((a, b) => b - a));
  // By the definition, in float64, with every pair.
  expect(shares[0]).toBeCloseTo(shareOf(features, width, given, doubts[0]!.row, doubts[0]!.says), 5);
  expect(await labelDoubts(features, width, labels, classes, atOnce)).toEqual([]);
  expect(await labelDoubts(new Float32Array(0), width, new Int32Array(0), classes, atOnce)).toEqual([]);
});

function shareOf(
  features: Float32Array,
  width: number,
  labels: Int32Array,
  row: number,
  says: number,
): number {
  const n = labels.length;
  const columns = Array.from({ length: width }, (_, column) => {
    const values = Array.from({ length: n }, (_unused, i) => features[i * width + column]!);
    const mean = values.reduce((a, b) => a + b) / n;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
    return values.map((value) => (value - mean) / deviation);
  });
  const rowOf = (i: number): number[] => columns.map((column) => column[i]!);
  const length = (a: number[]): number => Math.sqrt(a.reduce((sum, value) => sum + value * value, 0));
  const cosine = (a: number[], b: number[]): number =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0) / length(a) / length(b);
  const nearest = Array.from({ length: n }, (_, i) => ({
    label: labels[i]!,
    vote: cosine(rowOf(row), rowOf(i)),
    i,
  }))
    .filter(({ i }) => i !== row)
    .sort((a, b) => b.vote - a.vote)
    .slice(0, 10)
    .map(({ label, vote }) => ({ label, vote: Math.max(0, vote) }));
  const total = nearest.reduce((sum, { vote }) => sum + vote, 0);
  return nearest.filter(({ label }) => label === says).reduce((sum, { vote }) => sum + vote, 0) / total;
}
