// The engine of a run that has ended, for whoever asks its result something: the run's own while that is
// there, or a new one that is prepared as the run's was. Proofs of exports borrow it, and it comes back with
// the next question. Loaded when it is needed; knows neither formats nor questions.
import { allOpen, type Adapter, type Gates } from '../dmlora/adapter.ts';
import { pauseOf } from '../export/pause.ts';
import { imagesAtOnce, ProofEngine } from '../export/proof-engine.ts';
import type { Engine } from '../engine/engine.ts';
import type { NdArray } from '../shared/array.ts';
import { faultOfThrown } from '../shared/describe-fault.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { isCancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { logitsOf } from '../train/evaluation.ts';
import { askedWith } from '../train/questions.ts';
import type { Run } from '../train/run.ts';
import type { RunInput } from '../train/run-input.ts';
import type { LabelledPixels, TrainingData } from '../train/training-data.ts';
import type { OpenData } from './open-data.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { RunSummary } from './protocol.ts';

/** A run that has ended, and what it was made of. */
export interface EndedRun {
  readonly run: Run;
  readonly model: OpenModel;
  /** Its images, those that were decoded in its split: by what the record names them. */
  readonly images: OpenData;
  readonly data: TrainingData;
  readonly summary: RunSummary;
  readonly makeEngine: RunInput['makeEngine'];
}

export class ResultEngine {
  #prover: ProofEngine | null = null;

  constructor(readonly ended: EndedRun) {}

  /** Whether an engine holds the result now, so that a question is answered at once. */
  get isReady(): boolean {
    return this.ended.run.engine !== null;
  }

  /**
   * An engine that holds the run's result, planned for all the branches that the run began with. Whoever
   * meets a fault calls `lost`.
   */
  async held(): Promise<Result<Engine>> {
    const { run, makeEngine } = this.ended;
    if (run.engine !== null) return ok(run.engine);
    const idle = this.#prover?.take() ?? null;
    const made = idle === null ? await makeEngine(undefined, true) : ok(idle);
    if (!made.ok) return made;
    const prepared = await run.takeBack(made.value);
    return prepared.ok ? made : prepared;
  }

  /** After a fault the engine is of no use: the next question gets a new one. */
  lost(): void {
    this.ended.run.dispose();
  }

  /**
   * Something asked of the engine that holds the result. A fault, thrown or given, costs the engine; that it
   * was cancelled does not.
   */
  async ask<T>(question: (engine: Engine) => Promise<Result<T>>): Promise<Result<T>> {
    const engine = await this.held();
    if (!engine.ok) return engine;
    const answer = await question(engine.value).catch((thrown: unknown) => fail(faultOfThrown(thrown)));
    if (!answer.ok && !isCancelled(answer.fault)) this.lost();
    return answer;
  }

  /**
   * Something asked of the engine while it holds another adapter. That of the run is on it again before
   * anybody else asks, also where the question was cancelled.
   */
  async askWith<T>(adapter: Adapter, question: (engine: Engine) => Promise<Result<T>>): Promise<Result<T>> {
    const { run } = this.ended;
    return this.ask((engine) => askedWith(engine, adapter, run.adapter, question));
  }

  /** Logits [n, classes] of the result, or of what it would be with another adapter or some gates closed. */
  logits(
    images: LabelledPixels,
    signal: AbortSignal,
    onAnswer: (images: number) => void = () => undefined,
    { adapter, gates }: { readonly adapter: Adapter; readonly gates: Gates } = {
      adapter: this.ended.run.adapter,
      gates: allOpen,
    },
  ): Promise<Result<NdArray>> {
    const { run, model, data } = this.ended;
    const between = (answered: number): Promise<void> => {
      onAnswer(answered);
      return yieldToEventLoop();
    };
    return this.askWith(adapter, (engine) => {
      const atOnce = imagesAtOnce(engine, model.model.config, data.classes.length, run.plan.batch);
      return logitsOf(engine, images, atOnce, { between, signal, gates });
    });
  }

  /**
   * Logits of the result in float32, whatever the run keeps and multiplies in: what exports are measured by.
   * Where that is float16 the prover computes them, which takes the engine.
   */
  async exactLogits(images: LabelledPixels, signal: AbortSignal): Promise<Result<NdArray>> {
    const { run, model, summary } = this.ended;
    const { storage, arithmetic } = summary.memoryPlan ?? {};
    if (storage !== 'f16' && arithmetic !== 'float16') return this.logits(images, signal);
    const { model: source, preprocessing } = model;
    try {
      const { adapter, plan } = run;
      return await this.prover().logits(source, adapter, preprocessing, images, plan.batch, pauseOf(signal));
    } catch (thrown) {
      return fail(faultOfThrown(thrown));
    }
  }

  /** For models that are proved: it takes the engine, which then holds the result no longer. */
  prover(): ProofEngine {
    const { run, makeEngine } = this.ended;
    this.#prover ??= new ProofEngine(() => {
      const own = run.handOver();
      own?.release();
      return own === null ? makeEngine(undefined, true) : Promise.resolve(ok(own));
    });
    return this.#prover;
  }

  dispose(): void {
    this.#prover?.dispose();
    this.#prover = null;
  }
}
