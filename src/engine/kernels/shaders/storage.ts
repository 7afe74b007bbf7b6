// How a tensor is kept between dispatches: float32, or float16 in pairs, four values in a vec2u. Packing by
// pack2x16float is part of WGSL, so it works on every device, with shader-f16 or without; kernels compute in
// float32 either way. A value beyond 65504 becomes infinite, and a step with it is refused as not finite.
import { toFloat16 } from '../../../shared/float16.ts';

export type Storage = 'f32' | 'f16';

/** Bytes of one value. */
export const valueBytes: Readonly<Record<Storage, number>> = { f32: 4, f16: 2 };

/** WGSL type of a tensor that is read and written four values at a time. */
export const tensorType: Readonly<Record<Storage, string>> = { f32: 'array<vec4f>', f16: 'array<vec2u>' };

/** What kernels with a float16 tensor need: from and to four values. */
export const halfFunctions = /* wgsl */ `
fn wide(pairs: vec2u) -> vec4f { return vec4f(unpack2x16float(pairs.x), unpack2x16float(pairs.y)); }
fn pairs(value: vec4f) -> vec2u { return vec2u(pack2x16float(value.xy), pack2x16float(value.zw)); }`;

/** WGSL that reads the vec4f at `index` (counted in vec4s) of a tensor. */
export function load(tensor: string, storage: Storage, index: string): string {
  return storage === 'f32' ? `${tensor}[${index}]` : `wide(${tensor}[${index}])`;
}

/** WGSL that writes a vec4f to `index` of a tensor. */
export function store(tensor: string, storage: Storage, index: string, value: string): string {
  return `${tensor}[${index}] = ${storage === 'f32' ? value : `pairs(${value})`};`;
}

/** The bytes of a host array as its tensor keeps it; a multiple of four values. */
export function stored(values: Float32Array, storage: Storage): Uint8Array<ArrayBuffer> {
  const kept = storage === 'f32' ? values.slice() : Uint16Array.from(values, toFloat16);
  return new Uint8Array(kept.buffer);
}
