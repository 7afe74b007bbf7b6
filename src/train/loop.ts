// The training loop: what happens when. Drops, stages, steps, evaluations and the phases of a run, in the order in
// which they happen; how a step is computed is the engine's business. `train` reads from top to bottom.
import { allOpen, initialAdapter, type Adapter } from '../dmlora/adapter.ts';
import { dropBranches, dropPlan, type DropEvent } from '../dmlora/drop-plan.ts';
import { enterStage2, scalarLimit, stageAt, stage2Step, trainsIn, type Stage } from '../dmlora/stages.ts';
import type { Engine, StepReport } from '../engine/engine.ts';
import { batchOf, headShareOf, stepsOf } from '../recipe/recipe.ts';
import { faultOfThrown, type Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { NdArray } from '../shared/array.ts';
import { withCrops } from './augment.ts';
import { breathe } from './breathe.ts';
import type { DivergedFault } from './divergence.ts';
import { DivergenceWatch, type Validated } from './divergence-watch.ts';
import { evaluationSteps, logitsOf, metricsOf, type Metrics } from './evaluation.ts';
import { Pace } from './pace.ts';
import type { Phase } from './phase.ts';
import { probeStart } from './probe-start.ts';
import { must, RunFault } from './run-fault.ts';
import type { RunInput, RunListener } from './run-input.ts';
import {
  scalarsOf,
  viewModules,
  type DropRecord,
  type ModuleView,
  type ProbeRecord,
  type RunRecord,
} from './run-record.ts';
import { learningRateAt } from './schedule.ts';
import { shapesOf, type LabelledPixels } from './training-data.ts';

/** The state that a run can go back to: the adapter after `step` confirmed steps. */
interface Snapshot {
  readonly step: number;
  readonly adapter: Adapter;
}

type Wish = 'run' | 'pause' | 'step' | 'stop';

export class Run {
  readonly steps: number;
  readonly batch: number;
  readonly stepsPerEpoch: number;
  readonly plan: readonly DropEvent[];
  readonly stage2: number;
  #engine: Engine | null = null;
  #phase: Phase = { kind: 'idle' };
  #wish: Wish = 'run';
  #wake: () => void = () => undefined;
  #snapshot: Snapshot;
  #step = 0;
  #pace = new Pace();
  #seconds = 0;
  #peakBytes = 0;
  #views: readonly ModuleView[] = [];
  #drops: readonly DropRecord[] = [];
  #probe: ProbeRecord | null = null;
  #initial: Metrics | null = null;
  #latest: Metrics | null = null;
  #test: Metrics | null = null;
  readonly #watch: DivergenceWatch;
  #diverged: DivergedFault | null = null;
  /** State and validation where stage 2 began: what its scalars are judged against. */
  #stage1End: Validated | null = null;
  #scalarsKept: boolean | null = null;
  #learnedScalars: RunRecord['learnedScalars'] = null;

  constructor(
    private readonly input: RunInput,
    private readonly listener: RunListener,
  ) {
    const { recipe, data, model, head } = input;
    this.batch = batchOf(recipe, data.trainImages);
    this.steps = stepsOf(recipe, data.trainImages);
    this.stepsPerEpoch = data.trainImages / this.batch;
    this.stage2 = stage2Step(recipe.dmlora, this.steps);
    this.#watch = new DivergenceWatch(input, this.batch, this.stage2);
    const adapter = initialAdapter(model.config, data.classes.length, recipe.dmlora, recipe.seed);
    this.plan = dropPlan(
      adapter.modules.map(({ name }) => name),
      recipe.dmlora,
      this.steps,
      recipe.seed,
    );
    this.#snapshot = { step: 0, adapter: head === null ? adapter : { ...adapter, head } };
    this.#views = viewModules(adapter, [], []);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get modules(): readonly ModuleView[] {
    return this.#views;
  }

  /** The engine, while the run has one. */
  get engine(): Engine | null {
    return this.#engine;
  }

  /** Makes the engine ready at the last snapshot: the beginning, or where a failed run can go on. */
  async prepare(): Promise<Result<void>> {
    const { input } = this;
    this.#become({ kind: 'preparing', what: 'Preparing the engine', done: 0, total: 1 });
    this.#engine?.dispose();
    this.#engine = null;
    // A run that is ended after a number was not finite ends where it last was good.
    if (this.#wish === 'stop' && this.#watch.overflowed)
      this.#snapshot = this.#watch.kept(this.#stage1End) ?? this.#snapshot;
    const made = await input.makeEngine((what, done, total) => {
      if (this.#phase.kind === 'preparing') this.#become({ kind: 'preparing', what, done, total });
    });
    if (!made.ok) return this.#fail(made.fault);
    const shapes = shapesOf(input.recipe, input.data, this.batch);
    const prepared = await made.value.prepare(
      input.model,
      this.#snapshot.adapter,
      input.normalisation,
      shapes,
    );
    if (!prepared.ok) {
      made.value.dispose();
      return this.#fail(prepared.fault);
    }
    this.#engine = made.value;
    this.#step = this.#snapshot.step;
    this.#drops = this.#drops.filter(({ step }) => step < this.#step);
    this.#watch.goBackTo(this.#step);
    return ok(undefined);
  }

  /** Trains to the end, to a stop or to a fault; the phase tells which. Call `prepare` before. */
  async train(): Promise<void> {
    try {
      const { recipe, data, model, head } = this.input;
      const due = evaluationSteps(this.steps, this.stepsPerEpoch);
      const drops = new Map(this.plan.map((event) => [event.step, event]));
      if (this.#initial === null) await this.#startFromProbe();
      this.#initial ??= await this.#evaluate();
      while (this.#step < this.steps && (await this.#mayGoOn())) {
        const step = this.#step;
        const event = drops.get(step);
        if (event !== undefined) await this.#drop(event);
        if (step === this.stage2) await this.#enterStage2();
        this.#become({ kind: 'training', stage: this.#stage(), step, steps: this.steps });

        const startedAt = performance.now();
        const engine = this.#live();
        const burst = this.#wish === 'run' ? this.#burst(drops, due) : 1;
        const rates = Array.from({ length: burst }, (_, i) => this.#rate(step + i));
        rates.forEach((learningRate, i) => {
          engine.step(withCrops(data.trainBatch(step + i, this.batch), recipe, model, step + i), {
            step: step + i,
            trains: trainsIn(this.#stage()),
            learningRate,
            headRate: learningRate * headShareOf(recipe, head !== null),
            scalarRate: recipe.scalarRate,
            weightDecay: recipe.weightDecay,
            clipNorm: recipe.clipNorm,
            scalarLimit: scalarLimit(recipe.dmlora),
            gates: allOpen,
          });
        });
        const { steps: reports, fault } = await engine.report();
        const seconds = (performance.now() - startedAt) / 1000;
        this.#seconds += seconds;
        for (const report of reports) {
          this.#pace.addStep(seconds / reports.length);
          this.#step += 1;
          this.#tell(report, rates[report.step - step] ?? NaN, due);
        }
        if (fault !== null) throw new RunFault(fault);

        if (due.has(this.#step) && this.#step < this.steps) await this.#evaluate();
        else if (this.#step % this.#lookEvery() === 0) {
          await this.#look();
          this.#heedDivergence();
        }
        await breathe();
      }
      await this.#finish();
    } catch (thrown) {
      const fault = thrown instanceof RunFault ? thrown.fault : faultOfThrown(thrown);
      if (fault.kind === 'not-finite') this.#watch.addOverflow(this.#step);
      this.#fail(fault);
    }
  }

  pause(): void {
    if (this.#wish === 'run') this.#wish = 'pause';
  }

  resume(): void {
    this.#wish = 'run';
    this.#wake();
  }

  /** From paused: one step, then paused again. */
  single(): void {
    this.#wish = 'step';
    this.#wake();
  }

  /** Ends the run early; what was learned is kept. A run that failed is prepared and trained again, to end at once. */
  stop(): void {
    this.#wish = 'stop';
    this.#wake();
  }

  /** Frees the engine; the adapter stays as the last snapshot. */
  dispose(): void {
    this.#engine?.dispose();
    this.#engine = null;
  }

  /** The adapter of the last snapshot; after the end, the result of the run. */
  get adapter(): Adapter {
    return this.#snapshot.adapter;
  }

  /** Logits of the adapted model on the validation images. */
  async validationLogits(): Promise<Result<NdArray>> {
    return logitsOf(this.#live(), this.input.data.validation, this.batch);
  }

  /** What was measured; null before the first evaluation. */
  record(): RunRecord | null {
    if (this.#initial === null) return null;
    return {
      steps: this.#step,
      seconds: this.#seconds,
      secondsPerStep: this.#pace.secondsPerStep,
      peakBufferBytes: this.#peakBytes,
      initialValidation: this.#initial,
      probe: this.#probe,
      validation: this.#latest ?? this.#initial,
      test: this.#test,
      drops: this.#drops,
      scalars: scalarsOf(this.adapter),
      scalarsKept: this.#scalarsKept,
      learnedScalars: this.#learnedScalars,
      diverged: this.#diverged,
    };
  }

  /** Fits the head on frozen features first, where the recipe says so and the checkpoint brought no head. */
  async #startFromProbe(): Promise<void> {
    const { recipe, head, data } = this.input;
    if (recipe.headStart !== 'probe' || head !== null) return;
    const startedAt = performance.now();
    const started = must(
      await probeStart(this.#live(), data, this.batch, (done, total) =>
        this.#become({ kind: 'preparing', what: 'Fitting a linear probe', done, total }),
      ),
    );
    this.#seconds += (performance.now() - startedAt) / 1000;
    this.#probe = started.record;
    this.#snapshot = { step: 0, adapter: { ...this.#snapshot.adapter, head: started.head } };
    must(await this.#live().writeAdapter(this.#snapshot.adapter));
  }

  #live(): Engine {
    if (this.#engine === null) throw new Error('the run has no engine');
    return this.#engine;
  }

  /** Steps between two looks at the branches. */
  #lookEvery(): number {
    return Math.max(1, Math.floor(this.steps / 40));
  }

  /** How many steps may be enqueued now: what the engine takes, but nothing beyond the next event. */
  #burst(drops: ReadonlyMap<number, DropEvent>, due: ReadonlySet<number>): number {
    const most = Math.min(this.#live().describe().stepsInFlight, this.steps - this.#step);
    for (let burst = 1; burst < most; burst++) {
      const next = this.#step + burst;
      if (drops.has(next) || due.has(next) || next === this.stage2 || next % this.#lookEvery() === 0)
        return burst;
    }
    return most;
  }

  #rate(step: number): number {
    const { learningRate, learningRateFloor, warmup } = this.input.recipe;
    const floor = Math.min(learningRate, learningRateFloor);
    return learningRateAt({ steps: this.steps, peak: learningRate, floor, warmup }, step);
  }

  #stage(): Stage {
    return stageAt(this.input.recipe.dmlora, this.steps, this.#step);
  }

  #become(phase: Phase): void {
    this.#phase = phase;
    this.listener.phase(phase);
  }

  #fail(fault: Fault): { readonly ok: false; readonly fault: Fault } {
    this.#become({ kind: 'failed', fault, step: this.#snapshot.step, resumable: this.#initial !== null });
    return fail(fault);
  }

  /** Waits while paused; false when the run is to end. */
  async #mayGoOn(): Promise<boolean> {
    while (this.#wish === 'pause') {
      await this.#look();
      const here = { stage: this.#stage(), step: this.#step, steps: this.steps };
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#become({ kind: 'paused', ...here });
      await woken;
    }
    if (this.#wish === 'step') this.#wish = 'pause';
    return this.#wish !== 'stop';
  }

  #tell(report: StepReport, learningRate: number, due: ReadonlySet<number>): void {
    const memory = this.#live().memory();
    this.#watch.addStep(report.step, report.loss);
    this.#peakBytes = Math.max(this.#peakBytes, memory.peakBufferBytes);
    const evaluationsLeft =
      [...due].filter((step) => step > this.#step).length + (this.#step < this.stage2 ? 1 : 0) + 1;
    const row = {
      step: report.step,
      loss: report.loss,
      accuracy: report.correct / this.batch,
      learningRate,
      gradientNorm: report.gradientNorm,
    };
    const pace = {
      currentSecondsPerStep: this.#pace.currentSecondsPerStep,
      secondsLeft: this.#pace.secondsLeft(this.steps - this.#step, evaluationsLeft),
    };
    this.listener.step(row, pace, memory);
  }

  /** Reads the adapter back: the state to return to after a fault, and the picture of the branches. */
  async #look(): Promise<Adapter> {
    const adapter = must(await this.#live().readAdapter());
    this.#snapshot = { step: this.#step, adapter };
    this.#views = viewModules(adapter, this.#views, this.#drops);
    this.listener.branches(this.#step, this.#views);
    return adapter;
  }

  /** Drops the event's branches and measures the loss on the coming batch just before and just after. */
  async #drop(event: DropEvent): Promise<void> {
    const engine = this.#live();
    const batch = this.input.data.trainBatch(this.#step, this.batch);
    const lossBefore = must(await engine.loss(batch, allOpen));
    const adapter = await this.#look();
    must(await engine.writeAdapter(dropBranches(adapter, event.drops)));
    const lossAfter = must(await engine.loss(batch, allOpen));
    const drops = [...event.drops].map(([module, branch]) => ({
      step: event.step,
      module,
      branch,
      lossBefore,
      lossAfter,
    }));
    this.#drops = [...this.#drops, ...drops];
    this.listener.dropped(drops);
    await this.#look();
  }

  async #enterStage2(): Promise<void> {
    const validation = await this.#evaluate();
    this.#stage1End = { ...this.#snapshot, validation, drops: this.#drops };
    must(await this.#live().writeAdapter(enterStage2(this.#snapshot.adapter)));
  }

  async #evaluate(): Promise<Metrics> {
    this.#become({ kind: 'evaluating', step: this.#step, steps: this.steps });
    await this.#look();
    const validation = await this.#measure(this.input.data.validation);
    this.#latest = validation;
    this.#watch.addEvaluation({ ...this.#snapshot, validation, drops: this.#drops });
    this.listener.evaluated(this.#step, validation);
    this.#heedDivergence();
    return validation;
  }

  async #measure(images: LabelledPixels): Promise<Metrics> {
    const startedAt = performance.now();
    const logits = must(await logitsOf(this.#live(), images, this.batch));
    const seconds = (performance.now() - startedAt) / 1000;
    this.#seconds += seconds;
    this.#pace.addEvaluation(seconds);
    return metricsOf(logits, images.labels);
  }

  /** Tells when the run begins to diverge, and when it has come back. */
  #heedDivergence(): void {
    const fault = this.#watch.fault(null);
    if (this.#watch.overflowed || fault?.step === this.#diverged?.step) return;
    this.#diverged = fault;
    this.listener.diverging(fault);
  }

  /** The last evaluation, and the judgements: whether stage 2's scalars stay, and what a diverged run leaves. */
  async #finish(): Promise<void> {
    await this.#evaluate();
    await this.#judgeScalars();
    await this.#judgeDivergence();
    const { test } = this.input.data;
    if (test !== null) this.#test = await this.#measure(test);
    this.#become({ kind: 'finished', step: this.#step, steps: this.steps, early: this.#step < this.steps });
  }

  /** Stage 2's scalars stay only if validation did not get worse. */
  async #judgeScalars(): Promise<void> {
    const [before, last] = [this.#stage1End, this.#latest];
    if (before === null || last === null || this.#step <= this.stage2) return;
    this.#scalarsKept = last.loss <= before.validation.loss;
    this.#learnedScalars = scalarsOf(this.adapter);
    if (this.#scalarsKept) return;
    await this.#goBackTo(before);
    this.listener.evaluated(this.#step, before.validation);
  }

  /** A run that diverged leaves its best validated state. */
  async #judgeDivergence(): Promise<void> {
    const kept = this.#watch.kept(this.#stage1End);
    if (kept === null) return;
    if (kept.step <= this.stage2 && this.#scalarsKept !== null) this.#scalarsKept = false;
    await this.#goBackTo(kept);
    this.#diverged = this.#watch.fault(kept.step);
    this.listener.diverging(this.#diverged);
  }

  /** Makes an earlier state the run's; the steps that led away from it stay counted. */
  async #goBackTo({ adapter, validation, drops }: Validated): Promise<void> {
    must(await this.#live().writeAdapter(adapter));
    this.#latest = validation;
    this.#drops = drops;
    await this.#look();
  }
}
