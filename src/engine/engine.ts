// The border between what happens when (train/) and how a step is computed (the engines). An engine holds a
// frozen ViT, the adapter and the optimiser's moments on its device; nothing above it sees a tensor or a
// buffer.
//
// A step is a transaction: an engine may enqueue several, but `report` confirms them in order and stops at
// the first fault, and then adapter and moments are those of the last confirmed step. Where a device applied
// a step and complained of it afterwards, they can no longer be read: the fault is given until an adapter is
// written.
import type { Adapter, Gates, Trains } from '../dmlora/adapter.ts';
import type { NdArray } from '../shared/array.ts';
import type { Fault } from '../shared/fault.ts';
import type { Result } from '../shared/result.ts';
import type { ParamName, VitModel } from '../vit/parameters.ts';
import type { Augmentation, Box } from './augmentation.ts';
import type { Noise, NoiseKinds } from './noise.ts';

export type EngineName = 'autodiff' | 'kernels';
export type BackendName = 'webgpu' | 'wasm' | 'cpu';
export type EngineChoice = 'auto' | EngineName;
export type BackendChoice = 'auto' | BackendName;

/** What frozen weights and activations are multiplied in; sums are float32 in both. */
export type Arithmetic = 'float32' | 'float16';

/** What was found on a GPU and is used of it. */
export interface GpuFacts {
  /** Optional features of WebGPU that help and that the adapter has. */
  readonly features: readonly string[];
  /** Largest buffer, and largest part of one that a kernel can see. */
  readonly maxBufferBytes: number;
  readonly maxBindingBytes: number;
  /** Of one workgroup. */
  readonly workgroupMemoryBytes: number;
  readonly workgroupThreads: number;
}

/** How the tiles of the matrix products were chosen. */
export interface TuningRecord {
  /** By the kind of device; by measuring on it just now; by what was measured on it before. */
  readonly source: 'preset' | 'measured' | 'remembered';
  /** Tile by shape of the product, "rows x inner x columns x parts". */
  readonly tiles: Readonly<Record<string, string>>;
  /** What choosing took. */
  readonly ms: number;
}

export interface EngineDescription {
  readonly engine: EngineName;
  readonly backend: BackendName;
  /** The device in words: vendor and architecture of the GPU adapter, or what the processor runs. */
  readonly adapter: string;
  /** True for a GPU that is emulated by the processor. */
  readonly software: boolean;
  /** What was asked for and could not be had, as a sentence; null when nothing fell back. */
  readonly fallback: string | null;
  /** Null without a GPU. */
  readonly gpu: GpuFacts | null;
  /** Null for engines that have nothing to tune. */
  readonly tuning: TuningRecord | null;
  /** How many steps may be enqueued without a report. */
  readonly stepsInFlight: number;
}

/** Pixels of n square images, in one of two forms. */
export type Pixels =
  /** As stored: [n, imageSize, imageSize, 3], 0..255; the engine scales and normalises them. */
  | { readonly kind: 'bytes'; readonly data: Uint8Array }
  /** As the network takes them: [n, 3, imageSize, imageSize], (value / 255 - mean) / std. */
  | { readonly kind: 'normalised'; readonly data: Float32Array };

export interface Batch extends Augmentation {
  readonly pixels: Pixels;
  /** The class of each image. */
  readonly labels: Int32Array;
  /**
   * The place of each image in the training set, below `PrepareOptions.images`: the same place means the same
   * pixels, so what frozen blocks make of them may be kept.
   */
  readonly images?: Int32Array | undefined;
  /**
   * What a step or gradient descends to in place of the labels, [n, classes]: its loss is the mean over the
   * batch of -sum_c target_c log p_c, whatever a row adds up to. Hits are counted by the labels all the same.
   */
  readonly targets?: Float32Array | undefined;
  /**
   * Image i is taken as `share` of its own pixels and the rest of those of the image at `partners[i]` of the
   * batch, each augmented for itself, in a step or gradient. What that is answered with, targets say. For
   * pixels of kind bytes.
   */
  readonly mix?: Mix | undefined;
  /** What a step or gradient leaves out of the network at random; nothing without it. */
  readonly noise?: Noise | undefined;
}

/** How the images of a batch are mixed in pairs. */
export interface Mix {
  readonly partners: Int32Array;
  readonly share: number;
  /**
   * With it nothing is blended: within it an image has the pixels of its partner, elsewhere its own, and
   * `share` is that of its own area.
   */
  readonly box?: Box;
}

