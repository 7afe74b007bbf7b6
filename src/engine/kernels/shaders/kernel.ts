// Kernel: a compute shader with its bindings by name, so that the WGSL declarations, the bind group layout
// and the operands of a dispatch come from one list. Knows no shapes and no model.
import { halfFunctions, tensorType } from './storage.ts';

/** `write` is read_write: a kernel may update a tensor in place. */
type Access = 'read' | 'write' | 'uniform';

export interface Binding {
  readonly name: string;
  readonly access: Access;
  /** WGSL type: `array<vec4f>` for tensors, or what storage.ts says. */
  readonly type: string;
}

export interface Kernel {
  /** For labels and the dispatch table. */
  readonly name: string;
  readonly bindings: readonly Binding[];
  /** The whole WGSL module; equal code is compiled once. */
  readonly code: string;
}

/** Workgroups in x, y, z. */
export type Grid = readonly [x: number, y: number, z: number];

export const read = (name: string, type = 'array<vec4f>'): Binding => ({ name, access: 'read', type });
export const write = (name: string, type = 'array<vec4f>'): Binding => ({ name, access: 'write', type });
export const uniform = (name: string, type: string): Binding => ({ name, access: 'uniform', type });

/**
 * Joins the declarations of all bindings with the body; binding numbers follow the order of the list.
 *
 * @param extension of WGSL that the body needs; the device must have its feature.
 */
export function kernel(
  name: string,
  bindings: readonly Binding[],
  body: string,
  extension?: 'subgroups' | 'f16',
): Kernel {
  const space = { read: 'storage, read', write: 'storage, read_write', uniform: 'uniform' } as const;
  const declarations = bindings.map(
    (binding, i) =>
      `@group(0) @binding(${i}) var<${space[binding.access]}> ${binding.name}: ${binding.type};`,
  );
  const functions = bindings.some(({ type }) => type === tensorType.f16) ? halfFunctions : '';
  const enable = extension === undefined ? '' : `enable ${extension};\n`;
  return { name, bindings, code: `${enable}${declarations.join('\n')}\n${functions}${body}` };
}

/**
 * A maker of kernels that writes each text once: a plan names the same kernels block after block, and the
 * plan after a drop names them again. Arguments are plain data.
 */
export function memoize<Args extends readonly unknown[]>(
  make: (...args: Args) => Kernel,
): (...args: Args) => Kernel {
  const known = new Map<string, Kernel>();
  return (...args) => {
    const key = JSON.stringify(args);
    const made = known.get(key) ?? make(...args);
    known.set(key, made);
    return made;
  };
}

/**
 * Text for i = 0 .. count - 1, one line each: the loops of a kernel that must be unrolled to stay in
 * registers.
 */
export function unroll(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

/** The same, joined by another separator. */
export function list(count: number, item: (i: number) => string, separator = ', '): string {
  return Array.from({ length: count }, (_, i) => item(i)).join(separator);
}

/**
 * WGSL that adds `value` of all threads of a workgroup into partial[0], a `var<workgroup>` array of as many
 * elements, in a tree of fixed order: the same bits whatever order threads run in. `id` is the local
 * invocation id.
 */
export function treeSum(value: string, threads: number): string {
  return `
  partial[id.x] = ${value};
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half /= 2u) {
    if (id.x < half) { partial[id.x] += partial[id.x + half]; }
    workgroupBarrier();
  }`;
}

/** A float literal of WGSL. */
export function float(value: number): string {
  const text = Math.fround(value).toPrecision(9);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
