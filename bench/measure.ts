// One case of the bench, in a page or in Node: the same random weights, batch and steps for every engine.
import { initialAdapter } from '../src/dmlora/adapter.ts';
import { dmloraDefaults } from '../src/dmlora/recipe.ts';
import type { Engine } from '../src/engine/engine.ts';
import {
  plainNormalisation,
  randomBatch,
  randomModel,
  stage1,
} from '../src/engine/kernels/testing/random-model.ts';
import { must } from '../src/engine/testing/reference.ts';
import { stepFlops, tokenCount, type VitConfig } from '../src/vit/vit-config.ts';
import { counted, countsNow, peakSince, type Counts } from './count-webgpu.ts';

export interface Case {
  readonly engine: string;
  readonly model: Omit<VitConfig, 'layerNormEps'> & { readonly name: string };
  readonly batch: number;
}

export interface Started {
  readonly firstStepMs: number;
  readonly prepareMs: number;
  readonly adapter: string;
}

export interface Steady {
  readonly counts: Counts;
  readonly jsMs: number;
  readonly wallMs: number;
  readonly peakBufferBytes: number;
  readonly losses: readonly number[];
}

const classes = 10;

/** An engine in the middle of a run: `start` prepares it and takes the first step, `steps` takes n more. */
export class Measurement {
  readonly #config: VitConfig;
  #losses: number[] = [];
  #step = 0;

  constructor(
    private readonly engine: Engine,
    private readonly wanted: Case,
  ) {
    this.#config = { ...wanted.model, layerNormEps: 1e-6 };
  }

  async start(): Promise<Started> {
    const model = randomModel(this.#config);
    const adapter = initialAdapter(this.#config, classes, dmloraDefaults, 1);
    peakSince();
    const begin = performance.now();
    const shapes = { batch: this.wanted.batch, classes };
    must(await this.engine.prepare(model, adapter, plainNormalisation, shapes));
    const prepareMs = performance.now() - begin;
    await this.#one();
    return { firstStepMs: performance.now() - begin, prepareMs, adapter: this.engine.describe().adapter };
  }

  /** Steps one by one, each reported before the next: what an engine without steps in flight can do. */
  async steps(count: number): Promise<Steady> {
    const before = countsNow();
    const begin = performance.now();
    let jsMs = 0;
    for (let i = 0; i < count; i++) jsMs += await this.#one();
    const wallMs = (performance.now() - begin) / count;
    const after = countsNow();
    return {
      counts: Object.fromEntries(
        counted.map((name) => [name, (after[name] - before[name]) / count]),
      ) as Counts,
      jsMs: jsMs / count,
      wallMs,
      peakBufferBytes: Math.max(peakSince(), this.engine.memory().peakBufferBytes),
      losses: this.#losses,
    };
  }

  /** Gives the milliseconds of JavaScript until the step was handed over (meaningful for kernels only). */
  async #one(): Promise<number> {
    const batch = randomBatch(this.#config, this.wanted.batch, classes);
    const begin = performance.now();
    this.engine.step(batch, { ...stage1, step: this.#step++, learningRate: 1e-3, weightDecay: 1e-4 });
    const handed = performance.now() - begin;
    const { steps, fault } = await this.engine.report();
    if (fault !== null) throw new Error(JSON.stringify(fault));
    this.#losses.push(...steps.map(({ loss }) => loss));
    return handed;
  }

  /** Model FLOPs of one step of the batch, without anything an engine computes twice or leaves out. */
  flops(): number {
    const { forward, backward } = stepFlops(
      this.#config,
      classes,
      dmloraDefaults.branches * dmloraDefaults.rank,
    );
    return this.wanted.batch * (forward + backward);
  }

  tokens(): number {
    return tokenCount(this.#config);
  }

  dispose(): void {
    this.engine.dispose();
  }
}
