// Makes the hostile safetensors files of this folder and the table of README.md: every way to lie that fits
// into a few bytes, by the ids of the fault catalogue (M1 to M6, M8, M11). The tests import `cases` and hold
// the files against it.
//
//   node testdata/hostile/make-hostile.mjs
import { readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} HostileCase
 * @property {string} file
 * @property {string} id of the fault catalogue
 * @property {string} graft 'accepted', or the reason that Graft's reader must give
 * @property {'accepted' | 'refused'} reference what Python's safetensors 0.8.0 does
 * @property {string} what
 * @property {Uint8Array} bytes
 */

const utf8 = new TextEncoder();

/** @param {...(Uint8Array | string | number[])} parts @returns {Uint8Array} */
function joined(...parts) {
  return Uint8Array.from(
    parts.flatMap((part) => [...(typeof part === 'string' ? utf8.encode(part) : part)]),
  );
}

/** A u64 in little-endian order. @param {bigint} value */
const u64 = (value) => Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

/**
 * A file from header and data, with the length that fits or another.
 * @param {string | Uint8Array} header
 * @param {number} dataBytes
 * @param {bigint} [length]
 */
function file(header, dataBytes = 0, length) {
  const text = typeof header === 'string' ? utf8.encode(header) : header;
  const data = Array.from({ length: dataBytes }, (_, i) => (i * 37 + 11) % 256);
  return joined(u64(length ?? BigInt(text.length)), text, data);
}

