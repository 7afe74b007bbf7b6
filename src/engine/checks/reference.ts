// The reference vectors of testdata/reference (or of any folder that its generator wrote): the micro ViT,
// adapters as Graft's values, batches. For tests only.
import { parseModelConfig } from '../../checkpoints/libraries.ts';
import { readHeader, readTensorBytes } from '../../formats/safetensors.ts';
import { decodeFloats } from '../../formats/float-types.ts';
import { paramNames, type AdaptedModule, type Adapter } from '../../dmlora/adapter.ts';
import { ndArray, type NdArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import { loadModel, readCheckpoint } from '../../checkpoints/checkpoint.ts';
import type { VitModel } from '../../vit/parameters.ts';
import type { Batch, Normalisation } from '../engine.ts';
import type { Noise } from '../noise.ts';

/** Reads one file of the reference folder. */
export type ReadFile = (name: string) => Promise<Blob>;

export type Tensors = ReadonlyMap<string, NdArray>;

/**
 * The runs with drops: what leaves is lost, folded into the others, absorbed by the frozen weight, or fades;
 * one without drops, of gates drawn in each step, one of crossed branches, one of what each step leaves out;
 * other readings of the method; and those in which the backbone learns too.
 */
export type TrajectoryFile =
  | 'train_zero'
  | 'train_svdfold'
  | 'train_absorb'
  | 'train_fade'
  | 'train_stochastic'
  | 'train_crossed'
  | 'train_noise'
  | 'train_rslora'
  | 'train_joint'
  | 'train_retrain'
  | 'train_norms'
  | 'train_biases'
  | 'train_all'
  | 'train_beside';

export interface Manifest {
  readonly steps: number;
  readonly classes: number;
  readonly branches: number;
  readonly warmup: number;
  readonly lr: number;
  readonly lrMin: number;
  readonly weightDecay: number;
  readonly clip: number;
  readonly stage2: number;
  readonly drops: ReadonlyMap<number, ReadonlyMap<string, number>>;
  /** Steps over which a branch fades where one does. */
  readonly fade: number;
  /** How the gates of steps are drawn where they are. */
  readonly stochastic: {
    readonly seed: number;
    readonly rate: number;
    readonly window: readonly [number, number];
  };
  /** The same of crossed branches, with one rate throughout. */
  readonly crossed: { readonly seed: number; readonly rate: number };
  /** What each step leaves out where it does. */
  readonly noise: Pick<Noise, 'seed' | 'path' | 'input'>;
  /** How far the generator's own float32 run is from its float64 run, at each snapshot of the trajectory. */
  readonly float32Parameters: (file: TrajectoryFile) => ReadonlyMap<string, number>;
}

type Float32Figures = Partial<Record<TrajectoryFile, Record<string, { abs: number }>>>;

/** Pixels of the vectors are the network's own input: nothing is scaled. */
export const identityNormalisation: Normalisation = { rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] };

/** All tensors of a safetensors file as float32; int32 indices become numbers. */
export async function readTensors(read: ReadFile, name: string): Promise<Tensors> {
  const file = await read(name);
  const header = unwrap(await readHeader(file, name));
  const tensors = new Map<string, NdArray>();
  for (const [key, entry] of header.tensors) {
    const bytes = await readTensorBytes(file, entry);
    const values =
      entry.dtype === 'I32'
        ? Float32Array.from(new Int32Array(bytes.slice().buffer))
        : decodeFloats(bytes, 'F32');
    tensors.set(key, ndArray(entry.shape, values));
  }
  return tensors;
}

export function tensorOf(tensors: Tensors, name: string): NdArray {
  return present(tensors.get(name), `reference tensor ${name}`);
}

export function numberAt(tensors: Tensors, name: string, index = 0): number {
  return present(tensorOf(tensors, name).data[index], `${name}[${index}]`);
}

