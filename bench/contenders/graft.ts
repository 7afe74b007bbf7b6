// Graft's own engines behind the bench's interface: the kernel engine, and the autodiff engine on a backend
// of tfjs.
import type { Engine, MemoryPlan, StepControl, TuningRecord } from '../../src/engine/engine.ts';
import { plainNormalisation, stage1 } from '../../src/engine/checks/random-model.ts';
import type { Contender } from '../contender.ts';
import { optimiser, type Workload } from '../workload.ts';
import { unwrap } from '../../src/shared/result.ts';

export class GraftContender implements Contender {
  readonly timesJavaScript: boolean;
  #work: Workload | null = null;
  #step = 0;

  constructor(private readonly engine: Engine) {
    this.timesJavaScript = engine.describe().engine === 'kernels';
  }

  get device(): string {
    return this.engine.describe().adapter;
  }

  get tuning(): TuningRecord | null {
    return this.engine.describe().tuning;
  }

  get software(): boolean {
    return this.engine.describe().software;
  }

  memoryPlan(): MemoryPlan | null {
    return this.engine.memoryPlan();
  }

  /** The autodiff engine keeps every linear in two layouts; the kernel engine knows what it keeps. */
  heldWeightBytes(): number {
    return this.engine.memoryPlan()?.bytes.weights ?? 2 * (this.#work?.weightBytes ?? 0);
  }

  async start(work: Workload): Promise<void> {
    this.#work = work;
    const { model, adapter, images, classes } = work;
    unwrap(await this.engine.prepare(model, adapter, plainNormalisation, { batch: images, classes }));
  }

  enqueue(): void {
    if (this.#work === null) throw new Error('start was not called');
    const { learningRate, weightDecay, clipNorm } = optimiser;
    const control: StepControl = {
      ...stage1,
      step: this.#step++,
      learningRate,
      headRate: learningRate,
      weightDecay,
      clipNorm,
    };
    this.engine.step(this.#work.batch, control);
  }

  async losses(): Promise<readonly number[]> {
    const { steps, fault } = await this.engine.report();
    if (fault !== null) throw new Error(JSON.stringify(fault));
    return steps.map(({ loss }) => loss);
  }

  peakBytes(): number {
    return this.engine.memory().peakBufferBytes;
  }

  dispose(): void {
    this.engine.dispose();
  }
}
