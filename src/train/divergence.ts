// When a run has diverged: one rule over what the run measured, and the fault that says so. Pure; the loop
// asks, and knows what follows from it.
import type { Stage } from '../dmlora/stages.ts';
import type { Fault } from '../shared/fault.ts';
import { shareInterval } from '../understand/interval.ts';
import { scoreOf, type Metrics } from './evaluation.ts';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';

/** What is said of a run that diverged, while it goes on and after its end. */
export type DivergedFault = Extract<Fault, { kind: 'diverged' }>;

/** Validation after `step` confirmed steps. */
export interface Evaluated {
  readonly step: number;
  readonly validation: Metrics;
}

/** What a run has measured up to now. */
export interface History {
  /** Validation images of each class. */
  readonly validationCounts: readonly number[];
  /**
   * The loss of the steps for the best answer that does not look at the images, and for one that is never
   * wrong (`blindAndBest`): the entropy of the classes and 0, unless steps descend to targets. And how much more
   * targets can weigh than labels: 1 unless classes are weighted and smoothed.
   */
  readonly training: { readonly blind: number; readonly best: number; readonly most: number };
  readonly batch: number;
  /** The loss on the batch of each confirmed step. */
  readonly losses: ArrayLike<number>;
  /** In the order of the steps; the first is that before training. */
  readonly evaluations: readonly Evaluated[];
}

/** That a run diverged: when it was noticed, and by what. */
export interface Divergence {
  readonly step: number;
  /**
   * `far`: the loss is far above any start's. `lost`: the model knew the classes and no longer looks at its
   * images. `not-finite`: the step gave no number, which the engine notices and not the rule below.
   */
  readonly why: DivergedFault['why'];
  /** The loss by which it was noticed. */
  readonly loss: number | null;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The loss of the best answer that does not look at the image: the frequencies of the classes. */
function entropy(counts: readonly number[]): number {
  const total = sum(counts);
  return -sum(counts.map((count) => (count === 0 ? 0 : (count / total) * Math.log(count / total))));
}

/** A loss above it is far from any start's: from what guessing costs, and from that of a head brought along. */
export function farLoss(classes: number, startLoss: number): number {
  return 2 * Math.max(Math.log(classes), startLoss);
}

/**
 * Whether a run has diverged, from its losses and validations alone; null when it has not, or has come back.
 *
 * The loss of **training** decides. Over-fitting, wrong labels and small validation sets raise the validation
 * loss at will, but no step that makes sense raises, for long, the loss that it descends. It is the mean over
 * the last 8 steps, or over 64 images where a batch has fewer than 8: one bad batch is no divergence. The
 * first step's loss, which no update precedes, does not count.
 *
 * - `far`: that mean is above twice the larger of ln(classes), which is what guessing costs, and the
 *   validation loss before training, which a head brought by a checkpoint may have above it. Before so many
 *   steps are done, the validation loss must be far as well, both by ten times instead of twice: Adam's first
 *   steps are long.
 * - `lost`: the model once knew the classes (accuracy above the largest class's share by more than its 95 %
 *   interval, loss a tenth below the entropy of the classes), and now it answers as if it did not see the
 *   images: accuracy at that share, loss above the start's, and training no better than what is `blind`. A
 *   collapsed network has such losses, which are not far from anything. What never knew the classes merely
 *   has not learned them.
 * - It has **come back** when at a later validation the mean is no longer far, the model looks at its images
 *   (accuracy above that share, or loss below the entropy), and its loss or its accuracy is as good as the
 *   best before. A spike of the warm-up ends so, and is forgotten.
 */
export function divergence(history: History): Divergence | null {
  const { training: bounds, validationCounts, batch, losses, evaluations } = history;
  const [start] = evaluations;
  if (start === undefined) return null;
  const limit = farLoss(validationCounts.length, start.validation.loss);
  /** Of the loss that the steps descend, which targets may make larger. */
  const trainingLimit = limit * bounds.most;
  const window = Math.max(8, Math.ceil(64 / batch));
  const training = (step: number): number => {
    const from = Math.max(1, step - window);
    let total = 0;
    for (let i = from; i < step; i++) total += losses[i] ?? 0;
    return step > from ? total / (step - from) : Infinity;
  };

  const guessing = entropy(validationCounts);
  const images = sum(validationCounts);
  const majority = Math.max(...validationCounts) / images;
  // Whoever answers one class alone has that of all images, and one of all classes. The mean recall is known as
  // well as that of the rarest class.
  const counted = validationCounts.filter((count) => count > 0);
  const alike = counted.length * Math.min(...counted);
  const aboveMajority = ({ accuracy, recall }: Metrics): boolean =>
    recall === undefined
      ? shareInterval(accuracy, images)[0] > majority
      : shareInterval(recall, alike)[0] > 1 / counted.length;
  const looks = (metrics: Metrics): boolean => aboveMajority(metrics) || metrics.loss < guessing;
  const knows = (metrics: Metrics): boolean => aboveMajority(metrics) && metrics.loss < 0.9 * guessing;

  let noticed: Divergence | null = null;
  let knew = knows(start.validation);
  let best = { loss: start.validation.loss, score: scoreOf(start.validation) };
  for (let step = 1; step <= losses.length; step++) {
    if (noticed === null && step > window && training(step) > trainingLimit)
      noticed = { step, why: 'far', loss: training(step) };
    for (const { validation } of evaluations.filter((evaluation) => evaluation.step === step)) {
      const { loss } = validation;
      const isFar =
        step > window
          ? training(step) > trainingLimit
          : Math.min(loss / limit, training(step) / trainingLimit) > 5;
      if (noticed === null && isFar) noticed = { step, why: 'far', loss };
      const blind =
        !aboveMajority(validation) && training(step) - bounds.best > 0.95 * (bounds.blind - bounds.best);
      if (noticed === null && step > window && knew && blind && loss > start.validation.loss)
        noticed = { step, why: 'lost', loss };
      const asGood = loss <= best.loss || scoreOf(validation) >= best.score;
      if (!isFar && looks(validation) && asGood) noticed = null;
      if (noticed === null)
        best = { loss: Math.min(best.loss, loss), score: Math.max(best.score, scoreOf(validation)) };
      knew ||= knows(validation);
    }
  }
  return noticed;
}

/**
 * The words' facts: which rate to lower, and to what. In stage 2 only the scalars have a rate of their own:
 * what diverges there does so by it, since the head's has been falling for long. Before, branches and head
 * share one rate; only a head that has a multiple of it can be the cause alone. Advised is a tenth, and never
 * more than the default.
 */
export function divergedFault(
  { step, why, loss }: Divergence,
  stage: Stage,
  recipe: Recipe,
  headShare: number,
  startLoss: number,
  keptStep: number | null,
): DivergedFault {
  const field =
    stage === 2
      ? 'scalarRate'
      : headShare > 1 && recipe.learningRate <= recipeDefaults.learningRate
        ? 'headRate'
        : 'learningRate';
  const now = recipe[field];
  const advised = Math.min(recipeDefaults[field], Number((now / 10).toPrecision(3)));
  return { kind: 'diverged', step, why, loss, startLoss, rate: { field, now, advised }, keptStep };
}
