// What a run will take here: the open model and images as a question to train/estimate.ts, what the device
// has shown of its speed, and a quick measurement where it has shown nothing. Learns from every run.
import { makeEngine } from '../engine/make-engine.ts';
import { measureForward } from '../engine/forward-rate.ts';
import type { BackendChoice } from '../engine/engine.ts';
import { describeGpu } from '../engine/gpu.ts';
import { unsupportedByKernels } from '../engine/kernels/supported.ts';
import { branchWork } from '../dmlora/targets.ts';
import type { Recipe } from '../recipe/options.ts';
import {
  batchOfQuestion,
  decodeWork,
  estimateRun,
  learnedImages,
  modelKey,
  probeWork,
  shorterRun,
  speedOf,
  type RunEstimate,
  type RunQuestion,
  type Speed,
} from '../train/estimate.ts';
import type { Preparation } from '../train/preparation.ts';
import { stepFlops } from '../vit/step-flops.ts';
import { headInputs, type VitConfig } from '../vit/vit-config.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import { withModelTimes, type DeviceSpeed } from './device-speed.ts';
import type { EngineParts } from './launch.ts';
import type { OpenData } from './open-data.ts';
import type { RunForecast } from './protocol.ts';

/** What a forecast is of. */
export interface Planned {
  readonly model: OpenModel;
  readonly data: OpenData;
  readonly recipe: Recipe;
  readonly backend: BackendChoice;
  /** Whether the model brings a head for the classes of the images. */
  readonly hasHead: boolean;
  /** Share of the images whose pixels are not kept. */
  readonly undecoded: number;
}

/** A device of which nothing is known yet: a processor of today. */
const slowSpeed: Speed = { forward: 2e10, step: 1.5e10, basis: 'measured' };
/** Fewer decoded images say nothing of how long one takes. */
const enoughDecoded = 20;

const seconds = (): number => performance.now() / 1000;

const cores = (): number => (typeof navigator === 'undefined' ? 1 : navigator.hardwareConcurrency);

export class Forecasts {
  #gpu: ReturnType<typeof describeGpu> | null = null;
  /** Models that were measured, or could not be. */
  readonly #tried = new Set<string>();

  constructor(private readonly speed: DeviceSpeed) {}

