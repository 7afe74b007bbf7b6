// Float formats of weight files <-> float32: float16, bfloat16, float64. Exact where the target can hold the
// value, rounded to nearest even where it cannot.
import { fromFloat16, toFloat16 } from '../shared/float16.ts';

export type FloatType = 'F64' | 'F32' | 'F16' | 'BF16';

const floatBytes: Readonly<Record<FloatType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

export function isFloatType(dtype: string): dtype is FloatType {
  return dtype in floatBytes;
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

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