/** (value * rescale - mean) / std for each channel. */
export interface Normalisation {
  readonly rescale: number;
  /** The order of the channels, where it is not red, green, blue. */
  readonly channels?: 'bgr';
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface PrepareOptions {
  /** Images of one training step; every batch has this many. */
  readonly batch: number;
  readonly classes: number;
  /**
   * Images to differentiate at once, where it is not the engine's own choice; the step's result is the same.
   */
  readonly microBatch?: number;
  /** Blocks to compute again in the backward pass, where it is not the engine's own choice. */
  readonly recomputedBlocks?: number;
  /** All pixels will come in this form, which may save memory; without it in either. */
  readonly pixels?: Pixels['kind'];
  /** Images of the training set, where batches tell which they hold. */
  readonly images?: number;
  /**
   * Whether batches may bring targets, may be mixed, by a box too, and may be augmented by more than crops.
   */
  readonly targets?: boolean;
  readonly mixes?: boolean;
  readonly cuts?: boolean;
  readonly colours?: boolean;
  readonly erases?: boolean;
  readonly rotates?: boolean;
  /** Which kinds of noise batches may have; none without it. */
  readonly noise?: NoiseKinds;
  /** Without it the engine takes what it thinks the device has, and float16 only if nothing else fits. */
  readonly memory?: MemoryWish;
}

/** What a run may take of the device's memory, and how exactly it must compute. */
export interface MemoryWish {
  /** Bytes that the run may take; null leaves it to the engine, since WebGPU does not tell what there is. */
  readonly budgetBytes: number | null;
  /**
   * Whether frozen weights and kept activations may be float16; sums, scalars and optimiser are float32
   * always.
   */
  readonly float16: 'never' | 'if-needed' | 'always';
  /**
   * float16 where the kernel engine runs on a device that offers it (`shader-f16`) and passes a check of it;
   * float32 everywhere else, and without it.
   */
  readonly arithmetic?: Arithmetic;
}

/** What a prepared run takes of the device's memory, and what was given up for it. */
export interface MemoryPlan {
  readonly bytes: {
    /** The frozen backbone. */
    readonly weights: number;
    /** Branches, scalars and head with gradients, moments and tables. */
    readonly adapter: number;
    /** What one micro-batch needs between forward and backward pass. */
    readonly activations: number;
    /** Outputs of the frozen blocks below the first adapted one, kept for every training image. */
    readonly prefix: number;
    /** Buffers through which pixels come. */
    readonly uploads: number;
    /** Buffers through which results come back. */
    readonly readBack: number;
  };
  readonly totalBytes: number;
  readonly batch: number;
  /** Images differentiated at once; a step takes its batch in such parts. */
  readonly microBatch: number;
  /** Blocks whose forward pass is computed again in the backward pass. */
  readonly recomputedBlocks: number;
  /** How frozen weights and kept activations are stored. */
  readonly storage: 'f32' | 'f16';
  readonly arithmetic: Arithmetic;
  /**
   * What does not run as asked because of memory or of the device's float16, in sentences; null when all
   * does.
   */
  readonly note: string | null;
}

/** What one optimiser step is told. */
export interface StepControl {
  /** 0-based index of the step, for reports and faults. */
  readonly step: number;
  readonly trains: Trains;
  /** Learning rates of this step: branches, head, scalars. */
  readonly learningRate: number;
  readonly headRate: number;
  readonly scalarRate: number;
  /** Decoupled weight decay of A, B and the head's weight. */
  readonly weightDecay: number;
  /** Largest global gradient norm. */
  readonly clipNorm: number;
  /** Scalars are clamped to [0, scalarLimit]. */
  readonly scalarLimit: number;
  readonly gates: Gates;
}

export interface StepReport {
  readonly step: number;
  /** What the step descends, before the update: mean cross entropy of the batch to its labels, or targets. */
  readonly loss: number;
  /** Images of the batch whose largest logit is their class. */
  readonly correct: number;
  /** Global L2 norm of the gradients before clipping. */
  readonly gradientNorm: number;
  /** min(1, clipNorm / (gradientNorm + 1e-6)). */
  readonly clipScale: number;
}

export interface Gradients {
  readonly loss: number;
  readonly logits: NdArray; // [n, classes]
  /** d loss / d parameter, before clipping, of every trainable parameter, scalars included. */
  readonly gradients: ReadonlyMap<ParamName, NdArray>;
}

/**
 * Where a model looks in each of n images: three maps over its tokens, those before the patches first. All of
 * them begin at what the head reads: at the class token, or, where the head reads a mean alone, at each of
 * the tokens that it averages, with equal weights. With w that row of weights and, in block l, A_lh the
 * attention of head h (the softmax, [queries, tokens]), mean_h over the heads and G_lh the gradient of the
 * chosen logit by A_lh:
 *
 *   attention  w A_Lh of the last block L, for each head; each row sums to 1
 *   rollout    w R_L .. R_1 with R_l = 1/2 I + 1/2 mean_h A_lh: attention rollout (Abnar and Zuidema, "Quantifying
 *              Attention Flow in Transformers", 2020); it sums to 1 and knows no class
 *   relevance  w (I + C_L) .. (I + C_1) - w with C_l = mean_h max(0, G_lh A_lh): what a chosen class is told by
 *              (Chefer, Gur and Wolf, "Generic Attention-model Explainability", 2021, eq. 5 and 6); never
 *              negative. Paths that pass no attention are not in it: nothing says how much of a mean comes from a
 *              token itself.
 */
export interface Look {
  readonly attention: NdArray; // [n, heads, tokens]
  readonly rollout: NdArray; // [n, tokens]
  readonly relevance: NdArray; // [n, tokens]
}

export interface Memory {
  /** Bytes of buffers that the engine holds now, on the device or in wasm memory. */
  readonly bufferBytes: number;
  readonly peakBufferBytes: number;
  /** Tensors (autodiff) or buffers (kernels) alive: constant from step to step, or something leaks. */
  readonly count: number;
}

export interface Engine {
  describe(): EngineDescription;

