// The reader's rules once more, slowly and literally, as an oracle for the tests: the order and the wording
// of the fault catalogue (section 5.3), on JSON.parse and bytes in memory. Shares no code with the reader.

interface OracleTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the beginning of the file. */
  readonly begin: number;
  readonly end: number;
}

/** What the rules make of a file: its tensors, or the number of the rule that it breaks. */
export type OracleVerdict =
  { readonly tensors: ReadonlyMap<string, OracleTensor> } | { readonly brokenRule: 1 | 2 | 3 | 4 | 5 };

const bits: Readonly<Record<string, number>> = {
  ...{ F64: 64, I64: 64, U64: 64, C64: 64, F32: 32, I32: 32, U32: 32, F16: 16, BF16: 16, I16: 16, U16: 16 },
  ...{ I8: 8, U8: 8, BOOL: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
};

/** The keys of every object in a JSON text that is known to parse, by a walk over its characters. */
function keysOfObjects(text: string): string[][] {
  const all: string[][] = [];
  const open: (string[] | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') open.push([]);
    if (character === '[') open.push(null);
    if (character === '}') all.push(open.pop() ?? []);
    if (character === ']') open.pop();
    if (character !== '"') continue;
    let end = at + 1;
    while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    if (/^\s*:/.test(text.slice(end + 1))) open.at(-1)?.push(JSON.parse(text.slice(at, end + 1)) as string);
    at = end;
  }
  return all;
}

/**
 * Whether every literal outside of strings, in what the format defines, is a whole number without sign or
 * exponent.
 */
function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;
}

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function oracle(bytes: Uint8Array): OracleVerdict {
  // 1. File >= 8 bytes. N read as BigInt: 0 < N <= 10 MB and N <= file - 8.
  if (bytes.length < 8) return { brokenRule: 1 };
  let length = 0n;
  for (let i = 7; i >= 0; i--) length = length * 256n + BigInt(bytes[i] ?? 0);
  if (length === 0n || length > 10_000_000n || length > BigInt(bytes.length) - 8n) return { brokenRule: 1 };
  const dataStart = 8 + Number(length);

  // 2. UTF-8, JSON, top level a plain object; leading white space is tolerated.
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, dataStart));
    json = JSON.parse(text);
  } catch {
    return { brokenRule: 2 };
  }
  if (!isPlainObject(json)) return { brokenRule: 2 };
  for (const keys of keysOfObjects(text)) if (new Set(keys).size < keys.length) return { brokenRule: 3 };

  // 3. Tensors, names, rank, numbers, metadata.
  const tensors = new Map<string, OracleTensor>();
  for (const [name, value] of Object.entries(json)) {
    if (/[\ud800-\udfff]/.test(name.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''))) return { brokenRule: 2 };
    if (!isPlainObject(value)) return { brokenRule: 3 };
    if (name === '__metadata__') {
      for (const word of Object.values(value)) if (typeof word !== 'string') return { brokenRule: 3 };
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = value;
    if (name.length > 512 || typeof dtype !== 'string') return { brokenRule: 3 };
    if (!Array.isArray(shape) || shape.length > 8) return { brokenRule: 3 };
    if (!Array.isArray(offsets) || offsets.length !== 2) return { brokenRule: 3 };
    const sizes = shape.filter((n) => isCount(n, 2 ** 32));
    const [begin, end, ...rest] = offsets.filter((n) => isCount(n, Number.MAX_SAFE_INTEGER));
    if (sizes.length < shape.length || begin === undefined || end === undefined || rest.length > 0)
      return { brokenRule: 3 };
    tensors.set(name, { dtype, shape: sizes, begin: dataStart + begin, end: dataStart + end });
  }
  if (tensors.size > 10_000) return { brokenRule: 3 };
  // Numbers as text: what JSON reads as 4 may be written 4.0, 4e0 or, as -0, with a sign.
  const written = /"(?:shape|data_offsets|data\\u005foffsets)"\s*:\s*\[([^\]]*)\]/g;
  for (const [, numbers = ''] of text.matchAll(written)) if (/[-.eE]/.test(numbers)) return { brokenRule: 3 };

  // 4. By offset the tensors start at 0 and are contiguous, and the last ends where the file ends.
  let at = dataStart;
  for (const { begin, end } of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end < begin || begin !== at) return { brokenRule: 4 };
    at = end;
  }
  if (at !== bytes.length) return { brokenRule: 4 };

  // 5. Product of shape x dtype size in BigInt == end - begin. An unknown type fails only where it is needed.
  for (const { dtype, shape, begin, end } of tensors.values()) {
    let product = 1n;
    for (const n of shape) {
      product *= BigInt(n);
      if (product >= 2n ** 53n) return { brokenRule: 5 };
    }
    const size = Object.hasOwn(bits, dtype) ? bits[dtype] : undefined;
    if (size !== undefined && product * BigInt(size) !== 8n * BigInt(end - begin)) return { brokenRule: 5 };
  }
  return { tensors };
}