/** @param {string} shape @param {string} offsets @param {string} [dtype] */
const entry = (shape, offsets, dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
/** One tensor `a`. @param {Parameters<typeof entry>} args */
const one = (...args) => `{"a":${entry(...args)}}`;

/**
 * @type {[id: string, name: string, graft: string, reference: 'accepted' | 'refused', what: string, bytes:
 * Uint8Array][]}
 */
const table = [
  ['M1', 'empty', 'too-short', 'refused', 'no byte at all', joined()],
  ['M1', 'seven-bytes', 'too-short', 'refused', 'cut within the length', joined(u64(2n).slice(0, 7))],
  ['M1', 'length-only', 'header-length', 'refused', 'a length of 2 and nothing behind it', joined(u64(2n))],
  ['M1', 'length-zero', 'header-length', 'refused', 'a header of no bytes', file('', 4, 0n)],
  ['M1', 'length-one-more', 'header-length', 'refused', 'one byte more than there is', file('{}', 0, 3n)],
  ['M1', 'length-huge', 'header-length', 'refused', '1 TB', file('{}', 0, 1n << 40n)],
  ['M1', 'length-unsafe', 'header-length', 'refused', '2^53 + 1', file('{}', 0, (1n << 53n) + 1n)],
  ['M1', 'length-signed', 'header-length', 'refused', '2^63', file('{}', 0, 1n << 63n)],
  ['M1', 'length-max', 'header-length', 'refused', '2^64 - 1', file('{}', 0, (1n << 64n) - 1n)],
  ['M1', 'truncated', 'too-short', 'refused', 'data cut by one byte', file(one('[2]', '[0,8]'), 7)],

  ['M2', 'not-utf8', 'header-not-json', 'refused', 'a byte that UTF-8 never has', file(joined('{"', [0xff], '":1}'))],
  ['M2', 'overlong', 'header-not-json', 'refused', 'a slash in two bytes', file(joined('{"', [0xc0, 0xaf], '":1}'))],
  ['M2', 'surrogate-bytes', 'header-not-json', 'refused', 'U+D800 as bytes', file(joined('{"', [0xed, 0xa0, 0x80], `":${entry('[1]', '[0,4]')}}`), 4)],
  ['M2', 'surrogate-escape', 'header-not-json', 'refused', 'U+D800 as an escape', file(`{"\\ud800":${entry('[1]', '[0,4]')}}`, 4)],
  ['M2', 'byte-order-mark', 'header-not-json', 'refused', 'a byte order mark before the brace', file(`\ufeff${one('[1]', '[0,4]')}`, 4)],
  ['M2', 'utf16', 'header-not-json', 'refused', 'UTF-16', file(joined([...'{}'].flatMap((c) => [c.charCodeAt(0), 0])))],
  ['M2', 'not-json', 'header-not-json', 'refused', 'cut JSON', file('{"a":')],
  ['M2', 'trailing-comma', 'header-not-json', 'refused', 'a comma too many', file(`{"a":${entry('[1]', '[0,4]')},}`, 4)],
  ['M2', 'single-quotes', 'header-not-json', 'refused', 'a Python dictionary', file("{'a': 1}")],
  ['M2', 'comment', 'header-not-json', 'refused', 'a comment', file(`/* */${one('[1]', '[0,4]')}`, 4)],
  ['M2', 'two-values', 'header-not-json', 'refused', 'a second object', file(`${one('[1]', '[0,4]')}{}`, 4)],
  ['M2', 'zero-padding', 'header-not-json', 'refused', 'padded with zero bytes', file(`${one('[1]', '[0,4]')}\0\0`, 4)],
  ['M2', 'control-character', 'header-not-json', 'refused', 'a line break inside a name', file(`{"a\nb":${entry('[1]', '[0,4]')}}`, 4)],
  ['M2', 'array', 'header-not-json', 'refused', 'an array', file('[]')],
  ['M2', 'null', 'header-not-json', 'refused', 'null', file('null')],
  ['M2', 'only-spaces', 'header-not-json', 'refused', 'nothing but spaces', file(' '.repeat(64))],
  ['M2', 'nested', 'header-not-json', 'refused', '200 brackets', file(`{"a":${'['.repeat(200)}${']'.repeat(200)}}`)],
  ['M2', 'entry-null', 'header-not-json', 'refused', 'a tensor that is null', file('{"a":null}')],
  ['M2', 'entry-array', 'header-not-json', 'accepted', 'a tensor as a list of its fields', file('{"a":["F32",[1],[0,4]]}', 4)],
  ['M2', 'metadata-number', 'header-not-json', 'refused', 'metadata that is no string', file('{"__metadata__":{"a":1}}')],
  ['M2', 'metadata-nested', 'header-not-json', 'refused', 'metadata with an object inside', file('{"__metadata__":{"a":{}}}')],
  ['M2', 'metadata-string', 'header-not-json', 'refused', 'metadata that is a string', file('{"__metadata__":"pt"}')],
  ['M2', 'metadata-twice', 'header-not-json', 'refused', '__metadata__ twice', file('{"__metadata__":{},"__metadata__":{}}')],

  ['M3', 'overlap', 'offsets', 'refused', 'two tensors share four bytes', file(`{"a":${entry('[2]', '[0,8]')},"b":${entry('[2]', '[4,12]')}}`, 12)],
  ['M3', 'overlap-whole', 'offsets', 'refused', 'two tensors on the same bytes', file(`{"a":${entry('[1]', '[0,4]')},"b":${entry('[1]', '[0,4]')}}`, 4)],
  ['M3', 'overlap-inside', 'offsets', 'refused', 'a tensor inside another', file(`{"a":${entry('[3]', '[0,12]')},"b":${entry('[1]', '[4,8]')}}`, 12)],
  ['M3', 'hole', 'offsets', 'refused', 'four bytes that no tensor owns', file(`{"a":${entry('[1]', '[0,4]')},"b":${entry('[1]', '[8,12]')}}`, 12)],
  ['M3', 'hole-first', 'offsets', 'refused', 'data that begins late', file(one('[1]', '[4,8]'), 8)],
  ['M3', 'empty-astray', 'offsets', 'refused', 'an empty tensor in the middle of another', file(`{"a":${entry('[2]', '[0,8]')},"b":${entry('[0]', '[4,4]')}}`, 8)],
  ['M3', 'reversed', 'offsets', 'refused', 'an end before its begin', file(one('[1]', '[4,0]'), 4)],
  ['M3', 'beyond-end', 'too-short', 'refused', 'an end behind the file', file(one('[2]', '[0,8]'), 4)],
  ['M3', 'far-beyond-end', 'too-short', 'refused', '4 PB', file(one('[1073741824,1048576]', '[0,4503599627370496]'), 4)],
  ['M3', 'tail', 'offsets', 'refused', 'four bytes behind the last tensor', file(one('[1]', '[0,4]'), 8)],
  ['M3', 'only-tail', 'offsets', 'refused', 'data without a tensor', file('{}', 4)],
  ['M3', 'offsets-three', 'offsets', 'refused', 'three offsets', file(one('[1]', '[0,4,4]'), 4)],
  ['M3', 'offsets-missing', 'offsets', 'refused', 'no offsets', file('{"a":{"dtype":"F32","shape":[1]}}', 4)],
  ['M3', 'offsets-text', 'offsets', 'refused', 'offsets as text', file(one('[1]', '["0","4"]'), 4)],
  ['M3', 'offsets-exponent', 'offsets', 'refused', '0e0', file(one('[1]', '[0e0,4]'), 4)],
  ['M3', 'offsets-minus-zero', 'offsets', 'refused', '-0', file(one('[1]', '[-0,4]'), 4)],
  ['M3', 'offsets-rounding', 'offsets', 'refused', '2^53 + 1, which JSON.parse rounds', file(one('[1]', '[9007199254740993,9007199254740997]'), 4)],

  ['M4', 'shape-too-big', 'shape', 'refused', 'three floats in eight bytes', file(one('[3]', '[0,8]'), 8)],
  ['M4', 'shape-too-small', 'shape', 'refused', 'one float in eight bytes', file(one('[1]', '[0,8]'), 8)],
  ['M4', 'shape-scalar', 'shape', 'refused', 'a scalar in eight bytes', file(one('[]', '[0,8]'), 8)],
  ['M4', 'shape-negative', 'shape', 'refused', '-1', file(one('[-1]', '[0,4]'), 4)],
  ['M4', 'shape-two-negative', 'shape', 'refused', '-1 times -1', file(one('[-1,-1]', '[0,4]'), 4)],
  ['M4', 'shape-fraction', 'shape', 'refused', '0.5', file(one('[0.5,2]', '[0,4]'), 4)],
  ['M4', 'shape-float-one', 'shape', 'refused', '1.0', file(one('[1.0]', '[0,4]'), 4)],
  ['M4', 'shape-exponent', 'shape', 'refused', '1e308', file(one('[1e308]', '[0,4]'), 4)],
  ['M4', 'shape-leading-zero', 'shape', 'refused', '01', file(one('[01]', '[0,4]'), 4)],
  ['M4', 'shape-unsafe', 'shape', 'refused', '2^53', file(one('[9007199254740992]', '[0,4]'), 4)],
  ['M4', 'shape-overflow', 'shape', 'refused', '[2^62, 4]: 0 in 64 bits', file(one('[4611686018427387904,4]', '[0,0]'))],
  ['M4', 'shape-overflow-product', 'shape', 'refused', '[2^31, 2^31, 4]: 0 in 64 bits', file(one('[2147483648,2147483648,4]', '[0,0]'))],
  ['M4', 'shape-overflow-then-zero', 'shape', 'refused', 'an overflow that a 0 hides', file(one('[4294967296,4294967296,4294967296,0]', '[0,0]'))],
  ['M4', 'shape-huge-empty', 'shape', 'accepted', '[2^53 - 1, 0]: no bytes, and no tensor that anyone can use', file(one('[9007199254740991,0]', '[0,0]'))],
  ['M4', 'shape-rank', 'shape', 'accepted', 'nine dimensions', file(one('[1,1,1,1,1,1,1,1,1]', '[0,4]'), 4)],
  ['M4', 'shape-null', 'shape', 'refused', 'null', file(one('null', '[0,4]'), 4)],
  ['M4', 'shape-missing', 'shape', 'refused', 'no shape', file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4)],
  ['M4', 'dtype-missing', 'dtype', 'refused', 'no type', file('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4)],
  ['M4', 'dtype-number', 'dtype', 'refused', 'a number for a type', file('{"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}}', 4)],
  ['M4', 'dtype-half-byte', 'shape', 'refused', 'three values of four bits in two bytes', file(one('[3]', '[0,2]', 'F4'), 2)],

  ['M5', 'duplicate', 'offsets', 'accepted', 'a name twice, on the same bytes', file(`{"a":${entry('[1]', '[0,4]')},"a":${entry('[1]', '[0,4]')}}`, 4)],
  ['M5', 'duplicate-escaped', 'offsets', 'accepted', 'a name twice, once in escapes', file(`{"a":${entry('[1]', '[0,4]')},"\\u0061":${entry('[1]', '[0,4]').replace('data_offsets', 'data\\u005foffsets')}}`, 4)],
  ['M5', 'duplicate-two-ranges', 'offsets', 'refused', 'a name twice, on bytes of its own each', file(`{"a":${entry('[1]', '[0,4]')},"a":${entry('[1]', '[4,8]')}}`, 8)],
  ['M5', 'duplicate-field', 'header-not-json', 'refused', 'a shape twice', file('{"a":{"dtype":"F32","shape":[9],"shape":[1],"data_offsets":[0,4]}}', 4)],
  ['M5', 'duplicate-metadata', 'header-not-json', 'accepted', 'a key of the metadata twice', file('{"__metadata__":{"a":"1","a":"2"}}')],

  ['M6', 'proto-names', 'accepted', 'accepted', 'names that are properties of objects', file(`{${['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((name, i) => `"${name}":${entry('[1]', `[${4 * i},${4 * i + 4}]`)}`).join(',')}}`, 16)],
  ['M6', 'proto-metadata', 'accepted', 'accepted', 'the same in the metadata', file('{"__metadata__":{"__proto__":"x","constructor":"y"}}')],
  ['M6', 'name-long', 'header-too-big', 'accepted', 'a name of 513 characters', file(`{"${'n'.repeat(513)}":${entry('[1]', '[0,4]')}}`, 4)],
  ['M6', 'name-markup', 'accepted', 'accepted', 'a name that is markup', file(`{"<img src=x onerror=alert(1)>":${entry('[1]', '[0,4]')}}`, 4)],
  ['M6', 'name-empty', 'accepted', 'accepted', 'an empty name', file(`{"":${entry('[1]', '[0,4]')}}`, 4)],

  ['M8', 'dtype-unknown', 'accepted', 'refused', 'a type that the format does not know: refused only where it is needed', file(one('[1]', '[0,4]', 'Q4_K'), 4)],
  ['M8', 'dtype-float8', 'accepted', 'accepted', 'a type that Graft does not compute with: the same', file(one('[4]', '[0,4]', 'F8_E4M3'), 4)],

  ['M11', 'pickle', 'pickle', 'refused', 'pickle, protocol 2', joined([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e])],
  ['M11', 'torch-zip', 'pickle', 'refused', 'a zip, as PyTorch writes it', joined('PK\x03\x04', new Array(26).fill(0), 'archive/data.pkl')],
  ['M11', 'onnx', 'other-format', 'refused', 'the beginning of an ONNX file', joined([0x08, 0x08, 0x12, 0x07], 'pytorch', [0x1a, 0x03], '2.1:', new Array(8).fill(1))],
  ['M11', 'gguf', 'other-format', 'refused', 'GGUF', joined('GGUF', [3, 0, 0, 0], new Array(16).fill(0))],
  ['M11', 'hdf5', 'other-format', 'refused', 'HDF5 (Keras)', joined([0x89], 'HDF\r\n', [0x1a, 0x0a], new Array(8).fill(0))],
  ['M11', 'tflite', 'other-format', 'refused', 'TensorFlow Lite', joined([0x1c, 0, 0, 0], 'TFL3', new Array(16).fill(0))],
  ['M11', 'gzip', 'other-format', 'refused', 'gzip', joined([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], new Array(10).fill(0))],
  ['M11', 'web-page', 'other-format', 'refused', 'an error page', joined('<!DOCTYPE html>\n<html><body>Not Found</body></html>\n')],
  ['M11', 'lfs-pointer', 'other-format', 'refused', 'a Git LFS pointer', joined(`version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 22883348\n`)],
  ['M11', 'json-answer', 'other-format', 'refused', 'the JSON of an error', joined('{"error":"Repository not found"}')],
  ['M11', 'looks-like-pickle', 'accepted', 'accepted', 'safetensors whose length (640) begins like a pickle', file(one('[1]', '[0,4]').padEnd(640), 4)],
  ['M11', 'looks-like-onnx', 'accepted', 'accepted', 'safetensors whose length (2056) begins like ONNX', file(one('[1]', '[0,4]').padEnd(2056), 4)],

  ['', 'plain', 'accepted', 'accepted', 'nothing wrong', file(one('[1]', '[0,4]'), 4)],
  ['', 'no-tensors', 'accepted', 'accepted', 'nothing inside', file('{}')],
  ['', 'spaces-around', 'accepted', 'accepted', 'white space before and behind', file(` \t\r\n${one('[1]', '[0,4]')} \n`, 4)],
  ['', 'scalars-and-empties', 'accepted', 'accepted', 'rank 0, empty tensors at both ends, unaligned data, any order', file(`{"z":${entry('[0,7]', '[6,6]', 'I64')},"b":${entry('[]', '[1,5]')},"a":${entry('[1]', '[0,1]', 'U8')},"c":${entry('[1,1]', '[5,6]', 'BOOL')},"y":${entry('[0]', '[0,0]')}}`, 6)],
  ['', 'unknown-field', 'accepted', 'accepted', 'a field more in an entry', file('{"a":{"dtype":"F32","note":[null,{"x":-1.5e3}],"shape":[1],"data_offsets":[0,4]}}', 4)],
  ['', 'metadata-data-offsets', 'accepted', 'accepted', 'a key of the metadata called data_offsets', file('{"__metadata__":{"data_offsets":"x","shape":"{\\"data_offsets\\":[0]}"}}')],
];

/** @type {readonly HostileCase[]} */
export const cases = table.map(([id, name, graft, reference, what, bytes]) => ({
  file: `${name}.safetensors`,
  id,
  graft,
  reference,
  what,
  bytes,
}));

const readme = `# Hostile safetensors

Small files that lie, and a few odd ones that do not. \`make-hostile.mjs\` writes them and this table;
\`src/formats/safetensors-hostile.test.ts\` reads them with Graft's reader and with a slow transcription of the rules, and
\`npm run interop\` holds Graft's verdict against that of Python's safetensors. What is too large to keep (a header of ten
million brackets, a hundred megabytes of spaces) is made in the test.

Graft is stricter than the reference where a file has two meanings (a name twice), where a number has no use (2^53 - 1
empty rows) and where there is no reason to (long names, many dimensions); it is laxer in one thing: a type that it does
not know is refused only where its values are needed.

| File | Fault | Graft | safetensors 0.8.0 | What it is |
|---|---|---|---|---|
${cases.map(({ file: name, id, graft, reference, what }) => `| \`${name.replace('.safetensors', '')}\` | ${id} | ${graft} | ${reference} | ${what} |`).join('\n')}
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = new URL('.', import.meta.url);
  for (const name of await readdir(folder)) if (name.endsWith('.safetensors')) await rm(new URL(name, folder));
  for (const { file: name, bytes } of cases) await writeFile(new URL(name, folder), bytes);
  await writeFile(new URL('README.md', folder), readme);
}

export { readme };