  /** Uploads the frozen model and the adapter and prepares everything that steps with these options need. */
  prepare(
    model: VitModel,
    adapter: Adapter,
    normalisation: Normalisation,
    options: PrepareOptions,
  ): Promise<Result<void>>;

  /**
   * Enqueues one optimiser step; its result comes with the next report. Reading and writing the adapter wait
   * for no step: ask for the report first.
   */
  step(batch: Batch, control: StepControl): void;

  /**
   * Waits for the enqueued steps: a report for each that was applied, in order, and the fault that ended
   * them; all are then forgotten.
   *
   * @param leave steps that need no report yet, so that the device has work while this one is read; at least
   * the
   *   oldest is waited for. An engine may report more. Without it all are.
   */
  report(leave?: number): Promise<{ readonly steps: readonly StepReport[]; readonly fault: Fault | null }>;

  /**
   * Logits [n, classes] of the adapted model; any n. An engine with several steps in flight takes calls of
   * this and of `features` before the last one has answered, and answers in order; no other call may come
   * between.
   *
   * @param signal looked at between two pieces of work, where a call is more than one; the call then ends as
   *   `cancelled` and has changed nothing.
   */
  evaluate(pixels: Pixels, gates: Gates, signal?: AbortSignal): Promise<Result<NdArray>>;

  /** What the head reads, [n, width], of the adapted model; any n. */
  features(pixels: Pixels, gates: Gates, signal?: AbortSignal): Promise<Result<NdArray>>;
  /**
   * Mean cross entropy of a batch to its labels without an update, plain: neither its augmentation nor its
   * targets, mix and noise count. What a drop is measured by.
   */
  loss(batch: Batch, gates: Gates, signal?: AbortSignal): Promise<Result<number>>;

  /** Every gradient of a batch without an update: for tests and for checking a device. */
  gradients(batch: Batch, gates: Gates): Promise<Result<Gradients>>;

  /**
   * Where the adapted model looks, and where the logit of a class comes from, in a few images, one after the
   * other. Reads the adapter as it is; what it takes of the device's memory beside the run's it frees.
   */
  look(pixels: Pixels, classIndex: number, gates: Gates, signal?: AbortSignal): Promise<Result<Look>>;

  /** A copy of branches, scalars, head and moments, of the last confirmed step. */
  readAdapter(): Promise<Result<Adapter>>;

  /** Replaces them; modules keep their names and order, their branches may be fewer. */
  writeAdapter(adapter: Adapter): Promise<Result<void>>;

  memory(): Memory;

  /** What the prepared run takes, known before its first step; null where the engine cannot tell ahead. */
  memoryPlan(): MemoryPlan | null;

  /**
   * Frees what `prepare` took and keeps the device, its pipelines and how they were tuned: `prepare` may
   * follow and nothing else. Ask for the report of the last step first.
   */
  release(): void;

  /** Frees the device; no call may follow. */
  dispose(): void;
}
