// Float formats of weight files <-> float32: float16, bfloat16, float64. Exact where the target can hold the value,
// rounded to nearest even where it cannot.

export type FloatType = 'F64' | 'F32' | 'F16' | 'BF16';

export const floatBytes: Readonly<Record<FloatType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

export function isFloatType(dtype: string): dtype is FloatType {
  return dtype in floatBytes;
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The value of a float16 bit pattern. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The float16 bit pattern nearest to a float32 value, ties to even; beyond 65504 it is infinity. */
export function toFloat16(value: number): number {
  f32[0] = value;
  const bits = u32[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and more
  if (magnitude < 0x38800000) {
    // Subnormal in float16: the fraction counts units of 2^-24.
    const units = Math.abs(f32[0]) * 2 ** 24;
    const floor = Math.floor(units);
    const rest = units - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0));
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

/** The bfloat16 bit pattern nearest to a float32 value, ties to even. */
export function toBfloat16(value: number): number {
  f32[0] = value;
  const bits = u32[0] ?? 0;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

let halfTable: Float32Array | null = null;

/** Raw little-endian bytes of a float type -> float32 values; a copy, whatever the alignment. */
export function decodeFloats(bytes: Uint8Array, dtype: FloatType): Float32Array {
  // The bytes of a whole buffer are read in place: at most the result is held beside them.
  const isWhole = dtype !== 'F32' && bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  const aligned = isWhole ? bytes.buffer : bytes.slice().buffer;
  switch (dtype) {
    case 'F32':
      return new Float32Array(aligned);
    case 'F64':
      return Float32Array.from(new Float64Array(aligned));
    case 'BF16': {
      const words = Uint32Array.from(new Uint16Array(aligned), (half) => half << 16);
      return new Float32Array(words.buffer);
    }
    case 'F16': {
      const table = (halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => fromFloat16(bits)));
      return Float32Array.from(new Uint16Array(aligned), (half) => table[half] ?? NaN);
    }
    default:
      return dtype satisfies never;
  }
}

/** float32 values -> raw little-endian bytes of a float type. */
export function encodeFloats(values: Float32Array, dtype: FloatType): Uint8Array {
  switch (dtype) {
    case 'F32':
      return new Uint8Array(values.slice().buffer);
    case 'F64':
      return new Uint8Array(Float64Array.from(values).buffer);
    case 'F16':
      return new Uint8Array(Uint16Array.from(values, toFloat16).buffer);
    case 'BF16':
      return new Uint8Array(Uint16Array.from(values, toBfloat16).buffer);
    default:
      return dtype satisfies never;
  }
}
