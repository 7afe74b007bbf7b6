// The shapes that kernels are checked at: sizes that nothing divides.

/** Widths are in vec4s. */
export interface OddShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  readonly seed: number;
}

/** A check of one kernel at a shape; throws with what is off. */
export type Check = (device: GPUDevice, shape: OddShape) => Promise<void>;
