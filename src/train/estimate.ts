// What a run takes on a device, told before it begins: its work, counted, over what the device has shown of
// its speed; and where that is long, a recipe that is not. Pure: no clock, no device.
import { branchWork } from '../dmlora/targets.ts';
import type { Recipe } from '../recipe/options.ts';
import { batchOf, learnedOf, withLength } from '../recipe/recipe.ts';
import { stepFlops } from '../vit/step-flops.ts';
import { headInputs, tokenCount, type VitConfig } from '../vit/vit-config.ts';
import { probeImagesAtMost } from './linear-probe.ts';
import type { PreparingPart } from './run-input.ts';
import { planRun, type RunPlan } from './run-plan.ts';
import { sampleImages } from './sample.ts';

/** What a device has shown of its speed; null where it has not yet. */
export interface DeviceTimes {
  /** Until an engine was ready. */
  readonly engineSeconds: number | null;
  /** Of a unit of `decodeWork`. */
  readonly decodeSeconds: number | null;
  /** Of 10^9 multiply-adds of the linear probe. */
  readonly probeSeconds: number | null;
  /** By `modelKey`. */
  readonly models: Readonly<Record<string, ModelTimes>>;
}

/** Operations a second, counted by step-flops.ts. */
export interface ModelTimes {
  /** Of forward passes. */
  readonly forward: number | null;
  /** Of whole steps, as runs took them. */
  readonly step: number | null;
}

export const noTimes: DeviceTimes = {
  engineSeconds: null,
  decodeSeconds: null,
  probeSeconds: null,
  models: {},
};

/** Where a device has shown nothing: guesses of a slow one of today. */
const assumed = { engineSeconds: 1.5, decodeSeconds: 0.07, probeSeconds: 0.5 } as const;

/**
 * Forward passes do more operations a second than steps do, so many times: on wasm 32 images of the shipped
 * model took 350 to 450 ms forward and 770 to 940 in a step (docs/decisions/own-products.md), with half of
 * its operations.
 */
const forwardOverStep = 1.1;

/** Evaluations of the probe's objective, each two products. */
const probeEvaluations = 150;

/** What is known of a run before it begins. */
export interface RunQuestion {
  readonly recipe: Recipe;
  readonly config: VitConfig;
  /** Images of each class. */
  readonly train: readonly number[];
  readonly validation: readonly number[];
  /** Images kept apart. */
  readonly test: number;
  /** Whether the checkpoint brings a head for these classes: then no probe is fitted. */
  readonly hasHead: boolean;
  /** Sum of `decodeWork` over the images whose pixels are not kept. */
  readonly decodeWork: number;
}

/** Seconds of everything that a run does. */
export interface RunEstimate {
  /** Before the first step. */
  readonly parts: Readonly<Record<PreparingPart, number>>;
  readonly preparing: number;
  /** Steps and drops. */
  readonly training: number;
  /** Validations, removals of branches, and the images kept apart. */
  readonly measuring: number;
  readonly seconds: number;
}

/** What decoding one image is: its megapixels, and what every image costs. */
export function decodeWork({ width, height }: { readonly width: number; readonly height: number }): number {
  return (width * height) / 1e6 + 0.02;
}

const shapeKey = (config: VitConfig): string =>
  [tokenCount(config), config.dim, config.depth, config.heads, config.mlpDim].join('x');

/** The name under which a model's times are kept: its shape, and the images of a step. */
export function modelKey(config: VitConfig, batch: number): string {
  return `${shapeKey(config)} b${batch}`;
}

/** Multiply-adds of a probe on features of so many images. */
export function probeWork(images: number, width: number, classes: number): number {
  const fitted = Math.min(images, probeImagesAtMost(width, classes));
  return 2 * probeEvaluations * fitted * width * classes + 4 * width ** 3;
}

export interface Speed {
  readonly forward: number;
  readonly step: number;
  /** Whether it comes from steps of such a run, or from less. */
  readonly basis: 'remembered' | 'measured';
}

