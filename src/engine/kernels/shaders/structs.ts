// Structs that kernels share with the host, written once: WGSL text, size and the place of each field come
// from one list, so that whoever fills a buffer names the field as the shader does.
import type { GroupName } from '../../parameter-groups.ts';

/** Words of four bytes, and the alignment in words, of the types that occur (WGSL, "Alignment and Size"). */
const sizes = {
  u32: { words: 1, align: 1 },
  f32: { words: 1, align: 1 },
  vec2f: { words: 2, align: 2 },
  vec4u: { words: 4, align: 4 },
  vec4f: { words: 4, align: 4 },
  'array<vec4f, 6>': { words: 24, align: 4 },
} as const;

export interface Struct<Field extends string> {
  /** The declaration. */
  readonly wgsl: string;
  /** A multiple of 16, as uniforms and arrays of structs with a vec4 need it. */
  readonly bytes: number;
  /** First word of each field. */
  readonly at: Readonly<Record<Field, number>>;
}

function struct<const Field extends string>(
  name: string,
  fields: Readonly<Record<Field, keyof typeof sizes>>,
): Struct<Field> {
  const at = {} as Record<Field, number>;
  let words = 0;
  for (const field of Object.keys(fields) as Field[]) {
    const { words: size, align } = sizes[fields[field]];
    at[field] = Math.ceil(words / align) * align;
    words = at[field] + size;
  }
  const members = Object.entries(fields).map(([field, type]) => `${field}: ${String(type)}`);
  return {
    wgsl: `struct ${name} { ${members.join(', ')} }\n`,
    bytes: Math.ceil(words / 4) * 16,
    at,
  };
}

/**
 * The branches of one site. A site has up to three parts (q, k, v) that read the same input; each has `count`
 * columns of the low-rank intermediate, in units of four, from `first` on. `up` is where the part's up matrix
 * [4 count, out] begins within the site's parameters, in vec4s; the down matrix [4 width, in] begins at 0.
 * `stride`: vec4s from one partial sum of all gradients to the next; `scales`: the site's first column among
 * those of all sites, in vec4s; `place`: the counter of its dropout.
 */
export const siteStruct = struct('Site', {
  width: 'u32',
  stride: 'u32',
  scales: 'u32',
  place: 'u32',
  first: 'vec4u',
  count: 'vec4u',
  up: 'vec4u',
});

/** The groups of parameters in the order in which they lie in the flat buffers. */
export const flatGroups = [
  'branches',
  'backboneVectors',
  'scalars',
  'headWeight',
  'headBias',
] as const satisfies readonly GroupName[];
export type FlatGroup = (typeof flatGroups)[number];

/** All groups as a step counts them: matrices of the backbone lie in buffers of their own. */
export const stepGroups = [...flatGroups, 'backboneMatrices'] as const satisfies readonly GroupName[];

/** Where each of them ends, in vec4s. */
export const endsStruct = struct('Ends', {
  branches: 'u32',
  backboneVectors: 'u32',
  scalars: 'u32',
  headWeight: 'u32',
  headBias: 'u32',
});

/**
 * One step. `learns` has a bit for each group that learns, the lowest for the first; `groups` has of each its
 * learning rate, its weight decay, and 1 - beta^t of both moments.
 */
export const stepStruct = struct('Step', {
  sequence: 'u32',
  record: 'u32',
  images: 'u32',
  learns: 'u32',
  clipNorm: 'f32',
  scalarLimit: 'f32',
  groups: 'array<vec4f, 6>',
});

/**
 * The dropout of a step: the counters of its draws, what a draw must reach to keep an element, and 1 / (1 - p).
 */
export const noiseStruct = struct('Noise', {
  seed: 'u32',
  key: 'u32',
  step: 'u32',
  threshold: 'u32',
  kept: 'f32',
});

/** One micro-batch: where its images begin in the batch. */
export const partStruct = struct('Part', { first: 'u32' });

/**
 * A span of the gradients, in vec4s: begin and end, where the chunked gradients end, and from chunk to chunk.
 */
export const spanStruct = struct('Span', { begin: 'u32', end: 'u32', chunked: 'u32', stride: 'u32' });

/** What the device knows from step to step. */
export const statusStruct = struct('Status', { next: 'u32', halted: 'u32', apply: 'u32', clip: 'f32' });

/** What the device tells about a step; records are a ring. */
export const recordStruct = struct('Record', {
  sequence: 'u32',
  applied: 'u32',
  loss: 'f32',
  correct: 'f32',
  norm: 'f32',
  clip: 'f32',
  spare: 'vec2f',
});
