// What a run keeps in order to tell whether it diverges, and what it leaves when it does: its losses and validations, and
// the best state that was validated. The rule itself stands in divergence.ts.
import type { Adapter } from '../dmlora/adapter.ts';
import type { Stage } from '../dmlora/stages.ts';
import {
  divergedFault,
  divergence,
  type DivergedFault,
  type Divergence,
  type Evaluated,
} from './divergence.ts';
import { headShareOf } from '../recipe/recipe.ts';
import type { RunInput } from './run-input.ts';
import type { DropRecord } from './run-record.ts';

/** A state that was validated: the adapter after `step` confirmed steps, and the drops behind it. */
export interface Validated extends Evaluated {
  readonly adapter: Adapter;
  readonly drops: readonly DropRecord[];
}

/** Images of each class. */
function classCounts(labels: Int32Array, classes: number): number[] {
  const counts = Array.from({ length: classes }, () => 0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

export class DivergenceWatch {
  readonly #trainCounts: readonly number[];
  readonly #validationCounts: readonly number[];
  #losses: number[] = [];
  #evaluations: Evaluated[] = [];
  #best: Validated | null = null;
  /** The step that gave no finite number. */
  #overflow: number | null = null;

  constructor(
    private readonly input: RunInput,
    private readonly batch: number,
    private readonly stage2: number,
  ) {
    const { train, validation, classes } = input.data;
    this.#trainCounts = classCounts(train.labels, classes.length);
    this.#validationCounts = classCounts(validation.labels, classes.length);
  }

  /** The loss of a confirmed step. */
  addStep(step: number, loss: number): void {
    this.#losses[step] = loss;
    if (this.#overflow !== null && step >= this.#overflow) this.#overflow = null;
  }

  /**
   * A state is the best by its validation loss, as the scalars of stage 2 are judged: in a small set it tells more states
   * apart than accuracy does, and it rises before the answers change. Of equal ones the earliest is.
   */
  addEvaluation(state: Validated): void {
    const { step, validation } = state;
    this.#evaluations.push({ step, validation });
    if (this.#best === null || validation.loss < this.#best.validation.loss) this.#best = state;
  }

  /** A step that was not applied because a number of it was not finite. */
  addOverflow(step: number): void {
    this.#overflow = step;
  }

  get overflowed(): boolean {
    return this.#overflow !== null;
  }

  /** Forgets what came after `step` confirmed steps: the run goes on from there. */
  goBackTo(step: number): void {
    this.#losses.length = Math.min(this.#losses.length, step);
    this.#evaluations = this.#evaluations.filter((evaluation) => evaluation.step <= step);
  }

  /** Says that the run diverges, or that it has diverged and `keptStep` is its result; null when it does not. */
  fault(keptStep: number | null): DivergedFault | null {
    const noticed = this.#noticed();
    const start = this.#evaluations[0];
    if (noticed === null || start === undefined) return null;
    const { recipe, head } = this.input;
    const share = headShareOf(recipe, head !== null);
    return divergedFault(noticed, this.#stageOf(noticed), recipe, share, start.validation.loss, keptStep);
  }

  /** What a diverged run leaves: its best state, or that before stage 2 where the scalars diverged; null when it did not. */
  kept(stage1End: Validated | null): Validated | null {
    const noticed = this.#noticed();
    if (noticed === null) return null;
    return this.#stageOf(noticed) === 2 ? (stage1End ?? this.#best) : this.#best;
  }

  #noticed(): Divergence | null {
    if (this.#overflow !== null) return { step: this.#overflow, why: 'not-finite', loss: null };
    return divergence({
      trainCounts: this.#trainCounts,
      validationCounts: this.#validationCounts,
      batch: this.batch,
      losses: this.#losses,
      evaluations: this.#evaluations,
    });
  }

  /** The stage whose steps diverged. A step that gave no number is not among those done. */
  #stageOf({ step, why }: Divergence): Stage {
    return step + (why === 'not-finite' ? 1 : 0) > this.stage2 ? 2 : 1;
  }
}
