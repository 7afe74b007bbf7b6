// The two small structs that kernels share with the host: `Site` (where the branches of the linears with a common input
// lie) and `Step` (what one optimiser step is told). memory/ and device/step-block.ts write them; keep the order of fields.

/**
 * The branches of one site. A site has up to three parts (q, k, v) that read the same input; each has `count`
 * columns of the low-rank intermediate, in units of four, from `first` on. `up` is where the part's up matrix
 * [4 count, out] begins within the site's parameters, in vec4s; the down matrix [4 width, in] begins at 0.
 * `stride`: vec4s from one partial sum of all gradients to the next; `scales`: the site's first column among those of all
 * sites, in vec4s.
 */
export const siteStruct = /* wgsl */ `
struct Site { width: u32, stride: u32, scales: u32, spare: u32, first: vec4u, count: vec4u, up: vec4u }
`;
export const siteBytes = 64;

/**
 * One step. correction1 and correction2 are 1 - beta^t of the four groups (branches, scalars, head weight, head
 * bias); decay is the weight decay of branches and the head's weight; flags say which groups learn.
 */
export const stepStruct = /* wgsl */ `
struct Step {
  sequence: u32, record: u32, images: u32, branches: u32,
  scalars: u32, head: u32, rate: f32, scalarRate: f32,
  decay: f32, clipNorm: f32, scalarLimit: f32, headRate: f32,
  correction1: vec4f, correction2: vec4f,
}
`;
export const stepBytes = 80;

/** One micro-batch: where its images begin in the batch. */
export const partStruct = /* wgsl */ `
struct Part { first: u32 }
`;
export const partBytes = 16;

/** What the device remembers from step to step, and what it tells about each (records are a ring). */
export const statusStruct = /* wgsl */ `
struct Status { next: u32, halted: u32, apply: u32, clip: f32 }
struct Record { sequence: u32, applied: u32, loss: f32, correct: f32, norm: f32, clip: f32, spare: vec2f }
`;
export const statusBytes = 16;
export const recordBytes = 32;
