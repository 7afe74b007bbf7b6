// The commands of one piece of work, submitted in pieces that each take the device about as long as
// `longestMs`: some systems reset a GPU whose commands run for two seconds, and windows stutter long before.
// Several submits cost nothing (measured: docs/decisions/gpu-kernels.md). The last piece decides about a step
// and has all that the decision changes; if an earlier one was refused and the last was not, the state is of
// no use until an adapter is written (step-queue.ts).

/** What a submit may take on the device, in milliseconds. */
const longestMs = 50;
/** Multiply-adds a second, in flops, of a slow GPU: what is believed of one before it was measured. */
const slowFlops = 2e11;

/** How long a dispatch takes on a device, on the average of a step. */
export class Pace {
  #ms: number;

  /** @param flops of a dispatch; null on an emulation, whose commands nobody resets: nothing is cut there. */
  constructor(private readonly flops: number | null) {
    this.#ms = (1000 * (flops ?? 0)) / slowFlops;
  }

  /** The last `dispatches` took so long, the way there and back included. */
  learn(dispatches: number, ms: number): void {
    if (this.flops !== null && dispatches > 0) this.#ms = ms / dispatches;
  }

  /** Dispatches of a submit, where `dispatches` are cut evenly. */
  mostOf(dispatches: number): number {
    return Math.ceil(dispatches / Math.max(1, Math.ceil((dispatches * this.#ms) / longestMs)));
  }
}

export class Submission {
  #encoder: GPUCommandEncoder;
  #pass: GPUComputePassEncoder | null = null;
  #count = 0;
  #most: number;

  /**
   * @param most dispatches of a submit.
   * @param onSubmit is called after each.
   */
  constructor(
    private readonly device: GPUDevice,
    private readonly label: string,
    most: number,
    private readonly onSubmit: () => void,
  ) {
    this.#most = most;
    this.#encoder = device.createCommandEncoder({ label });
  }

  /** The pass for one more dispatch; another one after each piece. */
  passForNext(): GPUComputePassEncoder {
    if (this.#count >= this.#most) this.#cut();
    this.#count++;
    this.#pass ??= this.#encoder.beginComputePass({ label: this.label });
    return this.#pass;
  }

  /** The next `dispatches` and all behind them are one piece, however long it takes. */
  keepTogether(dispatches: number): void {
    if (this.#count > 0 && this.#count + dispatches > this.#most) this.#cut();
    this.#most = Infinity;
  }

  /** For commands outside a pass. */
  get encoder(): GPUCommandEncoder {
    this.#endPass();
    return this.#encoder;
  }

  /** Submits what is encoded. */
  finish(): void {
    this.#endPass();
    this.device.queue.submit([this.#encoder.finish()]);
    this.#count = 0;
    this.onSubmit();
  }

  #cut(): void {
    this.finish();
    this.#encoder = this.device.createCommandEncoder({ label: this.label });
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = null;
  }
}
