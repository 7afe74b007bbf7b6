// Safetensors files that were valid until up to three things were done to them: numbers changed, keys
// doubled, texts cut, ranges exchanged, bytes flipped. Written without Graft's writer; some stay valid, so
// that a reader that refuses all fails.
import fc from 'fast-check';

export interface Damage {
  readonly bytes: Uint8Array;
}

const widths = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, U8: 1, BOOL: 1, F8_E4M3: 1, Q4: 1 } as const;

interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

const tensor = fc
  .record({
    name: fc.oneof(
      fc.constantFrom('a', 'b', 'vit.layer.0', '__proto__', 'ü🌿', ''),
      fc.string({ maxLength: 6 }),
    ),
    dtype: fc.constantFrom(...(Object.keys(widths) as (keyof typeof widths)[])),
    shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  })
  .map(({ name, dtype, shape }): Tensor => {
    const elements = shape.reduce((product, n) => product * n, 1);
    return { name, dtype, shape, bytes: elements * widths[dtype] };
  });

const valid = fc
  .record({
    tensors: fc.uniqueArray(tensor, {
      selector: ({ name }) => name,
      maxLength: 4,
    }),
    metadata: fc.option(
      fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 8 }), { maxKeys: 2 }),
    ),
    pad: fc.nat({ max: 3 }),
    reversed: fc.boolean(),
  })
  .map(({ tensors, metadata, pad, reversed }) => {
    let at = 0;
    const entries = tensors
      .filter(({ name }) => name !== '__metadata__')
      .map(({ name, dtype, shape, bytes }) => {
        const text = `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":[${at},${at + bytes}]}`;
        at += bytes;
        return text;
      });
    if (reversed) entries.reverse();
    if (metadata !== null) entries.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
    return { header: `{${entries.join(',')}}${' '.repeat(pad)}`, dataBytes: at };
  });

type Change = (file: { header: string; dataBytes: number; lengthOff: number }) => void;

/** Puts something in place of the nth match of a pattern in the header. */
const inHeader =
  (pattern: RegExp, nth: number, by: (found: string) => string): Change =>
  (file) => {
    const found = [...file.header.matchAll(pattern)];
    const match = found[nth % Math.max(1, found.length)];
    if (match === undefined) return;
    const { index } = match;
    file.header = file.header.slice(0, index) + by(match[0]) + file.header.slice(index + match[0].length);
  };

const number = fc.oneof(
  fc.nat({ max: 40 }).map(String),
  fc.constantFrom(
    '-1',
    '-0',
    '1.0',
    '0.5',
    '1e1',
    '01',
    '+1',
    '4294967296',
    '9007199254740991',
    '9007199254740993',
    '18446744073709551616',
    '1e309',
    'NaN',
    'null',
    '""',
    '[]',
  ),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.nat(), number).map(([nth, text]) => inHeader(/\d+(?=[,\]])/g, nth, () => text)),
  fc
    .tuple(fc.nat(), fc.constantFrom('F32', 'F16', 'U8', 'F4', 'Q9', 'f32', '', 'I64'))
    .map(([nth, dtype]) => inHeader(/"[A-Z]+\d*(_E4M3)?"/g, nth, () => `"${dtype}"`)),
  fc
    .nat()
    .map((nth) => inHeader(/"[^"]*":\{[^}]*\},?/g, nth, (found) => `${found.replace(/,$/, '')},${found}`)),
  fc.nat().map((nth) => inHeader(/"[^"]*":\{[^}]*\},?/g, nth, () => '')),
  fc
    .nat()
    .map((nth) => inHeader(/"(dtype|shape|data_offsets)":/g, nth, (found) => found.replace(/[es]/, 'x'))),
  fc.nat().map((nth) => inHeader(/"(shape|data_offsets)":\[[^\]]*\]/g, nth, (found) => `${found},${found}`)),
  fc
    .nat()
    .map((nth) => inHeader(/"data_offsets":\[[^\]]*\]/g, nth, (found) => found.replace('_', '\\u005f'))),
  fc
    .nat()
    .map((nth) =>
      inHeader(/\[(\d+),(\d+)\]/g, nth, (found) => `[${found.slice(1, -1).split(',').reverse().join(',')}]`),
    ),
  fc.nat().map((nth) => inHeader(/[{}[\],:"]/g, nth, () => '')),
  fc
    .tuple(
      fc.nat(),
      fc.constantFrom(' ', '\n', ',', '{', ']', '\\', '\u00a0', '\ufeff', '\0', '"x":1,', '/**/'),
    )
    .map(([nth, text]) => inHeader(/(?=[{}[\],:"])/g, nth, () => text)),
  fc.integer({ min: -3, max: 3 }).map(
    (n): Change =>
      (file) =>
        void (file.dataBytes = Math.max(0, file.dataBytes + n)),
  ),
  fc.integer({ min: -3, max: 3 }).map(
    (n): Change =>
      (file) =>
        void (file.lengthOff += n),
  ),
);

/** A valid file with up to three changes, and now and then one byte of it anything. */
export const damagedFile: fc.Arbitrary<Damage> = fc
  .tuple(
    valid,
    fc.array(change, { maxLength: 3 }),
    fc.option(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { freq: 3 }),
  )
  .map(([{ header, dataBytes }, changes, flip]) => {
    const file = { header, dataBytes, lengthOff: 0 };
    for (const apply of changes) apply(file);
    const text = new TextEncoder().encode(file.header);
    const bytes = new Uint8Array(8 + text.length + file.dataBytes);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(text.length + file.lengthOff), true);
    bytes.set(text, 8);
    if (flip !== null) bytes[flip[0] % bytes.length] = flip[1];
    return { bytes };
  });