  async of(planned: Planned): Promise<RunForecast> {
    const question = questionOf(planned);
    const times = await this.speed.of(await this.#device(planned));
    const speed = speedOf(times, question.config, batchOfQuestion(question));
    if (speed === null) return { kind: 'unknown', isMeasuring: false };
    // At another image size a model is as fast, by its operations, as it is at this one.
    const secondsOf = (asked: RunQuestion): RunEstimate => estimateRun(asked, times, speed);
    const { preparing, training, measuring, seconds: all } = secondsOf(question);
    const configs = planned.model.summary.imageSizes.map((imageSize): VitConfig => ({
      ...question.config,
      imageSize,
    }));
    return {
      ...{ kind: 'known', seconds: all, preparing, training, measuring, basis: speed.basis },
      shorter: shorterRun(question, configs, secondsOf),
    };
  }

  /** Seconds that each part before the first step is expected to take. */
  async expected(planned: Planned): Promise<RunEstimate['parts']> {
    const question = questionOf(planned);
    const times = await this.speed.of(await this.#device(planned));
    const speed = speedOf(times, question.config, batchOfQuestion(question)) ?? slowSpeed;
    return estimateRun(question, times, speed).parts;
  }

  /**
   * Whether `measure` has something to find out, once for each model. On a real GPU it has where the speed is
   * known as well: it is checked and its tiles are measured before Start. An emulated one takes minutes to
   * compile, and is left alone.
   */
  async isWorthMeasuring(planned: Planned, isKnown: boolean): Promise<boolean> {
    const { backend } = planned;
    if (backend === 'cpu' || this.#tried.has(triedKey(planned))) return false;
    const gpu = await this.#describeGpu();
    const onGpu = backend !== 'wasm' && gpu.kind === 'present';
    return isKnown ? onGpu && !gpu.software : !(backend === 'webgpu' && onGpu && gpu.software);
  }

  /**
   * Makes an engine as a run would, measures it on the planned model where nothing is known, and lets it go.
   */
  async measure(planned: Planned, parts: EngineParts, signal: AbortSignal): Promise<void> {
    const { backend } = planned;
    const question = questionOf(planned);
    const { config } = question;
    const batch = batchOfQuestion(question);
    const device = await this.#device(planned);
    const isKnown = speedOf(await this.speed.of(device), config, batch) !== null;
    const key = triedKey(planned);
    this.#tried.add(key);
    const asked = { engine: 'auto', backend, config, batch, signal } as const;
    const made = await makeEngine({ ...asked, ...parts });
    try {
      if (!made.ok || isKnown) return;
      const { arithmetic } = planned.recipe.memory;
      const what = { config, batch, cores: cores(), arithmetic };
      const rate = await measureForward(made.value, what, seconds, signal);
      if (!rate.ok) return;
      await this.speed.learn(device, (times) =>
        withModelTimes(times, modelKey(config, batch), { forward: rate.value }),
      );
    } finally {
      if (made.ok) made.value.dispose();
      if (signal.aborted) this.#tried.delete(key);
    }
  }

  /** Learns from a run that has taken its first step. */
  async learnPrepared(planned: Planned, preparation: Preparation, decoded: number): Promise<void> {
    const question = questionOf(planned);
    const { config, train, validation, test } = question;
    const [trained, held] = [sum(train), sum(validation)];
    const { forward } = flopsOf(question);
    const all = sum(usedImages(planned).map(decodeWork));
    const [decode, engine, features, probe, evaluate] = (
      ['decode', 'engine', 'features', 'probe', 'evaluate'] as const
    ).map((part) => preparation.secondsOf(part));
    const looked = features ?? evaluate ?? null;
    const images = (features == null ? 0 : learnedImages(question)) + held;
    const work = probeWork(trained, headInputs(config), train.length);
    await this.speed.learn(await this.#device(planned), (times) => {
      const share = decoded / Math.max(1, trained + held + test);
      const known = {
        ...times,
        engineSeconds: engine ?? times.engineSeconds,
        probeSeconds: probe == null || probe <= 0 ? times.probeSeconds : probe / (work / 1e9),
        decodeSeconds:
          decode == null || decoded < enoughDecoded ? times.decodeSeconds : decode / (all * share),
      };
      return looked === null || looked <= 0
        ? known
        : withModelTimes(known, modelKey(config, batchOfQuestion(question)), {
            forward: (images * forward) / looked,
          });
    });
  }

  /** Learns what a step takes. */
  async learnStep(planned: Planned, secondsPerStep: number): Promise<void> {
    const question = questionOf(planned);
    const { forward, backward } = flopsOf(question);
    const batch = batchOfQuestion(question);
    const step = (batch * (forward + backward)) / secondsPerStep;
    await this.speed.learn(await this.#device(planned), (times) =>
      withModelTimes(times, modelKey(question.config, batch), { step }),
    );
  }

  /** What times are kept by: the device, and how it computes. */
  async #device(planned: Planned): Promise<string> {
    const gpu = await this.#describeGpu();
    const name = gpu.kind === 'present' ? gpu.name : 'no GPU';
    return `${planned.backend}; ${name}; ${cores()} cores${wayOf(planned, gpu.kind === 'present')}`;
  }

  #describeGpu(): ReturnType<typeof describeGpu> {
    this.#gpu ??= describeGpu();
    return this.#gpu;
  }
}

/**
 * How a run computes, where its steps take other times by it: on a GPU the engine autodiff, or float16 in the kernel
 * engine; and whether all parameters learn, since what the optimiser does with them is not among the operations.
 */
function wayOf({ backend, model, recipe }: Planned, hasGpu: boolean): string {
  const onGpu = hasGpu && backend !== 'wasm' && backend !== 'cpu';
  const isAutodiff = unsupportedByKernels(model.model.config) !== null;
  const isHalf = recipe.memory.arithmetic === 'float16';
  const engine = !onGpu ? '' : isAutodiff ? '; autodiff' : isHalf ? '; float16' : '';
  return recipe.backbone.tune === 'all' ? `${engine}; all parameters` : engine;
}

const triedKey = (planned: Planned): string =>
  `${planned.backend}${wayOf(planned, true)} ${modelKey(planned.model.model.config, 0)}`;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function flopsOf({ config, train, recipe }: RunQuestion): { forward: number; backward: number } {
  return stepFlops(config, train.length, branchWork(recipe));
}

function usedImages({ data: { images, split } }: Planned): OpenData['images'] {
  return [...split.train, ...split.validation, ...split.test].flatMap((index) => images[index] ?? []);
}

function questionOf(planned: Planned): RunQuestion {
  const { model, data, recipe, hasHead, undecoded } = planned;
  const counts = (name: 'train' | 'validation' | 'test'): number[] =>
    data.summary.classes.map((one) => one.counts[name]);
  return {
    recipe,
    config: model.model.config,
    train: counts('train'),
    validation: counts('validation'),
    test: sum(counts('test')),
    hasHead,
    decodeWork: undecoded * sum(usedImages(planned).map(decodeWork)),
  };
}
