// Vectors of four numbers: what the kernels beside this file compute with.

@inline
export function all(x: f32): v128 {
  return f32x4.splat(x);
}

/** a b + c: rounded once by processors that fuse it, where the module may ask for that, and else twice. */
@inline
export function fused(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
}

/** Sum of the four lanes. */
@inline
export function total(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 1) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}
