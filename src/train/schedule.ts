// The learning rate of a step, a pure function: linear warm-up to the peak, then a cosine to the floor (Loshchilov and
// Hutter, "SGDR", 2017). The peak is reached at the last warm-up step, the floor at the last step of the run.

export interface Schedule {
  readonly steps: number;
  readonly peak: number;
  readonly floor: number;
  /** Share of the steps until the peak; at least one step. */
  readonly warmup: number;
}

/** Learning rate of the 0-based step. */
export function learningRateAt({ steps, peak, floor, warmup }: Schedule, step: number): number {
  const warmupSteps = Math.max(1, Math.round(warmup * steps));
  const t = step + 1;
  if (t <= warmupSteps) return (peak * t) / warmupSteps;
  return floor + (peak - floor) * 0.5 * (1 + Math.cos((Math.PI * (t - warmupSteps)) / (steps - warmupSteps)));
}
