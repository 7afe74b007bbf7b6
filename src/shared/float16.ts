// float16 (IEEE 754 binary16) as bit patterns <-> numbers, rounded to nearest even.

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

/** The float16 values nearest to float32 values, as float32. */
export function roundedToFloat16(values: Float32Array): Float32Array {
  const data = values.slice();
  const words = new Uint32Array(data.buffer);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const exponent = (word >>> 23) & 0xff;
    // Where float16 has a normal number, the last 13 bits go: to the nearest, of two to the even one.
    if (exponent >= 113 && exponent < 142) words[i] = (word + 0xfff + ((word >>> 13) & 1)) & ~0x1fff;
    else data[i] = fromFloat16(toFloat16(data[i] ?? NaN));
  }
  return data;
}