/** A device's speed on a model: at this batch, or at another one; null where it has shown none. */
export function speedOf({ models }: DeviceTimes, config: VitConfig, batch: number): Speed | null {
  const shape = `${shapeKey(config)} b`;
  const exact = models[modelKey(config, batch)];
  const near = Object.entries(models).find(([key]) => key.startsWith(shape))?.[1];
  const known = exact ?? near;
  if (known === undefined) return null;
  const step = known.step ?? (known.forward === null ? null : known.forward / forwardOverStep);
  if (step === null) return null;
  const basis = exact !== undefined && exact.step !== null ? 'remembered' : 'measured';
  return { forward: known.forward ?? step * forwardOverStep, step, basis };
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

/** Branches whose removal is measured, at all drops together: every one that lives then. */
function removalsOf({ drops }: RunPlan, { dmlora }: Recipe): number {
  if (dmlora.dropPick !== 'cheapest') return 0;
  return drops.reduce((sum, event, i) => sum + event.drops.size * (dmlora.branches - i), 0);
}

/** What a run takes at a speed. */
export function estimateRun(question: RunQuestion, times: DeviceTimes, speed: Speed): RunEstimate {
  const { recipe, config, hasHead, test } = question;
  const [train, validation, classes] = [sum(question.train), sum(question.validation), question.train.length];
  const learned = learnedImages(question);
  const plan = planRun(recipe, config, learned);
  const { forward, backward } = stepFlops(config, classes, branchWork(recipe));
  const looking = (images: number): number => (images * forward) / speed.forward;
  const isProbed = recipe.headStart === 'probe' && !hasHead;
  const decodeSeconds = times.decodeSeconds ?? assumed.decodeSeconds;
  const probeSeconds = times.probeSeconds ?? assumed.probeSeconds;
  const parts = {
    decode: question.decodeWork * decodeSeconds,
    engine: times.engineSeconds ?? assumed.engineSeconds,
    features: isProbed ? looking(learned + validation) : 0,
    probe: isProbed ? (probeWork(train, headInputs(config), classes) / 1e9) * probeSeconds : 0,
    evaluate: isProbed ? 0 : looking(validation),
  };
  const later = [...plan.validations].filter((step) => step > 0).length;
  const atStage2 = plan.stage2 < plan.steps && !plan.validations.has(plan.stage2) ? 1 : 0;
  const preparing = Math.max(parts.decode, parts.engine) + parts.features + parts.probe + parts.evaluate;
  const training =
    (plan.steps * plan.batch * (forward + backward)) / speed.step +
    looking(2 * plan.batch * plan.drops.length);
  const picking = Math.min(sampleImages, validation) * removalsOf(plan, recipe);
  const measuring = looking((later + atStage2) * validation + picking + test * (isProbed ? 2 : 1));
  return { parts, preparing, training, measuring, seconds: preparing + training + measuring };
}

/** A run that takes less: another recipe, and where that is not enough smaller images. */
export interface ShorterRun {
  readonly recipe: Recipe;
  /** Null where the images stay as they are. */
  readonly imageSize: number | null;
  readonly seconds: number;
}

/** A run is long from so many seconds on. */
export const longRunSeconds = 600;
/** Fewer passes over the images than these teach little: other things give way first. */
const leastEpochs = 3;
const leastSteps = 30;
const fewValidationImages = 20;

/**
 * A run of at most `longRunSeconds`; null where this one is no longer, or where none is found. What costs the
 * result least gives way first: validation images where measuring is a third of the time, then passes over
 * the images as long as three are left, then the size of the images, then how many are trained on.
 *
 * @param configs the model at smaller image sizes.
 * @param secondsOf what a run takes.
 */
export function shorterRun(
  question: RunQuestion,
  configs: readonly VitConfig[],
  secondsOf: (question: RunQuestion) => RunEstimate,
): ShorterRun | null {
  const fits = (one: RunQuestion): boolean => secondsOf(one).seconds <= longRunSeconds;
  if (fits(question)) return null;
  const { measuring, seconds } = secondsOf(question);
  // Folds take all images: each is to be validated once.
  const isFold = question.recipe.split.folds > 0;
  const lean =
    !isFold && measuring > seconds / 3 && Math.max(...question.validation) > fewValidationImages
      ? limited(question, 'validation', fewValidationImages)
      : question;
  const smaller = configs
    .filter(({ imageSize }) => imageSize < question.config.imageSize)
    .sort((a, b) => b.imageSize - a.imageSize);
  const sizes = [question.config, ...smaller].map((config) => ({ ...lean, config }));
  const most = Math.max(...question.train);
  const fewer = sizes.slice(isFold ? sizes.length : -1).flatMap((one) =>
    [0.5, 0.25, 0.1]
      .map((share) => Math.floor(most * share))
      .filter((images) => images >= 10)
      .map((images) => limited(one, 'train', images)),
  );
  for (const one of [...sizes, ...fewer]) {
    const found = one !== question && fits(one) ? one : ofFewerSteps(one, secondsOf);
    if (found === null) continue;
    const { imageSize } = found.config;
    return {
      recipe: found.recipe,
      imageSize: imageSize === question.config.imageSize ? null : imageSize,
      seconds: secondsOf(found).seconds,
    };
  }
  return null;
}

/** The question with at most so many images of each class. */
function limited(question: RunQuestion, split: 'train' | 'validation', images: number): RunQuestion {
  const { recipe } = question;
  const option = split === 'train' ? { trainPerClass: images } : { validationPerClass: images };
  return {
    ...question,
    [split]: question[split].map((count) => Math.min(count, images)),
    recipe: { ...recipe, split: { ...recipe.split, ...option } },
  };
}

/** The longest run that fits, of no fewer epochs or steps than are of use; null where there is none. */
function ofFewerSteps(
  question: RunQuestion,
  secondsOf: (question: RunQuestion) => RunEstimate,
): RunQuestion | null {
  const { recipe } = question;
  const inSteps = recipe.steps !== null;
  const now = recipe.steps ?? withLength(recipe, learnedImages(question)).epochs ?? 1;
  const least = Math.min(now, inSteps ? leastSteps : leastEpochs);
  const of = (length: number): RunQuestion => ({
    ...question,
    recipe: inSteps ? { ...recipe, steps: length } : { ...recipe, epochs: length },
  });
  const fits = (length: number): boolean => secondsOf(of(length)).seconds <= longRunSeconds;
  if (!fits(least)) return null;
  // Seconds grow with the length: halving finds the longest whole one that fits.
  let [low, high] = [least, Math.max(least, Math.floor(now))];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return of(low);
}

/** How many images the run learns from. */
export const learnedImages = (question: RunQuestion): number => sum(learnedOf(question.recipe, question));

/** The batch of a question's steps. */
export const batchOfQuestion = (question: RunQuestion): number =>
  batchOf(question.recipe, learnedImages(question));