export async function readManifest(read: ReadFile): Promise<Manifest> {
  const json = JSON.parse(await (await read('manifest.json')).text()) as {
    config: Record<string, number>;
    drops: Record<string, Record<string, number>>;
    float32: Float32Figures;
  };
  const gates = JSON.parse(await (await read('gates.json')).text()) as Pick<
    Manifest,
    'fade' | 'stochastic' | 'crossed'
  > & {
    float32: Float32Figures;
  };
  const noise = JSON.parse(await (await read('noise.json')).text()) as Manifest['noise'] & {
    float32: Float32Figures;
  };
  const tuned = JSON.parse(await (await read('tuned.json')).text()) as { float32: Float32Figures };
  const number = (key: string): number => present(json.config[key], `manifest ${key}`);
  return {
    steps: number('steps'),
    classes: number('classes'),
    branches: number('traj_branches'),
    warmup: number('warmup'),
    lr: number('lr'),
    lrMin: number('lr_min'),
    weightDecay: number('weight_decay'),
    clip: number('clip'),
    stage2: number('stage2'),
    fade: gates.fade,
    stochastic: gates.stochastic,
    crossed: gates.crossed,
    noise,
    float32Parameters: (file) =>
      new Map(
        Object.entries(
          { ...json.float32, ...gates.float32, ...noise.float32, ...tuned.float32 }[file] ?? {},
        ).map(([tag, { abs }]) => [tag, abs]),
      ),
    drops: new Map(
      Object.entries(json.drops).map(([step, drops]) => [Number(step), new Map(Object.entries(drops))]),
    ),
  };
}

/** The micro ViT, through the same code that opens a user's checkpoint. */
export async function readMicroModel(read: ReadFile, folder = 'micro_vit_timm'): Promise<VitModel> {
  const config = unwrap(parseModelConfig(await (await read(`${folder}/config.json`)).text(), 'config.json'));
  const file = await read(`${folder}/model.safetensors`);
  const header = unwrap(await readHeader(file, 'model.safetensors'));
  const checkpoint = unwrap(readCheckpoint(header, config));
  return unwrap(await loadModel(file, header, checkpoint));
}

/**
 * An adapter from tensors named `<prefix><module>.A.<k>`, `.B.<k>`, `.s` and `<prefix>head.*`; branches that
 * are absent are not live.
 */
export function adapterFrom(tensors: Tensors, prefix: string): Adapter {
  const names = [...tensors.keys()].filter(
    (name) => name.startsWith(`${prefix}blocks.`) && name.endsWith('.s'),
  );
  const modules = names
    .map((name) => name.slice(prefix.length, -'.s'.length))
    .sort(forwardOrder)
    .map((name): AdaptedModule => {
      const indices = Array.from({ length: 16 }, (_, k) => k).filter((k) =>
        tensors.has(prefix + paramNames.down(name, k)),
      );
      return {
        name,
        scalar: numberAt(tensors, prefix + paramNames.scalar({ name })),
        branches: indices.map((index) => ({
          index,
          A: tensorOf(tensors, prefix + paramNames.down(name, index)),
          B: tensorOf(tensors, prefix + paramNames.up(name, index)),
        })),
      };
    });
  return {
    modules,
    head: {
      weight: tensorOf(tensors, prefix + paramNames.headWeight),
      bias: tensorOf(tensors, prefix + paramNames.headBias),
    },
    moments: new Map(),
  };
}

const order = ['q', 'k', 'v', 'proj', 'fc1', 'fc2'];

function forwardOrder(a: string, b: string): number {
  const [, blockA = '', linearA = ''] = a.split('.');
  const [, blockB = '', linearB = ''] = b.split('.');
  return Number(blockA) - Number(blockB) || order.indexOf(linearA) - order.indexOf(linearB);
}

/** A batch of normalised pixels: all images, or those at `rows`. */
export function batchFrom(tensors: Tensors, rows?: Float32Array): Batch {
  const images = tensorOf(tensors, 'images');
  const labels = Int32Array.from(tensorOf(tensors, 'labels').data);
  if (rows === undefined) return { pixels: { kind: 'normalised', data: images.data }, labels };
  const size = images.data.length / labels.length;
  const data = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    data.set(images.data.subarray(row * size, (row + 1) * size), i * size);
  });
  return { pixels: { kind: 'normalised', data }, labels: Int32Array.from(rows, (row) => labels[row] ?? 0) };
}
